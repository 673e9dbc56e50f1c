-- Renews leases, fenced: only of entries that are still ours.
--
-- Reads:   the owner of each entry, and whether the entry exists: XCLAIM silently drops what does not.
-- Changes: the idle time of each entry that is ours and exists becomes 0; its delivery counter stays.
-- Returns: the ids of those that are another's, or no longer pending.
--
-- KEYS[1]  the stream
-- ARGV     group, consumer, then the ids
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local lost = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if not pending or pending[2] ~= consumer then
    lost[#lost + 1] = id
  elseif redis.call('XRANGE', stream, id, id)[1] then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'IDLE', 0, 'JUSTID')
  end
end
return lost
