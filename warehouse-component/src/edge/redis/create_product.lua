-- Creates a product with its stock, and tells of it, in one step.
-- What may be created is in domain/create_product.rs; here is only the commit.
--
-- KEYS: 1 the product, 2 its stock, 3 its movements, 4 the list of products, 5 the list of low stock,
--       6 the stream product-changed
-- ARGV: 1 product id, 2 units of the first supply, 3 the movement of the first supply ('' for none),
--       4 at how many units the stock is low, 5 event id, 6 time, 7 event data, 8... the product's fields and values
-- Returns {'created'}, {'exists'} or {'corrupt', what}. Run again with the same event id, it changes nothing.

must_be_allowed('EXISTS', 'HGET', 'HSET', 'TYPE', 'XADD', 'ZADD', 'ZREM', 'ZREMRANGEBYSCORE')

local fault = first_misfit({
  KEYS[1], 'hash', KEYS[2], 'hash', KEYS[3], 'zset', KEYS[4], 'zset', KEYS[5], 'zset', KEYS[6], 'stream',
})
if fault then
  return {'corrupt', fault}
end
local created_by = redis.call('HGET', KEYS[1], 'created_by')
if created_by then
  return {created_by == ARGV[5] and 'created' or 'exists'}
end
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) > 0 then
  return {'corrupt', 'the keys ' .. KEYS[1] .. ', ' .. KEYS[2] .. ' and ' .. KEYS[3] .. ' are not all there'}
end

fault = append_event(KEYS[6], 'product-changed', ARGV[5], ARGV[6], ARGV[7])
if fault then
  return {'corrupt', fault}
end
local movements = ARGV[3] == '' and 0 or 1
redis.call('HSET', KEYS[1], 'created_by', ARGV[5], 'changed_by', ARGV[5], unpack(ARGV, 8))
redis.call('HSET', KEYS[2], 'on_hand', ARGV[2], 'supplied', ARGV[2], 'sold', '0', 'returned', '0', 'written_off', '0',
  'low_stock_at', ARGV[4], 'movements', integer(movements))
if movements == 1 then
  append_movement(KEYS[3], 1, ARGV[3], 1)
end
redis.call('ZADD', KEYS[4], 0, ARGV[1])
keep_low_stock(KEYS[5], ARGV[1], false, tonumber(ARGV[2]) <= tonumber(ARGV[4]))
return {'created'}
