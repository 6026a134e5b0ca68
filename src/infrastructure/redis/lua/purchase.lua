-- Buys a cart: all of it or, if `partial` is 1, the units that are left.
--
-- KEYS  header, units, slots, carts, codes, receipts, ledger
-- ARGV  code, partial
-- Returns SOLD replayed id entry | NOT_FOUND | NOT_STARTED | ENDED | CART_EMPTY | USER_LIMIT
--         | ITEMS_SOLD unavailable available | FENCED
-- Invariant: one code, one outcome. A refusal takes no unit and no slot. Sold units leave the cart, so that the same
-- code buys the rest.

local carts, codes = KEYS[4], KEYS[5]
local keys = { units = KEYS[2], slots = KEYS[3], receipts = KEYS[6], ledger = KEYS[7] }
local code, partial = ARGV[1], ARGV[2] == '1'

local header = read_header(KEYS[1])
if not header then
  return { 'FENCED' }
end
local receipt = redis.call('HGET', keys.receipts, code)
if receipt then
  return sold_before(keys.ledger, receipt)
end

local refusal = closed(header)
local cart = redis.call('HGET', carts, code)
if refusal == 'ENDED' then
  return { 'ENDED' }
elseif not cart then
  return { 'NOT_FOUND' }
elseif refusal then
  return { refusal }
end

local user, lines = parse_cart(cart)
if #lines == 0 then
  return { 'CART_EMPTY' }
end
local taken, missed, free = {}, {}, {}
local frees = read_free(keys.units, lines)
for i, line in ipairs(lines) do
  local left = math.min(count_free(frees[i] or ''), line.quantity)
  if left > 0 then
    taken[#taken + 1] = { ordinal = line.ordinal, quantity = left }
    free[#free + 1] = frees[i]
  end
  if left < line.quantity then
    missed[#missed + 1] = { ordinal = line.ordinal, quantity = line.quantity - left }
  end
end

local slots = redis.call('HGET', keys.slots, user) or ''
local count = count_units(partial and taken or lines)
if count_filled(slots) + count > header.user_limit then
  return { 'USER_LIMIT' }
end
if #taken == 0 or (#missed > 0 and not partial) then
  if #missed > 0 then
    redis.call('HSET', carts, code, print_cart(user, taken))
  end
  return { 'ITEMS_SOLD', print_lines(missed), print_lines(taken) }
end

local reply = sell(keys, { code = code, user = user, lines = taken, missed = missed, free = free, slots = slots })
if reply[1] == 'SOLD' then
  redis.call('HDEL', carts, code)
  if redis.call('HGET', codes, user) == code then
    redis.call('HDEL', codes, user)
  end
end
return reply
