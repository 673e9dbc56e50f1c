-- Tells of an order's outcome and returns again, if it is still allocated as it was read.
-- KEYS: 1 the allocation, 2 the stream of its outcome, 3 the stream return-received
-- ARGV: 1 the allocation as it was read, 2 time, 3 the outcome's event id, 4 its event data, then the same two of each
--       return
-- Returns {'announced'}, {'changed'} or {'corrupt', what}; then what comes first may be told already.
-- Run again, it tells again, which changes nothing.

must_be_allowed('GET', 'TYPE', 'XADD')

local fault = first_misfit({KEYS[1], 'string', KEYS[2], 'stream', KEYS[3], 'stream'})
if fault then
  return {'corrupt', fault}
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'changed'}
end
fault = append_event(KEYS[2], KEYS[2], ARGV[3], ARGV[2], ARGV[4])
for i = 5, #ARGV, 2 do
  fault = fault or append_event(KEYS[3], 'return-received', ARGV[i], ARGV[2], ARGV[i + 1])
end
if fault then
  return {'corrupt', fault}
end
return {'announced'}
