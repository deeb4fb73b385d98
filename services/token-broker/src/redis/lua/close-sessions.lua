-- Removes sessions; with the last one the partition.
-- KEYS: the partition
-- ARGV: session hashes
-- Returns 1 if no session is left, else 0.
for i = 1, #ARGV do redis.call('HDEL', KEYS[1], 's:' .. ARGV[i]) end
local last = prune(KEYS[1])
if last > 0 then
  redis.call('EXPIREAT', KEYS[1], last)
  return 0
end
redis.call('DEL', KEYS[1])
return 1
