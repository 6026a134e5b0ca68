-- Makes a sale undecidable until it is restored in this epoch or a newer one. Loaded in no epoch: it is called as text.
--
-- KEYS  header
-- ARGV  epoch
-- Returns OK | FENCED (a newer epoch has begun)

local header, epoch = KEYS[1], ARGV[1]
for _, other in ipairs(redis.call('HMGET', header, 'epoch', 'restoring')) do
  if tonumber(other or 0) > tonumber(epoch) then
    return 'FENCED'
  end
end
redis.call('UNLINK', header)
redis.call('HSET', header, 'restoring', epoch)
return 'OK'
