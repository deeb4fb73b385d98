-- Writes a token, and with it MSAL's cache if nobody has written that since it was read.
-- KEYS: the partition
-- ARGV: the version read ('' = none), a fresh version, field, fence, expires, sealed record, MSAL's sealed cache
--   ('' = none), '1' if the partition ends with its last token, how many tokens it holds at most
-- Returns 'written'; 'gone' if the partition has ended meanwhile; 'fenced' if a newer lease has written the token.
local v = redis.call('HGET', KEYS[1], 'v')
if not v then
  if ARGV[1] ~= '' then return 'gone' end
  if ARGV[8] ~= '1' then return 'gone' end
  v = ARGV[2]
elseif ARGV[1] ~= '' and life(v) ~= life(ARGV[1]) then
  return 'gone'
end
local old = redis.call('HGET', KEYS[1], ARGV[3])
if old and (tonumber(string.match(old, '^(%d+)|')) or 0) > tonumber(ARGV[4]) then return 'fenced' end
if ARGV[7] ~= '' and v == ARGV[1] then
  v = bumped(v, false)
  redis.call('HSET', KEYS[1], 'msal', ARGV[7])
end
redis.call('HSET', KEYS[1], 'v', v, ARGV[3], ARGV[4] .. '|' .. ARGV[5] .. '|' .. ARGV[6])
local _, last, held = prune(KEYS[1])
trim(KEYS[1], held, tonumber(ARGV[9]), ARGV[3])
if ARGV[8] == '1' then redis.call('EXPIREAT', KEYS[1], last) end
return 'written'
