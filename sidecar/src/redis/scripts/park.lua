-- Lets go of entries, fenced: a failed attempt is counted and its backoff begins, or the entry is due at once.
--
-- Reads:   the owner and the delivery counter of each entry, and whether the entry exists: XCLAIM silently drops what
--          does not; it is left, to be found due and moved to the dead letters.
-- Changes: each entry that is still ours at the attempt we know becomes the parking consumer's, with the idle time and
--          the delivery counter given. Nobody holds what is on that name: it is due once it is idle for the lease.
-- Returns: how many entries were parked.
--
-- KEYS[1]  the stream
-- ARGV     group, consumer, parking consumer, then per entry: id, attempt, next attempt, idle ms
local stream, group, consumer, parking = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local parked = 0
for i = 4, #ARGV, 4 do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if pending and pending[2] == consumer and math.max(pending[4], 1) == tonumber(ARGV[i + 1])
      and redis.call('XRANGE', stream, id, id)[1] then
    redis.call('XCLAIM', stream, group, parking, 0, id, 'IDLE', ARGV[i + 3], 'RETRYCOUNT', ARGV[i + 2], 'JUSTID')
    parked = parked + 1
  end
end
return parked
