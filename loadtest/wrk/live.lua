-- A constant response: the cost of HTTP alone.
function request()
  return wrk.format('GET', '/health/live')
end

dofile((debug.getinfo(1, 'S').source:match('^@(.*/)') or './') .. 'report.lua')
