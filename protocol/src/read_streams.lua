-- Length, dead letters and consumer groups of streams, in one look.
--
-- KEYS     for each stream, itself and the stream of its dead letters
-- ARGV[1]  the consumer that parks what waits
-- Returns  a JSON array with a StreamState for each stream (streams.rs).

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function by_name(flat)
  local info = {}
  for i = 1, #flat, 2 do
    info[flat[i]] = flat[i + 1]
  end
  return info
end

local function group_state(stream, info)
  local state = {group = info.name, lag = info.lag or nil, pending = info.pending, waiting = 0, consumers = 0}
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, info.name)) do
    local consumer = by_name(flat)
    if consumer.name == ARGV[1] then
      state.waiting = consumer.pending
    else
      state.consumers = state.consumers + 1
    end
  end
  if info.pending > 0 then
    local oldest = redis.call('XPENDING', stream, info.name)[2]
    local age_ms = now_ms - oldest:match('^%d+')
    -- An id so far ahead is its producer's own, and tells no age. Redis's clock is not set back by this much.
    if age_ms > -3600000 then
      state.oldest_pending_ms = math.max(age_ms, 0)
    end
  end
  return state
end

local streams = {}
for i = 1, #KEYS, 2 do
  local stream = KEYS[i]
  -- An empty table would become an object: without groups there is no field of that name.
  local groups
  if redis.call('TYPE', stream).ok == 'stream' then
    for j, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      groups = groups or {}
      groups[j] = group_state(stream, by_name(flat))
    end
  end
  streams[#streams + 1] = {length = redis.call('XLEN', stream), dead = redis.call('XLEN', KEYS[i + 1]), groups = groups}
end
return cjson.encode(streams)
