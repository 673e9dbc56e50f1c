-- Places an order: the order, its history, its places in the lists and the event order-placed, in one step.
-- The model of what may be placed is in domain/place_order.rs; here is only the commit.
--
-- KEYS: 1 the order, 2 its history, 3 all orders, 4 the orders of its state, 5 the orders of its customer,
--       6 the stream order-placed, then the products, then the idempotency record (optional)
-- ARGV: 1 order id, 2 history entry, 3 event id, 4 time, 5 event data, 6 status, 7 customer, 8 currency, 9 lines,
--       10 subtotal, 11 fee, 12 total, 13 payment token,
--       14 request, 15 location, 16 answer, 17 how long to keep the record in ms (empty without a record),
--       then for each product the fields by which the order is priced: rev, name, price_minor, currency, active
-- Returns {'placed'}; {'changed'} if a product is no longer so; {'stored', location, answer} or {'key_reused'} for a used
-- idempotency key; {'corrupt', what}.
-- Run again with the same order id, it changes nothing.

local products = (#ARGV - 17) / 5
local record = KEYS[7 + products]
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
  local earlier = record and earlier_answer(record, ARGV[14])
  if earlier then
    return earlier
  end
end

for i = 1, products do
  -- All fields, since a Redis that was restored from a backup may give a revision a second time. A key that holds
  -- something else answers with none: whoever reads the product again sees what is wrong.
  local found = redis.pcall('HMGET', KEYS[6 + i], 'rev', 'name', 'price_minor', 'currency', 'active')
  for j = 1, 5 do
    if found[j] ~= ARGV[12 + 5 * i + j] then
      return {'changed'}
    end
  end
end

-- The one write that Redis may refuse, when the stream's ids are used up, comes first.
local added = redis.pcall('XADD', KEYS[6], '*',
  'id', ARGV[3], 'type', 'order-placed', 'v', '1', 'time', ARGV[4], 'data', ARGV[5])
if added.err then
  return {'corrupt', 'the stream ' .. KEYS[6] .. ' takes no event: ' .. added.err}
end
redis.call('HSET', KEYS[1], 'status', ARGV[6], 'customer_id', ARGV[7], 'currency', ARGV[8], 'lines', ARGV[9],
  'subtotal_minor', ARGV[10], 'fee_minor', ARGV[11], 'total_minor', ARGV[12], 'payment_token', ARGV[13],
  'rev', '1', 'created_at', ARGV[4], 'updated_at', ARGV[4])
redis.call('RPUSH', KEYS[2], ARGV[2])
for i = 3, 5 do
  redis.call('ZADD', KEYS[i], 0, ARGV[1])
end
if record then
  keep_answer(record, ARGV[14], ARGV[15], ARGV[16], ARGV[17])
end
return {'placed'}
