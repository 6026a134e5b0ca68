-- Moves the end of a sale to an earlier time, never to a later one. Idempotent.
--
-- KEYS  header
-- ARGV  ends_at_ms
-- Returns OK | FENCED

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
if tonumber(ARGV[1]) < header.ends_at then
  call('HSET', KEYS[1], 'ends_at_ms', ARGV[1])
end
return 'OK'
