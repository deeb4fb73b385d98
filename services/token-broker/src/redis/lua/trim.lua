-- Removes the oldest tokens of `held` (see `prune`) until `most` are left, those with claims first, but never `kept`.
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

