-- Appends dead letters to their stream again and removes them, in one step each: replaying twice is harmless.
--
-- Reads:   each dead letter, and for one by reference the entry that it refers to.
-- Changes: each is appended to KEYS[1] with its original fields, and replay_of (the original entry's id) and
--          replay_group (the group that is meant; sidecars of others acknowledge it unseen) behind them; and removed
--          from KEYS[2].
-- Returns: per dead letter the new entry's id; '' if it was gone; or 'lost' if nothing of the original is left, in
--          which case it stays.
--
-- KEYS[1]  the stream
-- KEYS[2]  the stream of its dead letters
-- ARGV     the dead letters' ids
local own_values = 12
local values_max = 7000
local result = {}
for i, id in ipairs(ARGV) do
  local letter = redis.call('XRANGE', KEYS[2], id, id)[1]
  if not letter then
    result[i] = ''
  else
    local own, first = {}, own_values + 1
    for j = 1, own_values, 2 do own[letter[2][j]] = letter[2][j + 1] end
    local original = letter[2]
    if #original < first then
      local entry = redis.call('XRANGE', KEYS[1], own['dead_entry'], own['dead_entry'])[1]
      original, first = entry and entry[2] or {}, 1
    end
    local copy = {}
    for j = first, #original, 2 do
      if original[j] ~= 'replay_of' and original[j] ~= 'replay_group' then
        copy[#copy + 1] = original[j]
        copy[#copy + 1] = original[j + 1]
      end
    end
    if #copy == 0 or #copy > values_max then
      result[i] = 'lost'
    else
      copy[#copy + 1] = 'replay_of'
      copy[#copy + 1] = own['dead_entry']
      copy[#copy + 1] = 'replay_group'
      copy[#copy + 1] = own['dead_group']
      result[i] = redis.call('XADD', KEYS[1], '*', unpack(copy))
      redis.call('XDEL', KEYS[2], id)
    end
  end
end
return result
