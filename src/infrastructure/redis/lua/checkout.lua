-- Puts items into the carts of users, each all of them or none. A cart reserves nothing.
--
-- KEYS  header, units, slots, carts, codes, idle_carts, idle_codes, attempts
-- ARGV  user, new_code, lines; for each checkout
-- Returns for each checkout: CART code user lines | NOT_STARTED | ENDED | ITEM_NOT_FOUND ordinal | ITEM_SOLD ordinals
--         | CART_FULL | USER_LIMIT | BUSY bound; for all of them: FENCED
-- Invariant: a refusal changes nothing, and neither does checking out items that are in the cart already.

local keys = { units = KEYS[2], slots = KEYS[3], carts = KEYS[4], codes = KEYS[5], attempts = KEYS[8] }
local idle_carts, idle_codes = KEYS[6], KEYS[7]

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local wanted, counts = {}, {}
for i = 1, #ARGV, 3 do
  local lines = parse_lines(ARGV[i + 2])
  wanted[#wanted + 1] = { user = ARGV[i], new_code = ARGV[i + 1], text = ARGV[i + 2], lines = lines }
  counts[#counts + 1] = #lines
end
local decided, users, ordinals = count_decided(counts), {}, {}
for n = 1, decided do
  users[n] = wanted[n].user
  for _, line in ipairs(wanted[n].lines) do
    ordinals[#ordinals + 1] = line.ordinal
  end
end
local codes, open = read_both(keys.codes, idle_codes, users), {}
for _, code in pairs(codes) do
  if code then
    open[#open + 1] = code
  end
end
local carts, idle = read_both(keys.carts, idle_carts, open)
local units, slots = read_fields(keys.units, ordinals), read_fields(keys.slots, users)
local closed_because = closed(header, now_ms())
local open_carts, waiting
local attempts, new_carts, new_codes, moved = {}, {}, {}, {}

-- The lines of a cart with the wanted ones added; nil if it holds them already.
local function add_lines(held, lines)
  local added, places, units, changed = {}, {}, 0, false
  for i, line in ipairs(held) do
    added[i], places[line.ordinal] = line, i
  end
  for _, line in ipairs(lines) do
    local place = places[line.ordinal]
    if not place then
      added[#added + 1], changed = line, true
    elseif added[place].quantity < line.quantity then
      added[place], changed = line, true
    end
  end
  for _, line in ipairs(added) do
    units = units + line.quantity
  end
  return changed and added or nil, units
end

-- The bound that one more attempt, and perhaps one more cart, would pass; nil if none.
local function busy(is_new)
  open_carts = open_carts or call('HLEN', keys.carts)
  waiting = waiting or call('XLEN', keys.attempts)
  if is_new and open_carts >= OPEN_CARTS_MAX then
    return 'BUSY carts'
  elseif waiting >= ATTEMPTS_MAX then
    return 'BUSY attempts'
  end
  open_carts = open_carts + (is_new and 1 or 0)
  return nil
end

-- Puts a cart among those that were checked out lately.
local function keep(user, code)
  codes[user], new_codes[user], new_carts[code] = code, true, true
  if idle[code] then
    moved[#moved + 1], idle[code] = code, nil
  end
end

local function decide(checkout)
  if closed_because then
    return closed_because
  end
  local sold = {}
  for _, line in ipairs(checkout.lines) do
    if line.stock == 0 then
      return 'ITEM_NOT_FOUND ' .. line.ordinal
    elseif line.stock - count_taken(units[line.ordinal]) < line.quantity then
      sold[#sold + 1] = line.ordinal
    end
  end
  if #sold > 0 then
    return 'ITEM_SOLD ' .. concat(sold, ',')
  end
  local user, cart = checkout.user, codes[checkout.user] and carts[codes[checkout.user]]
  -- A code without a cart has bought it.
  local code = cart and codes[user] or checkout.new_code
  local lines, count = add_lines(cart and parse_cart(cart).lines or {}, checkout.lines)
  if not lines then
    if idle[code] then
      keep(user, code)
    end
    return 'CART ' .. code .. ' ' .. cart
  elseif count > CART_UNITS then
    return 'CART_FULL'
  elseif count_taken(slots[user]) + count > header.user_limit then
    return 'USER_LIMIT'
  end
  local bound = busy(not cart)
  if bound then
    return bound
  end
  if not cart or idle[code] then
    keep(user, code)
  end
  carts[code], new_carts[code] = print_cart(user, lines), true
  attempts[#attempts + 1] = code .. ' ' .. user .. ' ' .. checkout.text
  return 'CART ' .. code .. ' ' .. carts[code]
end

local replies = {}
for n = 1, decided do
  replies[n] = decide(wanted[n])
end
if #attempts > 0 then
  call('XADD', keys.attempts, '*', 'checkouts', concat(attempts, '\n'))
end
write_fields(keys.carts, carts, new_carts)
write_fields(keys.codes, codes, new_codes)
if #moved > 0 then
  call('HDEL', idle_carts, unpack(moved))
end
return concat(replies, '\n')
