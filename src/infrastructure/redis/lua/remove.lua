-- Takes every unit of an item out of a cart.
--
-- KEYS  header, carts, idle_carts
-- ARGV  code, ordinal
-- Returns CART code user lines | NOT_FOUND | NOT_IN_CART | ENDED | FENCED

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
if closed(header, now_ms()) == 'ENDED' then
  return 'ENDED'
end
local carts_key = KEYS[2]
local text = call('HGET', carts_key, ARGV[1])
if not text then
  carts_key = KEYS[3]
  text = call('HGET', carts_key, ARGV[1])
end
if not text then
  return 'NOT_FOUND'
end
local cart, left = parse_cart(text), {}
for _, line in ipairs(cart.lines) do
  if line.ordinal ~= ARGV[2] then
    left[#left + 1] = line
  end
end
if #left == #cart.lines then
  return 'NOT_IN_CART'
end

text = print_cart(cart.user, left)
call('HSET', carts_key, ARGV[1], text)
return 'CART ' .. ARGV[1] .. ' ' .. text
