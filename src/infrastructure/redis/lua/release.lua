-- Frees the given units and slots of purchases, of each purchase once. A rejected purchase is undone: its receipt and its
-- request go. A committed one keeps them and is noted as released.
--
-- KEYS  header, units, slots, receipts, released, ledger
-- ARGV  id of the purchase in the ledger, units to make free, slots of its user to empty, reason; for each purchase
-- Returns for each purchase: RELEASED id | RELEASED_BEFORE id | SALE_CLOSED | NOT_BOUGHT; for all of them: FENCED
-- Invariant: never frees a unit or slot that somebody else owns in PostgreSQL; the caller has checked that.

local units_key, slots_key, receipts_key, released_key, ledger = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local is_sealed, now = call('HGET', KEYS[1], 'sealed'), now_ms()

-- The taken numbers without one of them.
local function give_back(taken, number)
  local highest, gaps = match(taken or '0', '^(%d+),?(.*)$')
  if number > tonumber(highest) then
    return taken
  end
  local parts, placed = { highest }, false
  for gap in gmatch(gaps, '%d+') do
    if tonumber(gap) == number then
      return taken
    elseif not placed and tonumber(gap) > number then
      parts[#parts + 1] = number
      placed = true
    end
    parts[#parts + 1] = gap
  end
  if not placed then
    parts[#parts + 1] = number
  end
  return concat(parts, ',')
end

-- Returns the reply for one purchase, or nil and the reply for all of them.
local function release(id, freed_units, freed_slots, reason)
  local before = call('HGET', released_key, id)
  if before then
    return 'RELEASED_BEFORE ' .. before
  end
  if reason ~= 'rejected' and is_sealed then
    return 'SALE_CLOSED'
  end
  local line = find_sold(ledger, id)
  if not line then
    return 'NOT_BOUGHT'
  end
  local code, user, request = match(line, '^%S+ (%S+) (%S+) (%S+)')
  if call('HGET', receipts_key, code) ~= id then
    return 'NOT_BOUGHT'
  end
  next_id(header, now)
  local failure = append(header, ledger, 'released', concat({ id, freed_units, freed_slots, reason }, ' '))
  if failure then
    return nil, failure
  end
  for ordinal, unit in gmatch(freed_units, '(%d+):(%d+):%d+') do
    call('HSET', units_key, ordinal, give_back(call('HGET', units_key, ordinal), tonumber(unit)) or 0)
  end
  local slots = call('HGET', slots_key, user)
  for slot in gmatch(freed_slots, '%d+') do
    slots = give_back(slots, tonumber(slot))
  end
  call('HSET', slots_key, user, slots or 0)
  if reason ~= 'rejected' then
    call('HSET', released_key, id, header.last_id)
  else
    call('HDEL', receipts_key, code)
    if request ~= '-' then
      call('HDEL', receipts_key, request_name(user, string.sub(request, 2)))
    end
  end
  return 'RELEASED ' .. header.last_id
end

local replies = {}
for i = 1, #ARGV, 4 do
  local reply, failure = release(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  if failure then
    return failure
  end
  replies[#replies + 1] = reply
end
return concat(replies, '\n')
