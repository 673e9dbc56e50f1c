-- Gives up the lock on an instance's name, if it is ours.
--
-- KEYS[1]  the lock
-- ARGV     our token
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
