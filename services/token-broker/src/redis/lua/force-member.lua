-- Adds a member to a set, also while Redis is full: for the reason in replace.lua the member is removed first.
-- KEYS: the set
-- ARGV: member, TTL in ms, which only makes the set last longer
local lasts = redis.call('PTTL', KEYS[1])
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(lasts, tonumber(ARGV[2])))
