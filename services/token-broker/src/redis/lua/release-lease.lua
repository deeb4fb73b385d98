-- Ends a lease, if the owner still has it, and wakes all pods that wait for it.
-- KEYS: the lease
-- ARGV: owner, channel
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('PUBLISH', ARGV[2], 'w:' .. KEYS[1])
