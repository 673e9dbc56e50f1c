-- Appends dead letters to their stream again and removes them, in one step each: replaying twice is harmless.
--
-- Reads:   each dead letter, and for one by reference the entry that it refers to.
-- Changes: each is appended to KEYS[1] with its original fields, and replay_of (the original entry's id) and
--          replay_group (the group that is meant; sidecars of others acknowledge it unseen) behind them; and removed
--          from KEYS[2].
-- Returns: per dead letter the new entry's id; '' if it was gone; or 'lost' if nothing of the original is left, or no
--          sidecar wrote it, in which case it stays.
--
-- KEYS[1]  the stream
-- KEYS[2]  the stream of its dead letters
-- ARGV     the dead letters' ids
-- The sidecar's own fields come first in a dead letter; then those of the original.
local own_names = {'dead_cause', 'dead_reason', 'dead_attempts', 'dead_entry', 'dead_group', 'dead_at'}
-- More values than this do not fit into one call from Lua.
local values_max = 7000
local result = {}
-- What cannot be removed would be appended again and again.
if not redis.acl_check_cmd('XDEL', KEYS[2], '0-0') then
  return redis.error_reply('NOPERM the user may not run XDEL on ' .. KEYS[2])
end
for i, id in ipairs(ARGV) do
  local letter = redis.call('XRANGE', KEYS[2], id, id)[1]
  if not letter then
    result[i] = ''
  else
    local original, first, own = letter[2], 2 * #own_names + 1, {}
    for j, name in ipairs(own_names) do
      if original[2 * j - 1] ~= name then
        original = {}
        break
      end
      own[name] = original[2 * j]
    end
    if own.dead_at and #original < first then
      local found = redis.pcall('XRANGE', KEYS[1], own.dead_entry, own.dead_entry)
      original, first = found[1] and found[1][2] or {}, 1
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
      copy[#copy + 1] = own.dead_entry
      copy[#copy + 1] = 'replay_group'
      copy[#copy + 1] = own.dead_group
      result[i] = redis.call('XADD', KEYS[1], '*', unpack(copy))
      redis.call('XDEL', KEYS[2], id)
    end
  end
end
return result
