-- Forgets the idle carts, and makes all others idle, if that was last done `idle_ms` ago or if `crowd` users have checked
-- out since. A checkout makes a cart one of the others again.
--
-- KEYS  header, carts, codes, idle_carts, idle_codes, carts_since
-- ARGV  idle_ms, crowd
-- Returns OK | FENCED
-- Invariant: a cart that is not bought is kept for `idle_ms` after its last checkout, unless a crowd comes.

local header = read_header(KEYS[1])
if not header then
  return 'FENCED'
end
local now = now_ms()
local since = tonumber(call('GET', KEYS[6]) or header.starts_at)
if now - since < tonumber(ARGV[1]) and call('HLEN', KEYS[3]) < tonumber(ARGV[2]) then
  return 'OK'
end
for key = 2, 3 do
  -- Redis frees an unlinked key in the background; one that is overwritten, at once.
  call('UNLINK', KEYS[key + 2])
  if call('EXISTS', KEYS[key]) == 1 then
    call('RENAME', KEYS[key], KEYS[key + 2])
  end
end
call('SET', KEYS[6], text_of(now))
return 'OK'
