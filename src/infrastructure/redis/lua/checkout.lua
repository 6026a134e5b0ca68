-- Puts items into the cart of a user: all of them, or none. A cart reserves nothing.
--
-- KEYS  header, units, slots, carts, codes, attempts
-- ARGV  user, new_code, cart_units, open_carts_max, attempts_max, lines
-- Returns CART code cart | NOT_STARTED | ENDED | ITEM_NOT_FOUND ordinal | ITEM_SOLD ordinals | CART_FULL
--         | USER_LIMIT | BUSY bound | FENCED
-- Invariant: a refusal changes nothing, and neither does checking out items that are in the cart already.

local units, slots, carts, codes, attempts = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local user, wanted = ARGV[1], parse_lines(ARGV[6])

local header = read_header(KEYS[1])
if not header then
  return { 'FENCED' }
end
local refusal = closed(header)
if refusal then
  return { refusal }
end

local free, sold = read_free(units, wanted), {}
for i, line in ipairs(wanted) do
  if not free[i] then
    return { 'ITEM_NOT_FOUND', line.ordinal }
  end
end
for i, line in ipairs(wanted) do
  if count_free(free[i]) < line.quantity then
    sold[#sold + 1] = line.ordinal
  end
end
if #sold > 0 then
  return { 'ITEM_SOLD', table.concat(sold, ',') }
end

local known_code = redis.call('HGET', codes, user)
local code = known_code or ARGV[2]
local cart = redis.call('HGET', carts, code)
local lines, places, changed = {}, {}, false
if cart then
  lines = select(2, parse_cart(cart))
end
for i, line in ipairs(lines) do
  places[line.ordinal] = i
end
for _, line in ipairs(wanted) do
  local held = lines[places[line.ordinal] or 0]
  if not held then
    lines[#lines + 1] = line
    changed = true
  elseif held.quantity < line.quantity then
    held.quantity = line.quantity
    changed = true
  end
end
if not changed then
  return { 'CART', code, cart }
end

local count = count_units(lines)
if count > tonumber(ARGV[3]) then
  return { 'CART_FULL' }
elseif count_filled(redis.call('HGET', slots, user) or '') + count > header.user_limit then
  return { 'USER_LIMIT' }
elseif not cart and redis.call('HLEN', carts) >= tonumber(ARGV[4]) then
  return { 'BUSY', 'carts' }
elseif redis.call('XLEN', attempts) >= tonumber(ARGV[5]) then
  return { 'BUSY', 'attempts' }
end

cart = print_cart(user, lines)
redis.call('XADD', attempts, '*', 'checkout', code .. ' ' .. user .. ' ' .. ARGV[6])
redis.call('HSET', carts, code, cart)
if not known_code then
  redis.call('HSET', codes, user, code)
end
return { 'CART', code, cart }
