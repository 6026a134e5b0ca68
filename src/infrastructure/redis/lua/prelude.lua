-- The functions that the scripts share. Prepended to each of them, after a line that sets EPOCH.
--
-- A script reads and decides first, and writes only when nothing can fail any more: Lua has no rollback.
-- Every reply is a list whose first element is a tag.

-- Milliseconds since the Unix epoch, by the clock of all decisions.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The rules of the sale, or nil if Redis does not hold its state of this epoch.
local function read_header(key)
  local fields = redis.call('HMGET', key, 'epoch', 'starts_at_ms', 'ends_at_ms', 'user_limit')
  if fields[1] ~= EPOCH then
    return nil
  end
  return { starts_at = tonumber(fields[2]), ends_at = tonumber(fields[3]), user_limit = tonumber(fields[4]) }
end

-- The reason for which the sale does not sell now, or nil if it sells.
local function closed(header)
  local now = now_ms()
  -- A sale that was ended before it began has ended.
  if now >= header.ends_at or header.ends_at <= header.starts_at then
    return 'ENDED'
  elseif now < header.starts_at then
    return 'NOT_STARTED'
  end
  return nil
end

-- The free units of an item are text: ascending units and ranges, such as '1' or '2,4-5'; '' if none is left.

local function count_free(free)
  local count = 0
  for first, last in string.gmatch(free, '(%d+)%-?(%d*)') do
    count = count + (tonumber(last) or tonumber(first)) - tonumber(first) + 1
  end
  return count
end

-- The lowest free unit, and the other free units.
local function take_lowest(free)
  local first, last, rest = string.match(free, '^(%d+)%-?(%d*),?(.*)$')
  local unit = tonumber(first)
  last = tonumber(last) or unit
  local left = {}
  if unit + 1 == last then
    left[1] = tostring(last)
  elseif unit < last then
    left[1] = (unit + 1) .. '-' .. last
  end
  if rest ~= '' then
    left[#left + 1] = rest
  end
  return unit, table.concat(left, ',')
end

-- The slots of a user are text: character n is '1' if slot n is filled.

local function count_filled(slots)
  local _, count = string.gsub(slots, '1', '')
  return count
end

-- The lowest empty slot, and the slots with it filled.
local function fill_lowest(slots)
  local gap = string.find(slots, '0', 1, true)
  if gap then
    return gap, string.sub(slots, 1, gap - 1) .. '1' .. string.sub(slots, gap + 1)
  end
  return #slots + 1, slots .. '1'
end

-- Lines are text: '42:1,43:2', item and quantity.

local function parse_lines(text)
  local lines = {}
  for ordinal, quantity in string.gmatch(text, '(%d+):(%d+)') do
    lines[#lines + 1] = { ordinal = ordinal, quantity = tonumber(quantity) }
  end
  return lines
end

local function print_lines(lines)
  local printed = {}
  for i, line in ipairs(lines) do
    printed[i] = line.ordinal .. ':' .. line.quantity
  end
  return table.concat(printed, ',')
end

local function count_units(lines)
  local count = 0
  for _, line in ipairs(lines) do
    count = count + line.quantity
  end
  return count
end

-- A cart is text: its user, a space, its lines.

local function parse_cart(text)
  local user, lines = string.match(text, '^(%S+) (.*)$')
  return user, parse_lines(lines)
end

local function print_cart(user, lines)
  return user .. ' ' .. print_lines(lines)
end

-- The free units of each line's item, in order; false for an item that the sale does not have.
local function read_free(key, lines)
  local ordinals = {}
  for i, line in ipairs(lines) do
    ordinals[i] = line.ordinal
  end
  return redis.call('HMGET', key, unpack(ordinals))
end

-- The field of a user's request in the receipts. No code contains a space.
local function request_name(user, request)
  return user .. ' ' .. request
end

-- The reply for a purchase that the ledger holds.
local function sold_before(ledger, id)
  local entry = redis.call('XRANGE', ledger, id, id)[1]
  if not entry then
    return { 'FENCED' }
  end
  return { 'SOLD', '1', id, entry[2][2] }
end

-- Allots units and slots for lines that are free and within the limit, and writes the purchase, the ledger first.
-- `keys` names the hashes; `sale` holds the buyer, the code and the lines.
local function sell(keys, sale)
  local slots, units, changed = sale.slots, {}, {}
  for i, line in ipairs(sale.lines) do
    local free = sale.free[i]
    for _ = 1, line.quantity do
      local unit, slot
      unit, free = take_lowest(free)
      slot, slots = fill_lowest(slots)
      units[#units + 1] = line.ordinal .. ':' .. unit .. ':' .. slot
    end
    changed[#changed + 1] = line.ordinal
    changed[#changed + 1] = free
  end
  -- An entry is one field, named by its event, with five words. Many small fields would cost more to read.
  local entry = table.concat({
    sale.code, sale.user, sale.request and '=' .. sale.request or '-', table.concat(units, ','),
    #sale.missed > 0 and print_lines(sale.missed) or '-',
  }, ' ')
  -- A sale without a ledger is lost: its ledger begins with the entry that opened it.
  local id = redis.call('XADD', keys.ledger, 'NOMKSTREAM', '*', 'sold', entry)
  if not id then
    return { 'FENCED' }
  end
  redis.call('HSET', keys.units, unpack(changed))
  redis.call('HSET', keys.slots, sale.user, slots)
  if sale.request then
    redis.call('HSET', keys.receipts, sale.code, id, request_name(sale.user, sale.request), id)
  else
    redis.call('HSET', keys.receipts, sale.code, id)
  end
  return { 'SOLD', '0', id, entry }
end
