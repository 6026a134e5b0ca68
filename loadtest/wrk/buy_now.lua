-- Durable purchases: each one buys another item of the first half of the sale for another user.
local n, items = 0, math.floor(tonumber(os.getenv('ITEMS') or 10000) / 2)
local run = os.time()
local headers = { ['Content-Type'] = 'application/json' }

function request()
  n = n + 1
  if n > items then
    wrk.thread:stop()
    return wrk.format('GET', '/health/live')
  end
  local body = string.format('{"request_id":"r","user_id":"w%d.%d","item_id":"%d","quantity":1}', run, n, n)
  return wrk.format('POST', '/api/purchase', headers, body)
end

dofile((debug.getinfo(1, 'S').source:match('^@(.*/)') or './') .. 'report.lua')
