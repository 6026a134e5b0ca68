-- The functions of the scripts that sell.

-- The purchases that one script makes. `keys` names the hashes and the ledger; `receipts`, `units` and `slots` are their
-- fields, as far as they are needed.
local function begin_selling(header, keys, receipts, units, slots)
  local now = now_ms()
  return {
    header = header, keys = keys, now = now, closed = closed(header, now),
    receipts = receipts, units = units, slots = slots,
    lines = {}, line_of = {}, new_receipts = {}, new_units = {}, new_slots = {},
  }
end

-- The reply for a purchase made before.
local function sold_before(sales, id)
  local line = sales.line_of[id] or find_sold(sales.keys.ledger, id)
  return line and 'SOLD 1 ' .. line or 'FENCED'
end

local function is_over_limit(sales, user, count)
  return count_taken(sales.slots[user]) + count > sales.header.user_limit
end

-- The units left of the item of a line.
local function count_left(sales, line)
  return line.stock - count_taken(sales.units[line.ordinal])
end

-- Allots units of items to the slots of a user, and returns them as text: '42:1:1,43:7:2', item, unit, slot.
local function allot(sales, user, lines)
  local units, slots, allotted, slot = sales.units, sales.slots[user], nil, nil
  for _, line in ipairs(lines) do
    local ordinal = line.ordinal
    local taken, unit = units[ordinal], nil
    for _ = 1, line.quantity do
      unit, taken = take_lowest(taken)
      slot, slots = take_lowest(slots)
      allotted = (allotted and allotted .. ',' or '') .. ordinal .. ':' .. unit .. ':' .. slot
    end
    units[ordinal] = taken
    sales.new_units[ordinal] = true
  end
  sales.slots[user] = slots
  sales.new_slots[user] = true
  return allotted
end

-- Records the receipt of a purchase, by its code or by its request.
local function record(sales, name, id)
  sales.receipts[name] = id
  sales.new_receipts[name] = true
end

-- Sells lines that are left and within the limit. Returns the reply. `name` is that of the request in the receipts.
local function sell(sales, code, user, lines, missed, request, name)
  local units, id = allot(sales, user, lines), next_id(sales.header, sales.now)
  record(sales, code, id)
  if name then
    record(sales, name, id)
  end
  local line = id .. ' ' .. code .. ' ' .. user .. (request and ' =' .. request .. ' ' or ' - ') .. units .. ' ' .. missed
  sales.lines[#sales.lines + 1] = line
  sales.line_of[id] = line
  return 'SOLD 0 ' .. line
end

-- Writes the purchases, the ledger first. Returns nil, or the reply if the ledger is lost.
local function finish_selling(sales)
  if #sales.lines == 0 then
    return nil
  end
  local keys = sales.keys
  local failure = append(sales.header, keys.ledger, 'sold', concat(sales.lines, '\n'))
  if not failure then
    write_fields(keys.units, sales.units, sales.new_units)
    write_fields(keys.slots, sales.slots, sales.new_slots)
    write_fields(keys.receipts, sales.receipts, sales.new_receipts)
  end
  return failure
end
