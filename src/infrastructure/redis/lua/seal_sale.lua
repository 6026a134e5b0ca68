-- Refuses releases of committed purchases from now on: the sale is about to be closed. Idempotent.
--
-- KEYS  header
-- ARGV  none
-- Returns OK | FENCED

if not read_header(KEYS[1]) then
  return 'FENCED'
end
call('HSET', KEYS[1], 'sealed', '1')
return 'OK'
