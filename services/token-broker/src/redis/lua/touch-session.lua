-- Moves the end of an open session.
-- KEYS: the partition
-- ARGV: session hash, expires|created
-- Returns 1; 0 if the session is not open.
if redis.call('HEXISTS', KEYS[1], 's:' .. ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 's:' .. ARGV[1], ARGV[2])
local last = prune(KEYS[1])
redis.call('EXPIREAT', KEYS[1], last)
return 1
