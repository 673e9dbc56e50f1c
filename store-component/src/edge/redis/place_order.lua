-- Places an order: the order, its places in the lists and the event order-placed, in one step.
-- The model of what may be placed is in domain/place_order.rs; here is only the commit.
--
-- KEYS: 1 the order, 2 all orders, 3 the orders of its state, 4 the orders of its customer, 5 the stream order-placed,
--       then the products, then the idempotency record (optional)
-- ARGV: 1 order id, 2 the order's text, 3 event id, 4 time, 5 event data,
--       6 request, 7 location, 8 answer, 9 how long to keep the record in ms (empty without a record),
--       then for each product the text by which the order is priced
-- Returns {'placed'}; {'changed'} if a product is no longer so; {'stored', location, answer} or {'key_reused'} for a used
-- idempotency key; {'corrupt', what}.
-- Run again with the same order id, it changes nothing.

local products = #ARGV - 9
local record = KEYS[6 + products]
local fault = first_misfit({KEYS[2], 'zset', KEYS[3], 'zset', KEYS[4], 'zset', KEYS[5], 'stream'})
if fault then
  return {'corrupt', fault}
end
-- For nearly every order, nothing is there yet.
if redis.call('EXISTS', KEYS[1], record or KEYS[1]) > 0 then
  fault = first_misfit({KEYS[1], 'string', record or KEYS[1], record and 'hash' or 'string'})
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

-- The whole text, since a Redis that was restored from a backup may give a revision a second time. A key that holds
-- something else answers with nothing: whoever reads the product again sees what is wrong.
local found = redis.call('MGET', unpack(KEYS, 6, 5 + products))
for i = 1, products do
  if found[i] ~= ARGV[9 + i] then
    return {'changed'}
  end
end

-- The one write that Redis may refuse, when the stream's ids are used up, comes first.
fault = append_event(KEYS[5], 'order-placed', ARGV[3], ARGV[4], ARGV[5])
if fault then
  return {'corrupt', fault}
end
redis.call('SET', KEYS[1], ARGV[2])
for i = 2, 4 do
  redis.call('ZADD', KEYS[i], 0, ARGV[1])
end
if record then
  keep_answer(record, ARGV[6], ARGV[7], ARGV[8], ARGV[9])
end
return {'placed'}
