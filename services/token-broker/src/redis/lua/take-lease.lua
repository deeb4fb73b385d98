-- Takes a lease, if nobody has it. The fence is the clock of Redis in microseconds, which only grows.
-- KEYS: the lease
-- ARGV: owner, TTL in ms
-- Returns {1, fence}; {0, ms until it ends} if another owner has it.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local time = redis.call('TIME')
  return {1, time[1] * 1000000 + time[2]}
end
return {0, redis.call('PTTL', KEYS[1])}
