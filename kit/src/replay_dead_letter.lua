-- Appends a dead letter to its stream again and removes it, in one step: replaying it twice is harmless.
-- KEYS: the stream, the stream of its dead letters. ARGV: the dead letter's id.
-- Reads the dead letter, and for one by reference (an entry too large to copy) the entry that it refers to.
-- Appends the original fields, and behind them replay_of (the original entry's id) and replay_group (the group that is
-- meant; sidecars of others acknowledge it unseen), as the sidecar's own replay does.
-- Returns {'corrupt', what}, {'unknown'}, {'lost'} if nothing of the original is left, in which case the dead letter
-- stays, or {'replayed', the new entry's id, the original entry's id, the group}.

must_be_allowed('TYPE', 'XADD', 'XDEL', 'XRANGE')

-- The sidecar's own fields come first in a dead letter; then those of the original.
local own_names = {'dead_cause', 'dead_reason', 'dead_attempts', 'dead_entry', 'dead_group', 'dead_at'}
-- More values than this do not fit into one call from Lua.
local values_max = 7000

local misfit_ = first_misfit({KEYS[1], 'stream', KEYS[2], 'stream'})
if misfit_ then
  return {'corrupt', misfit_}
end
local letter = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not letter then
  return {'unknown'}
end
local original, first, own = letter[2], 2 * #own_names + 1, {}
for i, name in ipairs(own_names) do
  if original[2 * i - 1] ~= name then
    return {'lost'}
  end
  own[name] = original[2 * i]
end
if #original < first then
  local found = redis.pcall('XRANGE', KEYS[1], own.dead_entry, own.dead_entry)
  original, first = found[1] and found[1][2] or {}, 1
end
local copy = {}
for i = first, #original, 2 do
  if original[i] ~= 'replay_of' and original[i] ~= 'replay_group' then
    copy[#copy + 1] = original[i]
    copy[#copy + 1] = original[i + 1]
  end
end
if #copy == 0 or #copy > values_max then
  return {'lost'}
end
for _, text in ipairs({'replay_of', own.dead_entry, 'replay_group', own.dead_group}) do
  copy[#copy + 1] = text
end
local entry = redis.call('XADD', KEYS[1], '*', unpack(copy))
redis.call('XDEL', KEYS[2], ARGV[1])
return {'replayed', entry, own.dead_entry, own.dead_group}
