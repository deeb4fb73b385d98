-- Writes the end of a session of an account, if a session is open there: itself, or the one that it joins.
-- KEYS: the partition
-- ARGV: session hash, expires|created, the hash of the session that must be open
-- Returns 1; 0 if that session is not open.
if redis.call('HEXISTS', KEYS[1], 's:' .. ARGV[3]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 's:' .. ARGV[1], ARGV[2])
local last = prune(KEYS[1])
redis.call('EXPIREAT', KEYS[1], last)
return 1
