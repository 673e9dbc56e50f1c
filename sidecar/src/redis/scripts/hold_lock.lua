#!lua flags=allow-oom
-- Takes or renews the lock on an instance's name; a full Redis must not part a sidecar from its name.
--
-- Reads:   whose the lock is.
-- Changes: if it is free or ours, it is ours from now on for the time given.
-- Returns: nil if it is ours now; otherwise whose it is, and for how many more milliseconds.
--
-- KEYS[1]  the lock
-- ARGV     our token, ms
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return {holder, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
