-- Removes consumers that are gone for good from a group. One that has anything pending is never removed: its pending
-- entries would go with it.
--
-- KEYS[1]  the stream
-- ARGV     group, idle ms, then the consumers to keep
-- Writes   removes each consumer that has nothing pending and has been idle for long, except those named.
-- Returns  the names of those removed.
local keep = {}
for i = 3, #ARGV do keep[ARGV[i]] = true end
local removed = {}
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local info = {}
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  if info['pending'] == 0 and info['idle'] >= tonumber(ARGV[2]) and not keep[info['name']] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info['name'])
    removed[#removed + 1] = info['name']
  end
end
return removed
