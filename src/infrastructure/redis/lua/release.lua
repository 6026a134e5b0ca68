-- Undoes a purchase that PostgreSQL rejected: deletes its receipt, and frees the given units and slots. Idempotent.
--
-- KEYS  header, units, slots, receipts, ledger
-- ARGV  id of the purchase in the ledger, units to make free, slots of its user to empty
-- Returns OK | FENCED
-- Invariant: never frees a unit or slot that somebody owns in PostgreSQL; the caller has checked that.

local units, slots, receipts, ledger = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id = ARGV[1]

if not read_header(KEYS[1]) then
  return { 'FENCED' }
end
local entry = redis.call('XRANGE', ledger, id, id)[1]
if not entry or entry[2][1] ~= 'sold' then
  return { 'OK' }
end
local code, user, request = string.match(entry[2][2], '^(%S+) (%S+) (%S+)')
if redis.call('HGET', receipts, code) ~= id then
  return { 'OK' }
end

-- The free units of an item, with one more.
local function give_back(free, unit)
  local parts, placed = {}, false
  for part in string.gmatch(free, '[^,]+') do
    if not placed and tonumber(string.match(part, '^%d+')) > unit then
      parts[#parts + 1] = tostring(unit)
      placed = true
    end
    parts[#parts + 1] = part
  end
  if not placed then
    parts[#parts + 1] = tostring(unit)
  end
  return table.concat(parts, ',')
end

redis.call('XADD', ledger, 'NOMKSTREAM', '*', 'released', id .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
for ordinal, unit in string.gmatch(ARGV[2], '(%d+):(%d+):%d+') do
  redis.call('HSET', units, ordinal, give_back(redis.call('HGET', units, ordinal) or '', tonumber(unit)))
end
local filled = redis.call('HGET', slots, user) or ''
for slot in string.gmatch(ARGV[3], '%d+') do
  slot = tonumber(slot)
  filled = string.sub(filled, 1, slot - 1) .. '0' .. string.sub(filled, slot + 1)
end
redis.call('HSET', slots, user, filled)
redis.call('HDEL', receipts, code)
if request ~= '-' then
  redis.call('HDEL', receipts, request_name(user, string.sub(request, 2)))
end
return { 'OK' }
