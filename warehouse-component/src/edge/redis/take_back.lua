-- Takes units of a fulfilled order back into the stock, and tells of it, in one step. Its model is domain/take_back.rs.
--
-- KEYS: 1 the allocation, 2 its returns, 3 the idempotency record, 4 the stream return-received, 5 the list of low stock,
--       then for each product its stock and its movements
-- ARGV: 1 the order's lines as JSON, as the request was checked against, 2 return id, which is also the event's id,
--       3 time, 4 event data, 5 the return as it is listed, 6 request, 7 answer, 8 how long to keep the record in ms,
--       9 how many units of a product there may be, 10 how many may ever come back, 11 how many movements are kept,
--       12 how many returns an order may have, 13 number of lines, then for each line its id, the units sold and the
--       units that come back; then for each product its id, its units that come back, and the movement as JSON, open at
--       its end for the units that are there afterwards
-- Returns {'taken', answer}; {'stored', location, answer} or {'key_reused'} for a used idempotency key; {'unknown'},
--         {'not_fulfilled'}, {'too_many', place and units left of each line...}, {'too_many_returns'},
--         {'stock_too_large', product id} or {'corrupt', what}.

local fault = first_misfit({
  KEYS[1], 'hash', KEYS[2], 'list', KEYS[3], 'hash', KEYS[4], 'stream', KEYS[5], 'zset',
})
if fault then
  return {'corrupt', fault}
end
local earlier = earlier_answer(KEYS[3], ARGV[6])
if earlier then
  return earlier
end
local found = redis.call('HMGET', KEYS[1], 'outcome', 'lines')
if not found[1] then
  return {'unknown'}
end
if found[1] ~= 'fulfilled' then
  return {'not_fulfilled'}
end
if found[2] ~= ARGV[1] then
  return {'corrupt', 'the lines of the key ' .. KEYS[1] .. ' changed, which they never do'}
end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[12]) then
  return {'too_many_returns'}
end

local too_many = {'too_many'}
local counters = {}
local at = 14
for i = 1, tonumber(ARGV[13]) do
  local field, sold, qty = 'returned:' .. ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local returned = whole_number(redis.call('HGET', KEYS[1], field) or '0')
  if not returned or returned > sold then
    return {'corrupt', 'the field ' .. field .. ' of the key ' .. KEYS[1] .. ' is no number of units sold'}
  end
  if returned + qty > sold then
    too_many[#too_many + 1] = integer(i - 1)
    too_many[#too_many + 1] = integer(sold - returned)
  end
  counters[2 * i - 1], counters[2 * i] = field, integer(returned + qty)
  at = at + 3
end
if #too_many > 1 then
  return too_many
end

local products = {}
for i = 1, (#KEYS - 5) / 2 do
  local key, movements = KEYS[4 + 2 * i], KEYS[5 + 2 * i]
  local stock
  stock, fault = whole_numbers(key, 'on_hand', 'returned', 'low_stock_at', 'movements')
  fault = fault or first_misfit({movements, 'zset'})
  if fault or not stock then
    return {'corrupt', fault or 'the key ' .. key .. ' is not there'}
  end
  local product = {id = ARGV[at], stock = stock, key = key, movements = movements, movement = ARGV[at + 2]}
  product.on_hand, product.returned = stock.on_hand + tonumber(ARGV[at + 1]), stock.returned + tonumber(ARGV[at + 1])
  if product.on_hand > tonumber(ARGV[9]) or product.returned > tonumber(ARGV[10]) then
    return {'stock_too_large', product.id}
  end
  products[i] = product
  at = at + 3
end

fault = append_event(KEYS[4], 'return-received', ARGV[2], ARGV[3], ARGV[4])
if fault then
  return {'corrupt', fault}
end
for _, product in ipairs(products) do
  local stock = product.stock
  local number = stock.movements + 1
  redis.call('HSET', product.key, 'on_hand', integer(product.on_hand), 'returned', integer(product.returned),
    'movements', integer(number))
  append_movement(product.movements, number, product.movement .. integer(product.on_hand) .. '}', tonumber(ARGV[11]))
  keep_low_stock(KEYS[5], product.id, stock.on_hand <= stock.low_stock_at, product.on_hand <= stock.low_stock_at)
end
redis.call('HSET', KEYS[1], unpack(counters))
redis.call('RPUSH', KEYS[2], ARGV[5])
keep_answer(KEYS[3], ARGV[6], '', ARGV[7], ARGV[8])
return {'taken', ARGV[7]}
