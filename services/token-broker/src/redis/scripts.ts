import { hash } from 'node:crypto';

/**
 * The atomic steps of the store, in Lua. Each touches one key. Time is Redis' own, so that pods' clocks do not matter.
 * A partition's fields: `v` = life:sign-ins:writes, `msal`, `s:<session hash>` = expires|created, `t:<token>` = fence|expires|sealed.
 */
function script(lua: string) {
  return { lua, sha: hash('sha1', lua) };
}

export type Script = ReturnType<typeof script>;

/** Drops expired sessions and token records; gives the latest end of each kind, 0 if there is none, and the tokens left. */
const prune = `
local now = tonumber(redis.call('TIME')[1])
local function prune(key)
  local lastSession, lastToken, held = 0, 0, {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local kind = string.sub(all[i], 1, 2)
    if kind == 's:' or kind == 't:' then
      local ends = tonumber(string.match(all[i + 1], kind == 's:' and '^(%d+)|' or '^%d+|(%d+)|')) or 0
      if ends <= now then redis.call('HDEL', key, all[i])
      elseif kind == 's:' then lastSession = math.max(lastSession, ends)
      else
        lastToken = math.max(lastToken, ends)
        held[#held + 1] = {all[i], string.sub(all[i], 1, 4) == 't:c:', tonumber(string.match(all[i + 1], '^(%d+)|')) or 0}
      end
    end
  end
  return lastSession, lastToken, held
end
local function lifeOf(v) return string.match(v, '^[^:]*') end
local function bumped(v, signsIn)
  local signIns, writes = string.match(v, ':(%d+):(%d+)$')
  signIns, writes = tonumber(signIns) or 0, tonumber(writes) or 0
  if signsIn then signIns, writes = signIns + 1, 0 else writes = writes + 1 end
  return lifeOf(v) .. ':' .. signIns .. ':' .. writes
end
local function sessions(key)
  local all, open = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 's:' then
      open[#open + 1] = string.sub(all[i], 3)
      open[#open + 1] = all[i + 1]
    end
  end
  return open
end
`;

/** ARGV: a fresh version, blob, session hash, `expires|created`. */
export const openSession = script(`${prune}
local v = redis.call('HGET', KEYS[1], 'v')
if v then
  v = bumped(v, true)
else
  v = ARGV[1]
end
redis.call('HSET', KEYS[1], 'v', v, 'msal', ARGV[2], 's:' .. ARGV[3], ARGV[4])
local last = prune(KEYS[1])
redis.call('EXPIREAT', KEYS[1], last)
return sessions(KEYS[1])`);

/** ARGV: session hash, \`expires|created\`. */
export const touchSession = script(`${prune}
if redis.call('HEXISTS', KEYS[1], 's:' .. ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 's:' .. ARGV[1], ARGV[2])
local last = prune(KEYS[1])
redis.call('EXPIREAT', KEYS[1], last)
return 1`);

/** ARGV: session hashes. */
export const closeSessions = script(`${prune}
for i = 1, #ARGV do redis.call('HDEL', KEYS[1], 's:' .. ARGV[i]) end
local last = prune(KEYS[1])
if last > 0 then
  redis.call('EXPIREAT', KEYS[1], last)
  return 0
end
redis.call('DEL', KEYS[1])
return 1`);

export const openSessions = script(`${prune}
return sessions(KEYS[1])`);

/** Drops the oldest of `held` beyond `most`, those with claims first, but not `kept`. */
const trim = `
local function trim(key, held, most, kept)
  table.sort(held, function(a, b)
    if a[2] ~= b[2] then return a[2] end
    return a[3] < b[3]
  end)
  local over = #held - most
  for _, token in ipairs(held) do
    if over <= 0 then return end
    if token[1] ~= kept then
      redis.call('HDEL', key, token[1])
      over = over - 1
    end
  end
end
`;

/**
 * ARGV: version read ('' = none), a fresh version, field, fence, expires, sealed record, blob ('' = none), lives with
 * tokens, how many tokens at most.
 */
export const writeToken = script(`${prune}${trim}
local v = redis.call('HGET', KEYS[1], 'v')
if not v then
  if ARGV[1] ~= '' then return 'gone' end
  if ARGV[8] ~= '1' then return 'gone' end
  v = ARGV[2]
elseif ARGV[1] ~= '' and lifeOf(v) ~= lifeOf(ARGV[1]) then
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
return 'written'`);

/** ARGV: field, the sealed part as it was read, the same sealed anew. */
export const reseal = script(`
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.sub(held, -#ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.sub(held, 1, #held - #ARGV[2]) .. ARGV[3])
return 1`);

/**
 * ARGV: what was read ('' = no value), what is to be there ('' = none), TTL in ms. A full Redis refuses a script's first
 * write if it may grow, and none that follow a write: so the old value goes first.
 */
export const replace = script(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`);

/** ARGV: member, TTL in ms. The member leaves first for the same reason. */
export const forceMember = script(`
local lasts = redis.call('PTTL', KEYS[1])
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(lasts, tonumber(ARGV[2])))
return 1`);

/** ARGV: member, TTL in ms. */
export const addMember = script(`
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SCARD', KEYS[1])`);

/** ARGV: owner, TTL in ms. The fence is Redis' clock in microseconds: it only grows. */
export const takeLease = script(`
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local time = redis.call('TIME')
  return {1, time[1] * 1000000 + time[2]}
end
return {0, redis.call('PTTL', KEYS[1])}`);

/** ARGV: owner, TTL in ms. */
export const renewLease = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** ARGV: owner, channel. */
export const releaseLease = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('PUBLISH', ARGV[2], 'w:' .. KEYS[1])
return 1`);
