-- Frees the given units and slots of a purchase, once. A rejected purchase is undone: its receipt and its request go. A
-- committed one keeps them and is noted as released.
--
-- KEYS  header, units, slots, receipts, released, ledger
-- ARGV  id of the purchase in the ledger, units to make free, slots of its user to empty, reason
-- Returns RELEASED id | RELEASED_BEFORE id | SALE_CLOSED | NOT_BOUGHT | FENCED
-- Invariant: never frees a unit or slot that somebody else owns in PostgreSQL; the caller has checked that.

local units_key, slots_key, receipts_key, released_key, ledger = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, reason = ARGV[1], ARGV[4]

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local before = call('HGET', released_key, id)
if before then
  return 'RELEASED_BEFORE ' .. before
end
if reason ~= 'rejected' and call('HGET', KEYS[1], 'sealed') then
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

next_id(header, now_ms())
local failure = append(header, ledger, 'released', concat(ARGV, ' '))
if failure then
  return failure
end
for ordinal, unit in gmatch(ARGV[2], '(%d+):(%d+):%d+') do
  call('HSET', units_key, ordinal, give_back(call('HGET', units_key, ordinal), tonumber(unit)) or 0)
end
local slots = call('HGET', slots_key, user)
for slot in gmatch(ARGV[3], '%d+') do
  slots = give_back(slots, tonumber(slot))
end
call('HSET', slots_key, user, slots or 0)
if reason ~= 'rejected' then
  call('HSET', released_key, id, header.last_id)
  return 'RELEASED ' .. header.last_id
end
call('HDEL', receipts_key, code)
if request ~= '-' then
  call('HDEL', receipts_key, request_name(user, string.sub(request, 2)))
end
return 'RELEASED ' .. header.last_id
