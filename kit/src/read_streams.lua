-- How long streams are and how far their groups are, in one look.
-- KEYS: for each stream, itself and the stream of its dead letters. ARGV: the consumer that has what nobody holds.
-- Changes nothing. Returns {'corrupt', what}, or 'read', the time in milliseconds, and for each stream its length, the
-- number of its dead letters and the number of its groups, and for each group its name, its lag (nil where Redis does
-- not know), how many entries are pending, how many of them nobody holds, and the id of the oldest (nil without one).

local wanted = {}
for _, key in ipairs(KEYS) do
  wanted[#wanted + 1] = key
  wanted[#wanted + 1] = 'stream'
end
local misfit_ = first_misfit(wanted)
if misfit_ then
  return {'corrupt', misfit_}
end

local time = redis.call('TIME')
local reply = {'read', time[1] * 1000 + math.floor(time[2] / 1000)}
for i = 1, #KEYS, 2 do
  local groups = {}
  if redis.call('EXISTS', KEYS[i]) == 1 then
    groups = redis.call('XINFO', 'GROUPS', KEYS[i])
  end
  reply[#reply + 1] = redis.call('XLEN', KEYS[i])
  reply[#reply + 1] = redis.call('XLEN', KEYS[i + 1])
  reply[#reply + 1] = #groups
  for _, pairs_ in ipairs(groups) do
    local group = {}
    for j = 1, #pairs_, 2 do
      group[pairs_[j]] = pairs_[j + 1]
    end
    reply[#reply + 1] = group.name
    reply[#reply + 1] = group.lag or false
    reply[#reply + 1] = group.pending
    local oldest, unheld = false, 0
    if group.pending > 0 then
      local pending = redis.call('XPENDING', KEYS[i], group.name)
      oldest = pending[2]
      for _, consumer in ipairs(pending[4]) do
        if consumer[1] == ARGV[1] then
          unheld = tonumber(consumer[2])
        end
      end
    end
    reply[#reply + 1] = unheld
    reply[#reply + 1] = oldest
  end
end
return reply
