-- Creates the complete state of a sale with nothing sold. Idempotent.
--
-- KEYS  header, units, ledger
-- ARGV  starts_at_ms, ends_at_ms, user_limit, then the free units of each item in order
-- Returns OK (the sale existed or exists now) | FENCED (it belongs to another epoch, or is being restored)

local header, units, ledger = KEYS[1], KEYS[2], KEYS[3]

local epoch = redis.call('HGET', header, 'epoch')
if epoch == EPOCH then
  return { 'OK' }
elseif epoch or redis.call('EXISTS', ledger) == 1 then
  return { 'FENCED' }
end

redis.call('DEL', units)
local fields = {}
for i = 4, #ARGV do
  fields[#fields + 1] = i - 3
  fields[#fields + 1] = ARGV[i]
  -- A Lua call takes at most about 8,000 arguments.
  if #fields == 4000 or i == #ARGV then
    redis.call('HSET', units, unpack(fields))
    fields = {}
  end
end
redis.call('XADD', ledger, '0-1', 'opened', EPOCH)
redis.call('HSET', header, 'epoch', EPOCH, 'starts_at_ms', ARGV[1], 'ends_at_ms', ARGV[2], 'user_limit', ARGV[3])
return { 'OK' }
