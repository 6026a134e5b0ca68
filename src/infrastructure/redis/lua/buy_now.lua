-- Buys units of one item without a cart, once for each request id of a user.
--
-- KEYS  header, units, slots, receipts, ledger
-- ARGV  user, request, new_code, line
-- Returns SOLD replayed id entry | MISMATCH | NOT_STARTED | ENDED | ITEM_NOT_FOUND | SOLD_OUT | USER_LIMIT
--         | FENCED
-- Invariant: a refused request consumes nothing; its id may be used again.

local keys = { units = KEYS[2], slots = KEYS[3], receipts = KEYS[4], ledger = KEYS[5] }
local user, request, lines = ARGV[1], ARGV[2], parse_lines(ARGV[4])
local wanted = lines[1]

local header = read_header(KEYS[1])
if not header then
  return { 'FENCED' }
end

local before = redis.call('HGET', keys.receipts, request_name(user, request))
if before then
  local reply = sold_before(keys.ledger, before)
  if reply[1] ~= 'SOLD' then
    return reply
  end
  local units = string.match(reply[4], '^%S+ %S+ %S+ (%S+)')
  local _, count = string.gsub(units, '[^,]+', '')
  if string.match(units, '^%d+') ~= wanted.ordinal or count ~= wanted.quantity then
    return { 'MISMATCH' }
  end
  return reply
end

local refusal = closed(header)
if refusal then
  return { refusal }
end
local free = read_free(keys.units, lines)
if not free[1] then
  return { 'ITEM_NOT_FOUND' }
elseif count_free(free[1]) < wanted.quantity then
  return { 'SOLD_OUT' }
end
local slots = redis.call('HGET', keys.slots, user) or ''
if count_filled(slots) + wanted.quantity > header.user_limit then
  return { 'USER_LIMIT' }
end

return sell(keys, {
  code = ARGV[3], user = user, request = request, lines = lines, missed = {}, free = free, slots = slots,
})
