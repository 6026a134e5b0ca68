-- The functions that the scripts share. Prepended to each of them, after lines that set EPOCH and the limits.
--
-- A script reads and decides first, and writes only when nothing can fail any more: Lua has no rollback.
-- Scripts that decide for several requests read what all of them need at once, decide in order, and write once. What is
-- read is kept in tables, so that a decision sees those before it.
-- Every reply is text: a line of words for each request, the first of which is a tag. Requests without a line wait for the
-- next call, so that no call holds Redis for long.

local call, match, gmatch, concat = redis.call, string.match, string.gmatch, table.concat

local texts = {}

-- A whole number as text. Each is converted once, because conversions are slow.
local function text_of(number)
  local text = texts[number]
  if not text then
    text = string.format('%d', number)
    texts[number] = text
  end
  return text
end

-- The rules of the sale and the end of its ledger, or nil if Redis does not hold its state of this epoch.
local function read_header(key)
  local fields = call('HMGET', key, 'epoch', 'starts_at_ms', 'ends_at_ms', 'user_limit', 'last_id')
  local starts_at, ends_at, user_limit = tonumber(fields[2]), tonumber(fields[3]), tonumber(fields[4])
  if fields[1] ~= EPOCH or not (starts_at and ends_at and user_limit and fields[5]) then
    return nil
  end
  return { key = key, starts_at = starts_at, ends_at = ends_at, user_limit = user_limit, last_id = fields[5] }
end

-- Milliseconds since the Unix epoch, by the clock of all decisions.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The reason for which the sale does not sell now, or nil if it sells.
local function closed(header, now)
  -- A sale that was ended before it began has ended.
  if now >= header.ends_at or header.ends_at <= header.starts_at then
    return 'ENDED'
  elseif now < header.starts_at then
    return 'NOT_STARTED'
  end
  return nil
end

-- The fields of a hash by name; false for those that it does not have.
local function read_fields(key, names)
  local fields = {}
  if #names > 0 then
    for i, value in ipairs(call('HMGET', key, unpack(names))) do
      fields[names[i]] = value
    end
  end
  return fields
end

-- Carts, and the codes of users, are in two hashes each: those of carts that were checked out lately, and those of idle
-- ones. Returns the fields by name, and the names of the idle ones as keys.
local function read_both(key, idle_key, names)
  local fields, others, idle = read_fields(key, names), {}, {}
  for _, name in ipairs(names) do
    if not fields[name] then
      others[#others + 1] = name
    end
  end
  for name, value in pairs(read_fields(idle_key, others)) do
    fields[name], idle[name] = value, value and true
  end
  return fields, idle
end

-- Writes these fields of a table to a hash: `changed` has their names as keys.
local function write_fields(key, fields, changed)
  local flat, n = {}, 0
  for name in pairs(changed) do
    flat[n + 1], flat[n + 2] = name, fields[name]
    n = n + 2
  end
  if n > 0 then
    call('HSET', key, unpack(flat))
  end
end

-- The units of an item and the slots of a user are numbers from 1 on, some of which are taken. They are text: the highest
-- taken number and, ascending, the free ones below it, such as '3' or '7,2,5'. False stands for none taken.

local function count_taken(taken)
  local highest = tonumber(taken or 0)
  if highest then
    return highest
  end
  local _, gaps = string.gsub(taken, ',', '')
  return tonumber(match(taken, '^%d+')) - gaps
end

-- The lowest free number, and the text with it taken. Both are strings.
local function take_lowest(taken)
  local highest = tonumber(taken or 0)
  if highest then
    local number = text_of(highest + 1)
    return number, number
  end
  local first, gap, left = match(taken, '^(%d+),(%d+)(.*)$')
  return gap, first .. left
end

-- The lines of a cart are text: '42:1:5,43:2:9', item, quantity and stock of the item. The stock comes from the catalog,
-- which never changes; 0 stands for an item that the sale does not have.

local function parse_lines(text)
  local lines, units = {}, 0
  for ordinal, quantity, stock in gmatch(text, '(%d+):(%d+):(%d+)') do
    quantity = tonumber(quantity)
    lines[#lines + 1] = { ordinal = ordinal, quantity = quantity, stock = tonumber(stock) }
    units = units + quantity
  end
  return lines, units
end

-- The number of requests that this call decides, by the units of each: as many as stay within the bound, at least one.
local function count_decided(units)
  local sum = 0
  for i, count in ipairs(units) do
    sum = sum + count
    if sum > GROUP_UNITS and i > 1 then
      return i - 1
    end
  end
  return #units
end

-- A cart is text: its user, a space, its lines.

local function parse_cart(text)
  local user, printed = match(text, '^(%S+) (.*)$')
  local lines, units = parse_lines(printed)
  return { user = user, lines = lines, units = units }
end

local function print_cart(user, lines)
  local printed = {}
  for i, line in ipairs(lines) do
    printed[i] = line.ordinal .. ':' .. line.quantity .. ':' .. line.stock
  end
  return user .. ' ' .. concat(printed, ',')
end

-- Lines without stock: '42:1,43:2'.
local function print_quantities(lines)
  local printed = {}
  for i, line in ipairs(lines) do
    printed[i] = line.ordinal .. ':' .. line.quantity
  end
  return concat(printed, ',')
end

-- The field of a user's request in the receipts. No code contains a space.
local function request_name(user, request)
  return user .. ' ' .. request
end

-- The purchase that the ledger holds under this id, as a line: id, code, user, request, units, missed. Nil if there is
-- none. The id of a stream entry is that of its last line.
local function find_sold(ledger, id)
  local entry = call('XRANGE', ledger, id, '+', 'COUNT', 1)[1]
  if not entry or entry[2][1] ~= 'sold' then
    return nil
  end
  for line in gmatch(entry[2][2], '[^\n]+') do
    if string.sub(line, 1, #id + 1) == id .. ' ' then
      return line
    end
  end
  return nil
end

-- Gives the next entry its id: the time, never going back, and a number without gaps within the sale, modulo 2^20. A
-- reader that misses a number knows that the ledger has lost an entry.
local function next_id(header, now)
  if not header.ms then
    local ms, number = match(header.last_id, '^(%d+)%-(%d+)$')
    header.ms, header.number = math.max(tonumber(ms), now), tonumber(number)
    header.prefix = text_of(header.ms) .. '-'
  end
  header.number = header.number + 1
  if header.number == 1048576 then
    header.ms, header.number = header.ms + 1, 0
    header.prefix = text_of(header.ms) .. '-'
  end
  header.last_id = header.prefix .. string.format('%d', header.number)
  return header.last_id
end

-- Appends an entry under the last id given. Returns nil, or the reply for a ledger that is not the one of the header.
local function append(header, ledger, event, text)
  -- A sale without a ledger is lost: its ledger begins with the entry that opened it.
  local id = redis.pcall('XADD', ledger, 'NOMKSTREAM', header.last_id, event, text)
  if not id or (type(id) == 'table' and id.err and string.find(id.err, 'equal or smaller', 1, true)) then
    return 'FENCED'
  elseif type(id) == 'table' then
    return id
  end
  call('HSET', header.key, 'last_id', header.last_id)
  return nil
end
