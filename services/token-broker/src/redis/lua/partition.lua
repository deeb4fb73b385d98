-- Functions of all scripts for a partition, a HASH with these fields:
--   v                 its version: life:sign-ins:writes
--   msal              MSAL's sealed cache
--   s:<session hash>  an open session: expires|created
--   t:<token>         a token: fence|expires|sealed record; t:c:<token> if it was acquired with claims
-- Times are seconds since 1970, by the clock of Redis.
local now = tonumber(redis.call('TIME')[1])

-- Removes expired sessions and tokens. Returns the latest end of the sessions and of the tokens that are left, 0 if
-- there are none, and the tokens: {field, with claims, fence}.
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

-- The first part of a version: it stays the same until the partition is deleted.
local function life(v) return string.match(v, '^[^:]*') end

-- The version after a sign-in, or after another write of `msal`.
local function bumped(v, signsIn)
  local signIns, writes = string.match(v, ':(%d+):(%d+)$')
  signIns, writes = tonumber(signIns) or 0, tonumber(writes) or 0
  if signsIn then signIns, writes = signIns + 1, 0 else writes = writes + 1 end
  return life(v) .. ':' .. signIns .. ':' .. writes
end

-- The open sessions: hash, expires|created, hash, expires|created, …
local function sessions(key)
  local all, open = redis.call('HGETALL', key), {}
  for i = 1, #all, 2 do
    local ends = string.sub(all[i], 1, 2) == 's:' and tonumber(string.match(all[i + 1], '^(%d+)|'))
    if ends and ends > now then
      open[#open + 1] = string.sub(all[i], 3)
      open[#open + 1] = all[i + 1]
    end
  end
  return open
end

