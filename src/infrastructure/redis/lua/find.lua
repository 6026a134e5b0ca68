-- Looks up a code, or a user's request. Changes nothing.
--
-- KEYS  header, receipts, carts, ledger
-- ARGV  code, or user and request with a space between
-- Returns SOLD replayed id entry | CART code cart | NOT_FOUND | FENCED

if not read_header(KEYS[1]) then
  return { 'FENCED' }
end
local id = redis.call('HGET', KEYS[2], ARGV[1])
if id then
  return sold_before(KEYS[4], id)
end
local cart = redis.call('HGET', KEYS[3], ARGV[1])
if cart then
  return { 'CART', ARGV[1], cart }
end
return { 'NOT_FOUND' }
