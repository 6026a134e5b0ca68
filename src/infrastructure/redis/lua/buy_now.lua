-- Buys units of one item without a cart, once for each request id of a user.
--
-- KEYS  header, units, slots, receipts, ledger
-- ARGV  user, request, new_code, ordinal, quantity, stock (0 for an item that the sale does not have); for each purchase
-- Returns for each purchase: SOLD replayed id code user request units missed | MISMATCH | NOT_STARTED | ENDED
--         | ITEM_NOT_FOUND | SOLD_OUT | USER_LIMIT; for all of them: FENCED
-- Invariant: a refused request consumes nothing; its id may be used again.

local keys = { units = KEYS[2], slots = KEYS[3], receipts = KEYS[4], ledger = KEYS[5] }

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local wanted = {}
for i = 5, #ARGV, 6 do
  wanted[#wanted + 1] = tonumber(ARGV[i])
end
local names, users, ordinals = {}, {}, {}
for n = 1, count_decided(wanted) do
  local i = 6 * n - 5
  names[n], users[n], ordinals[n] = request_name(ARGV[i], ARGV[i + 1]), ARGV[i], ARGV[i + 3]
end
local receipts = read_fields(keys.receipts, names)
local units, slots = read_fields(keys.units, ordinals), read_fields(keys.slots, users)
local sales = begin_selling(header, keys, receipts, units, slots)

-- The reply for a request that bought something before: that purchase, if the request is the same.
local function bought_before(name, line)
  local reply = sold_before(sales, receipts[name])
  local bought = match(reply, '^SOLD 1 %S+ %S+ %S+ %S+ (%S+)')
  if not bought then
    return reply
  end
  local _, count = string.gsub(bought, '[^,]+', '')
  if match(bought, '^%d+') ~= line.ordinal or count ~= line.quantity then
    return 'MISMATCH'
  end
  return reply
end

local function decide(name, user, request, code, line)
  if receipts[name] then
    return bought_before(name, line)
  elseif sales.closed then
    return sales.closed
  elseif line.stock == 0 then
    return 'ITEM_NOT_FOUND'
  elseif count_left(sales, line) < line.quantity then
    return 'SOLD_OUT'
  elseif is_over_limit(sales, user, line.quantity) then
    return 'USER_LIMIT'
  end
  return sell(sales, code, user, { line }, '-', request, name)
end

local replies = {}
for n, name in ipairs(names) do
  local i = 6 * n - 5
  local line = { ordinal = ARGV[i + 3], quantity = tonumber(ARGV[i + 4]), stock = tonumber(ARGV[i + 5]) }
  replies[n] = decide(name, ARGV[i], ARGV[i + 1], ARGV[i + 2], line)
end
return finish_selling(sales) or concat(replies, '\n')
