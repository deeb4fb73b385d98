-- Adds a member to a set.
-- KEYS: the set
-- ARGV: member, TTL in ms, which only makes the set last longer
-- Returns how many members it has.
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SCARD', KEYS[1])
