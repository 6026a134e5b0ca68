-- Looks up a code, or a user's request. Changes nothing.
--
-- KEYS  header, receipts, carts, idle_carts, ledger
-- ARGV  code, or user and request with a space between
-- Returns SOLD replayed id code user request units missed | CART code user lines | NOT_FOUND | FENCED

if not read_header(KEYS[1]) then
  return 'FENCED'
end
local id = call('HGET', KEYS[2], ARGV[1])
if id then
  local line = find_sold(KEYS[5], id)
  return line and 'SOLD 1 ' .. line or 'FENCED'
end
local cart = call('HGET', KEYS[3], ARGV[1]) or call('HGET', KEYS[4], ARGV[1])
return cart and 'CART ' .. ARGV[1] .. ' ' .. cart or 'NOT_FOUND'
