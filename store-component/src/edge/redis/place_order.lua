-- Places an order: the order, its history, its places in the lists and the event order-placed, in one step.
-- The model of what may be placed is in domain/place_order.rs; here is only the commit.
--
-- KEYS: 1 the order, 2 its history, 3 all orders, 4 the orders of its state, 5 the orders of its customer,
--       6 the stream order-placed, 7 the idempotency record (optional)
-- ARGV: 1 order id, 2 history entry, 3 event id, 4 time, 5 event data,
--       6 request, 7 location, 8 answer, 9 how long to keep the record in ms, 10... the order's fields and values
-- Returns {'placed'}; {'stored', location, answer} or {'key_reused'} for a used idempotency key; {'corrupt', what}.
-- Run again with the same order id, it changes nothing.

local record = KEYS[7]
local fault = first_misfit({KEYS[3], 'zset', KEYS[4], 'zset', KEYS[5], 'zset', KEYS[6], 'stream'})
if fault then
  return {'corrupt', fault}
end
-- For nearly every order, nothing is there yet.
if redis.call('EXISTS', KEYS[1], KEYS[2], record or KEYS[1]) > 0 then
  fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'list', record or KEYS[1], 'hash'})
  if fault then
    return {'corrupt', fault}
  end
  if redis.call('EXISTS', KEYS[1]) == 1 then
    return {'placed'}
  end
  local earlier = record and earlier_answer(record, ARGV[6])
  if earlier then
    return earlier
  end
end

-- The one write that Redis may refuse, when the stream's ids are used up, comes first.
local added = redis.pcall('XADD', KEYS[6], '*',
  'id', ARGV[3], 'type', 'order-placed', 'v', '1', 'time', ARGV[4], 'data', ARGV[5])
if added.err then
  return {'corrupt', 'the stream ' .. KEYS[6] .. ' takes no event: ' .. added.err}
end
redis.call('HSET', KEYS[1], unpack(ARGV, 10))
redis.call('RPUSH', KEYS[2], ARGV[2])
for i = 3, 5 do
  redis.call('ZADD', KEYS[i], 0, ARGV[1])
end
if record then
  keep_answer(record, ARGV[6], ARGV[7], ARGV[8], ARGV[9])
end
return {'placed'}
