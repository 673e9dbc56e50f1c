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

must_be_allowed('DEL', 'EXISTS', 'HMGET', 'HSET', 'MGET', 'PEXPIRE', 'SET', 'TYPE', 'XADD', 'ZADD', 'ZREM')

local order, stream = KEYS[1], KEYS[5]
local products = #ARGV - 9
local record = KEYS[6 + products]
if record and redis.call('EXISTS', record) == 1 then
  local fault = first_misfit({record, 'hash'})
  if fault then
    return {'corrupt', fault}
  end
  local earlier = redis.call('EXISTS', order) == 0 and earlier_answer(record, ARGV[6])
  if earlier then
    return earlier
  end
end

local function placed_before()
  local fault = first_misfit({order, 'string'})
  return fault and {'corrupt', fault} or {'placed'}
end

-- The whole text, since a Redis that was restored from a backup may give a revision a second time. A key that holds
-- something else answers with nothing: whoever reads the product again sees what is wrong.
local found = redis.call('MGET', unpack(KEYS, 6, 5 + products))
for i = 1, products do
  if found[i] ~= ARGV[9 + i] then
    return redis.call('EXISTS', order) == 1 and placed_before() or {'changed'}
  end
end

-- Nearly every order fits in, so each write is tried rather than looked into beforehand, and what was written is taken
-- back where one does not fit. Nobody sees what is between. The event comes last, since a stream tells of what was taken
-- back.
if not redis.call('SET', order, ARGV[2], 'NX') then
  return placed_before()
end
local function take_back(lists)
  redis.call('DEL', order)
  for i = 2, 1 + lists do
    redis.call('ZREM', KEYS[i], ARGV[1])
  end
end
for i = 2, 4 do
  local added = redis.pcall('ZADD', KEYS[i], 0, ARGV[1])
  if type(added) == 'table' then
    take_back(i - 2)
    local fault = first_misfit({KEYS[i], 'zset'})
    return fault and {'corrupt', fault} or added
  end
end
local fault = append_event(stream, 'order-placed', ARGV[3], ARGV[4], ARGV[5])
if fault then
  take_back(3)
  return {'corrupt', fault}
end
if record then
  keep_answer(record, ARGV[6], ARGV[7], ARGV[8], ARGV[9])
end
return {'placed'}
