-- Creates the complete state of a sale with nothing sold. Idempotent.
--
-- KEYS  header, ledger
-- ARGV  starts_at_ms, ends_at_ms, user_limit, history
-- Returns OK (the sale existed or exists now) | FENCED (it belongs to another epoch, or is being restored)

local header, ledger = KEYS[1], KEYS[2]

local epoch = call('HGET', header, 'epoch')
if epoch == EPOCH then
  return 'OK'
elseif call('EXISTS', header, ledger) > 0 then
  return 'FENCED'
end
call('XADD', ledger, '0-1', 'opened', EPOCH)
call('HSET', header, 'epoch', EPOCH, 'starts_at_ms', ARGV[1], 'ends_at_ms', ARGV[2], 'user_limit', ARGV[3],
  'history', ARGV[4], 'last_id', '0-1')
return 'OK'
