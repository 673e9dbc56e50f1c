-- Takes units of a fulfilled order back into the stock, and tells of it, in one step. That no more comes back than was
-- sold is decided before, by domain/take_back.rs; it stands if nothing else came back since.
--
-- KEYS: 1 the allocation, 2 its returns, 3 the idempotency record, 4 the stream return-received, 5 the list of low stock,
--       then for each product its stock and its movements
-- ARGV: 1 the allocation as it was read, 2 the number of returns that were read, 3 return id, which is also the event's
--       id, 4 time, 5 event data, 6 the return as it is listed, 7 request, 8 answer, 9 how long to keep the record in ms,
--       10 how many units of a product there may be, 11 how many may ever come back, 12 how many movements are kept;
--       then for each product its id, its units that come back, and the movement as JSON, open at its end for the units
--       that are there afterwards
-- Returns {'taken', answer}; {'stored', location, answer} or {'key_reused'} for a used idempotency key; {'changed'},
--         {'stock_too_large', product id} or {'corrupt', what}.

must_be_allowed('EXISTS', 'GET', 'HMGET', 'HSET', 'LLEN', 'PEXPIRE',
  'RPUSH', 'TYPE', 'XADD', 'ZADD', 'ZREM', 'ZREMRANGEBYSCORE')

local fault = first_misfit({
  KEYS[1], 'string', KEYS[2], 'list', KEYS[3], 'hash', KEYS[4], 'stream', KEYS[5], 'zset',
})
if fault then
  return {'corrupt', fault}
end
local earlier = earlier_answer(KEYS[3], ARGV[7])
if earlier then
  return earlier
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[2]) then
  return {'changed'}
end

local products = {}
for i = 1, (#KEYS - 5) / 2 do
  local key, movements, at = KEYS[4 + 2 * i], KEYS[5 + 2 * i], 10 + 3 * i
  local stock
  stock, fault = whole_numbers(key, 'on_hand', 'returned', 'low_stock_at', 'movements')
  fault = fault or first_misfit({movements, 'zset'})
  if fault or not stock then
    return {'corrupt', fault or 'the key ' .. key .. ' is not there'}
  end
  local product = {id = ARGV[at], stock = stock, key = key, movements = movements, movement = ARGV[at + 2]}
  product.on_hand, product.returned = stock.on_hand + tonumber(ARGV[at + 1]), stock.returned + tonumber(ARGV[at + 1])
  if product.on_hand > tonumber(ARGV[10]) or product.returned > tonumber(ARGV[11]) then
    return {'stock_too_large', product.id}
  end
  products[i] = product
end

fault = append_event(KEYS[4], 'return-received', ARGV[3], ARGV[4], ARGV[5])
if fault then
  return {'corrupt', fault}
end
for _, product in ipairs(products) do
  local stock = product.stock
  local number = stock.movements + 1
  redis.call('HSET', product.key, 'on_hand', integer(product.on_hand), 'returned', integer(product.returned),
    'movements', integer(number))
  append_movement(product.movements, number, product.movement .. integer(product.on_hand) .. '}', tonumber(ARGV[12]))
  keep_low_stock(KEYS[5], product.id, stock.on_hand <= stock.low_stock_at, product.on_hand <= stock.low_stock_at)
end
redis.call('RPUSH', KEYS[2], ARGV[6])
keep_answer(KEYS[3], ARGV[7], '', ARGV[8], ARGV[9])
return {'taken', ARGV[8]}
