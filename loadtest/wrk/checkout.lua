-- Checkouts: each of one item, by a user who has no cart yet.
local n, items = 0, tonumber(os.getenv('ITEMS') or 10000)
local run = os.time()

function request()
  n = n + 1
  return wrk.format('POST', '/checkout?user_id=w' .. run .. '.' .. n .. '&id=' .. (n % items + 1))
end

dofile((debug.getinfo(1, 'S').source:match('^@(.*/)') or './') .. 'report.lua')
