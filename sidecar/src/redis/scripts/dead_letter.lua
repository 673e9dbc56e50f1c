-- Moves entries to the dead letters, fenced: copied and acknowledged in one step, so that neither a crash nor a peer
-- can make two of one or none.
--
-- Reads:   the owner of each entry, and the entry.
-- Changes: each entry that is still ours, or was found deleted and still is, is copied to KEYS[2] with the dead_ fields before
--          its own, as they were, and acknowledged. The entry itself stays: deleting it would make the group's lag
--          unknown. Too large ones are copied by reference: dead_entry and the reason say where and how large.
-- Returns: the ids of the entries that were moved.
--
-- KEYS[1]  the stream
-- KEYS[2]  the stream of its dead letters
-- ARGV     group, consumer, time, then per entry: id, cause, reason, attempts
local stream, dead, group, consumer, at = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
-- More values than this do not fit into one call from Lua.
local values_max = 7000
-- What cannot be acknowledged would be copied again and again.
if not redis.acl_check_cmd('XACK', stream, group, '0-0') then
  return redis.error_reply('NOPERM the user may not run XACK on ' .. stream)
end
local moved = {}
for i = 4, #ARGV, 4 do
  local id, cause = ARGV[i], ARGV[i + 1]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if pending and (pending[2] == consumer or (cause == 'deleted' and not entry)) then
    local copy = {
      'dead_cause', cause, 'dead_reason', ARGV[i + 2], 'dead_attempts', ARGV[i + 3], 'dead_entry', id,
      'dead_group', group, 'dead_at', at,
    }
    if entry and cause ~= 'too-large' then
      if #entry[2] <= values_max then
        for _, text in ipairs(entry[2]) do copy[#copy + 1] = text end
      else
        copy[4] = copy[4] .. ' (too many fields to copy: the entry itself stays in the stream until it is trimmed)'
      end
    end
    redis.call('XADD', dead, '*', unpack(copy))
    redis.call('XACK', stream, group, id)
    moved[#moved + 1] = id
  end
end
return moved
