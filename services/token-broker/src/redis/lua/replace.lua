-- Replaces a value, if it is the one that was read. A full Redis refuses a script's first write if that may grow, and
-- none that follows a write: so the old value is deleted first.
-- KEYS: any string
-- ARGV: the value read ('' = none), the new one ('' = none), its TTL in ms
-- Returns 1 if it was replaced, else 0.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
