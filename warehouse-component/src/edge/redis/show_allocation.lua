-- Reads an allocation with its returns.
-- KEYS: 1 the allocation, 2 its returns. Changes nothing.
-- Returns {'allocation', outcome, reason ('' for none), lines, time, return...}, {'unknown'} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'list'})
if fault then
  return {'corrupt', fault}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'unknown'}
end
local found = redis.call('HMGET', KEYS[1], 'outcome', 'lines', 'at', 'reason')
if not (found[1] and found[2] and found[3]) then
  return {'corrupt', 'the key ' .. KEYS[1] .. ' lacks fields of an allocation'}
end
local returns = redis.call('LRANGE', KEYS[2], 0, -1)
return {'allocation', found[1], found[4] or '', found[2], found[3], unpack(returns)}
