-- Takes every unit of an item out of a cart.
--
-- KEYS  header, carts
-- ARGV  code, ordinal
-- Returns CART code cart | NOT_FOUND | NOT_IN_CART | ENDED | FENCED

local header = read_header(KEYS[1])
if not header then
  return { 'FENCED' }
end
if closed(header) == 'ENDED' then
  return { 'ENDED' }
end
local cart = redis.call('HGET', KEYS[2], ARGV[1])
if not cart then
  return { 'NOT_FOUND' }
end
local user, lines = parse_cart(cart)
local left = {}
for _, line in ipairs(lines) do
  if line.ordinal ~= ARGV[2] then
    left[#left + 1] = line
  end
end
if #left == #lines then
  return { 'NOT_IN_CART' }
end

cart = print_cart(user, left)
redis.call('HSET', KEYS[2], ARGV[1], cart)
return { 'CART', ARGV[1], cart }
