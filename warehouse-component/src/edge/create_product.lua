-- Creates a product with its stock, and tells of it, in one step.
-- What may be created is in domain/create_product.rs; here is only the commit.
--
-- KEYS: 1 the product, 2 its stock, 3 its movements, 4 the list of products, 5 the stream product-changed
-- ARGV: 1 product id, 2 units of the first supply, 3 the movement of the first supply ('' for none),
--       4 event id, 5 time, 6 event data, 7... the product's fields and values
-- Returns {'created'}, {'exists'} or {'corrupt', what}. Run again with the same event id, it changes nothing.

local fault = first_misfit({
  KEYS[1], 'hash', KEYS[2], 'hash', KEYS[3], 'list', KEYS[4], 'zset', KEYS[5], 'stream',
})
if fault then
  return {'corrupt', fault}
end
local created_by = redis.call('HGET', KEYS[1], 'created_by')
if created_by then
  return {created_by == ARGV[4] and 'created' or 'exists'}
end
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  return {'corrupt', 'the keys ' .. KEYS[1] .. ' and ' .. KEYS[2] .. ' are not both there'}
end

-- The one write that Redis may refuse, when the stream's ids are used up, comes first.
local added = redis.pcall('XADD', KEYS[5], '*',
  'id', ARGV[4], 'type', 'product-changed', 'v', '1', 'time', ARGV[5], 'data', ARGV[6])
if added.err then
  return {'corrupt', 'the stream ' .. KEYS[5] .. ' takes no event: ' .. added.err}
end
redis.call('HSET', KEYS[1], 'created_by', ARGV[4], unpack(ARGV, 7))
redis.call('HSET', KEYS[2], 'on_hand', ARGV[2], 'supplied', ARGV[2], 'sold', '0', 'returned', '0', 'written_off', '0')
if ARGV[3] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[3])
end
redis.call('ZADD', KEYS[4], 0, ARGV[1])
return {'created'}
