-- The functions of the scripts that sell.

-- The purchases that one script makes. `keys` names the hashes and the ledger; `receipts`, `units` and `slots` are their
-- fields, as far as they are needed.
local function begin_selling(header, keys, receipts, units, slots)
  local now = now_ms()
  return {
    header = header, keys = keys, now = now, closed = closed(header, now), next_id = next_ids(header, now),
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

-- Sells lines that are left and within the limit. Returns the reply.
local function sell(sales, purchase)
  local numbers, owners = {}, {}
  for _, line in ipairs(purchase.lines) do
    sales.units[line.ordinal] = take(sales.units[line.ordinal], line.quantity, numbers)
    sales.new_units[line.ordinal] = true
    for i = #owners + 1, #numbers do
      owners[i] = line.ordinal
    end
  end
  local slots, user = {}, purchase.user
  sales.slots[user] = take(sales.slots[user], #numbers, slots)
  sales.new_slots[user] = true
  for i, number in ipairs(numbers) do
    numbers[i] = owners[i] .. ':' .. number .. ':' .. slots[i]
  end

  local id, request = sales.next_id(), '-'
  sales.receipts[purchase.code] = id
  sales.new_receipts[purchase.code] = true
  if purchase.request then
    local name = request_name(user, purchase.request)
    sales.receipts[name] = id
    sales.new_receipts[name] = true
    request = '=' .. purchase.request
  end
  local line = concat({ id, purchase.code, user, request, concat(numbers, ','), purchase.missed or '-' }, ' ')
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
