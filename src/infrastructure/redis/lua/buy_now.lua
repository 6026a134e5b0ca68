-- Buys units of one item without a cart, once for each request id of a user.
--
-- KEYS  header, units, slots, receipts, ledger
-- ARGV  user, request, new_code, line; for each purchase
-- Returns for each purchase: SOLD replayed id code user request units missed | MISMATCH | NOT_STARTED | ENDED
--         | ITEM_NOT_FOUND | SOLD_OUT | USER_LIMIT; for all of them: FENCED
-- Invariant: a refused request consumes nothing; its id may be used again.

local keys = { units = KEYS[2], slots = KEYS[3], receipts = KEYS[4], ledger = KEYS[5] }

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local wanted, names, users, ordinals = {}, {}, {}, {}
for i = 1, #ARGV, 4 do
  local user, request, lines = ARGV[i], ARGV[i + 1], parse_lines(ARGV[i + 3])
  local name = request_name(user, request)
  wanted[#wanted + 1] = { user = user, request = request, name = name, code = ARGV[i + 2], lines = lines }
  names[#names + 1], users[#users + 1], ordinals[#ordinals + 1] = name, user, lines[1].ordinal
end
local receipts = read_fields(keys.receipts, names)
local units, slots = read_fields(keys.units, ordinals), read_fields(keys.slots, users)
local sales = begin_selling(header, keys, receipts, units, slots)

-- The reply for a request that bought something before: that purchase, if the request is the same.
local function bought_before(purchase)
  local reply, line = sold_before(sales, receipts[purchase.name]), purchase.lines[1]
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

local function decide(purchase)
  local line = purchase.lines[1]
  if receipts[purchase.name] then
    return bought_before(purchase)
  elseif sales.closed then
    return sales.closed
  elseif line.stock == 0 then
    return 'ITEM_NOT_FOUND'
  elseif count_left(sales, line) < line.quantity then
    return 'SOLD_OUT'
  elseif is_over_limit(sales, purchase.user, line.quantity) then
    return 'USER_LIMIT'
  end
  return sell(sales, purchase)
end

local replies = {}
for i, purchase in ipairs(wanted) do
  replies[i] = decide(purchase)
end
return finish_selling(sales) or replies
