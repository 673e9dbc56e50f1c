-- Reads an allocation with its returns.
-- KEYS: 1 the allocation, 2 its returns. Changes nothing.
-- Returns {'allocation', allocation, return...}, {'unknown'} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'string', KEYS[2], 'list'})
if fault then
  return {'corrupt', fault}
end
local found = redis.call('GET', KEYS[1])
if not found then
  return {'unknown'}
end
return {'allocation', found, unpack(redis.call('LRANGE', KEYS[2], 0, -1))}
