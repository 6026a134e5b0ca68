-- Runs commands on a sale that is being restored in this epoch. Loaded in no epoch: it is called as text.
--
-- KEYS  the parts of the sale, the header first
-- ARGV  epoch; the commands as JSON: name, number of the key, arguments
-- Returns OK | FENCED (nobody restores the sale in this epoch)
-- Invariant: a process that wakes up long after it began to restore changes nothing.

if redis.call('HGET', KEYS[1], 'restoring') ~= ARGV[1] then
  return 'FENCED'
end
for _, command in ipairs(cjson.decode(ARGV[2])) do
  command[2] = KEYS[command[2]]
  redis.call(unpack(command))
end
return 'OK'
