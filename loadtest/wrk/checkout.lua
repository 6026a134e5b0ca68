-- Checkouts: each one adds an item of the second half of the sale to the cart of a new user.
local n, items = 0, tonumber(os.getenv('ITEMS') or 10000)
local run = os.time()

function request()
  n = n + 1
  local item = math.floor(items / 2) + n % math.floor(items / 2) + 1
  return wrk.format('POST', '/checkout?user_id=w' .. run .. '.' .. n .. '&id=' .. item)
end

dofile((debug.getinfo(1, 'S').source:match('^@(.*/)') or './') .. 'report.lua')
