-- Replaces a sealed value by the same sealed with another key, if it is still there. What stands before it stays.
-- KEYS: the partition
-- ARGV: field, the sealed value as it was read, the new one
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.sub(held, -#ARGV[2]) ~= ARGV[2] then return end
redis.call('HSET', KEYS[1], ARGV[1], string.sub(held, 1, #held - #ARGV[2]) .. ARGV[3])
