-- Buys carts, each all of it or, if `partial` is 1, the units that are left.
--
-- KEYS  header, units, slots, carts, idle_carts, receipts, ledger
-- ARGV  code, partial, user who must own the cart or nothing; for each cart
-- Returns for each cart: SOLD replayed id code user request units missed | NOT_FOUND | NOT_STARTED | ENDED | CART_EMPTY
--         | USER_LIMIT | ITEMS_SOLD unavailable available; for all of them: FENCED
-- Invariant: one code, one outcome. A refusal takes no unit and no slot. Sold units leave the cart, so that the same
-- code buys the rest.

local carts_key, idle_key = KEYS[4], KEYS[5]
local keys = { units = KEYS[2], slots = KEYS[3], receipts = KEYS[6], ledger = KEYS[7] }

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local codes = {}
for i = 1, #ARGV, 3 do
  codes[#codes + 1] = ARGV[i]
end
local receipts, printed, idle = read_fields(keys.receipts, codes), read_both(carts_key, idle_key, codes)
local carts, counts = {}, {}
for n, code in ipairs(codes) do
  carts[code] = printed[code] and not receipts[code] and parse_cart(printed[code])
  counts[n] = carts[code] and carts[code].units or 0
end
local decided, users, ordinals = count_decided(counts), {}, {}
for n = 1, decided do
  local cart = carts[codes[n]]
  if cart then
    users[#users + 1] = cart.user
    for _, line in ipairs(cart.lines) do
      ordinals[#ordinals + 1] = line.ordinal
    end
  end
end
local units, slots = read_fields(keys.units, ordinals), read_fields(keys.slots, users)
local sales = begin_selling(header, keys, receipts, units, slots)
-- What becomes of the carts, by the hash that they are in.
local changed, bought = { [carts_key] = {}, [idle_key] = {} }, { [carts_key] = {}, [idle_key] = {} }

-- Splits the lines of a cart into what is left and what is missed, with the number of units left.
local function split(cart)
  local taken, missed, count = {}, {}, 0
  for _, line in ipairs(cart.lines) do
    local left = math.min(count_left(sales, line), line.quantity)
    if left > 0 then
      taken[#taken + 1] = { ordinal = line.ordinal, quantity = left, stock = line.stock }
      count = count + left
    end
    if left < line.quantity then
      missed[#missed + 1] = { ordinal = line.ordinal, quantity = line.quantity - left }
    end
  end
  return taken, missed, count
end

local function decide(code, partial, user)
  if receipts[code] then
    -- The reply names the user, so the caller finds out whose receipt it is.
    return sold_before(sales, receipts[code])
  end
  local cart = carts[code]
  if cart and user ~= '' and user ~= cart.user then
    cart = nil
  end
  if sales.closed == 'ENDED' then
    return 'ENDED'
  elseif not cart then
    return 'NOT_FOUND'
  elseif sales.closed then
    return sales.closed
  elseif #cart.lines == 0 then
    return 'CART_EMPTY'
  end
  local key = idle[code] and idle_key or carts_key
  local taken, missed, count = split(cart)
  if is_over_limit(sales, cart.user, partial and count or cart.units) then
    return 'USER_LIMIT'
  elseif #taken == 0 or (#missed > 0 and not partial) then
    carts[code] = { user = cart.user, lines = taken, units = count }
    printed[code] = print_cart(cart.user, taken)
    changed[key][code] = true
    return 'ITEMS_SOLD ' .. print_quantities(missed) .. ' ' .. print_quantities(taken)
  end
  bought[key][#bought[key] + 1] = code
  changed[key][code] = nil
  return sell(sales, code, cart.user, taken, #missed > 0 and print_quantities(missed) or '-')
end

local replies = {}
for n = 1, decided do
  replies[n] = decide(codes[n], ARGV[3 * n - 1] == '1', ARGV[3 * n])
end
local failure = finish_selling(sales)
if failure then
  return failure
end
for key, codes in pairs(bought) do
  write_fields(key, printed, changed[key])
  if #codes > 0 then
    call('HDEL', key, unpack(codes))
  end
end
return concat(replies, '\n')
