-- Adds a session to an account's partition, which begins if there is none; its sign-in replaces MSAL's cache.
-- KEYS: the partition
-- ARGV: a fresh version, MSAL's sealed cache, session hash, expires|created
-- Returns all open sessions.
local v = redis.call('HGET', KEYS[1], 'v')
if v then
  v = bumped(v, true)
else
  v = ARGV[1]
end
redis.call('HSET', KEYS[1], 'v', v, 'msal', ARGV[2], 's:' .. ARGV[3], ARGV[4])
local last = prune(KEYS[1])
redis.call('EXPIREAT', KEYS[1], last)
return sessions(KEYS[1])
