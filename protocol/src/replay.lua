-- Appends dead letters to their stream again and removes them, each in one step: replaying twice is harmless.
--
-- KEYS[1]  the stream
-- KEYS[2]  the stream of its dead letters
-- ARGV     ids of dead letters
-- Reads    each dead letter, and for one by reference (its original was too large to copy) the original.
-- Writes   the fields of the original to KEYS[1], and behind them, as the mark of a replay, replay_of (the id of the
--          original), replay_group (the only group that is meant; sidecars of others acknowledge the entry undelivered)
--          and replay_stream (KEYS[1], so that a copy in another stream is no replay). REPLAY_FIELDS in dead_letters.rs.
-- Returns  a JSON array with a Replay for each id (dead_letters.rs).

-- The sidecar's own fields come first in a dead letter; then those of the original. DEAD_FIELDS in dead_letters.rs.
local own_names = {'dead_cause', 'dead_reason', 'dead_attempts', 'dead_entry', 'dead_group', 'dead_at'}
-- More values than this do not fit into one call from Lua.
local values_max = 7000

-- The number of values at the end that are the mark of an earlier replay; fields of the same names elsewhere are the
-- producer's own. An earlier mark had no replay_stream.
local function mark_length(values)
  local last, length = #values, 4
  if values[last - 1] == 'replay_stream' and values[last] == KEYS[1] then
    last, length = last - 2, 6
  end
  return values[last - 1] == 'replay_group' and values[last - 3] == 'replay_of' and length or 0
end

local function replay(id)
  local letter = redis.call('XRANGE', KEYS[2], id, id)[1]
  if not letter then
    return {outcome = 'unknown'}
  end
  local original, first, own = letter[2], 2 * #own_names + 1, {}
  for i, name in ipairs(own_names) do
    if original[2 * i - 1] ~= name then
      return {outcome = 'lost'}
    end
    own[name] = original[2 * i]
  end
  if #original < first then
    -- Whoever wrote the letter by hand may have written something that is no id.
    local found = redis.pcall('XRANGE', KEYS[1], own.dead_entry, own.dead_entry)
    original, first = found[1] and found[1][2] or {}, 1
  end
  local copy = {}
  for i = first, #original - mark_length(original) do
    copy[#copy + 1] = original[i]
  end
  if #copy == 0 or #copy > values_max then
    return {outcome = 'lost'}
  end
  local mark = {'replay_of', own.dead_entry, 'replay_group', own.dead_group, 'replay_stream', KEYS[1]}
  for _, text in ipairs(mark) do
    copy[#copy + 1] = text
  end
  local entry = redis.call('XADD', KEYS[1], '*', unpack(copy))
  redis.call('XDEL', KEYS[2], id)
  return {outcome = 'replayed', entry = entry, replay_of = own.dead_entry, replay_group = own.dead_group}
end

-- Redis refuses a command that the user may not run only when its turn comes, and by then a letter would be appended
-- that cannot be removed, and appended again by the next replay.
if not redis.acl_check_cmd('XDEL', KEYS[2], '0-0') then
  return redis.error_reply('NOPERM the user may not run XDEL on ' .. KEYS[2])
end
local replays = {}
for i, id in ipairs(ARGV) do
  replays[i] = replay(id)
end
return cjson.encode(replays)
