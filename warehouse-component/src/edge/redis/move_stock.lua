-- Moves stock by hand, in one step with the record of it. Its model is domain/move_stock.rs.
--
-- KEYS: 1 the stock, 2 the movements, 3 the list of low stock, 4 the idempotency record
-- ARGV: 1 product id, 2 'supply' or 'write_off', 3 units, 4 how many units there may be at the most,
--       5 how many units may ever be supplied, 6 how many movements are kept,
--       7 the movement as JSON, open at its end for the units that are there afterwards,
--       8 request, 9 how long to keep the record in ms
-- Returns {'moved', movement}; {'stored', location, movement} or {'key_reused'} for a used idempotency key;
--         {'unknown'}, {'insufficient', units}, {'too_much'} or {'corrupt', what}.

must_be_allowed('EXISTS', 'HMGET', 'HSET', 'PEXPIRE', 'TYPE', 'ZADD', 'ZREM', 'ZREMRANGEBYSCORE')

local fault = first_misfit({KEYS[2], 'zset', KEYS[3], 'zset', KEYS[4], 'hash'})
if fault then
  return {'corrupt', fault}
end
local earlier = earlier_answer(KEYS[4], ARGV[8])
if earlier then
  return earlier
end
local counter = ARGV[2] == 'supply' and 'supplied' or 'written_off'
local stock
stock, fault = whole_numbers(KEYS[1], 'on_hand', counter, 'low_stock_at', 'movements')
if not stock then
  return fault and {'corrupt', fault} or {'unknown'}
end
local qty = tonumber(ARGV[3])
local counted = stock[counter] + qty
local after = counter == 'supplied' and stock.on_hand + qty or stock.on_hand - qty
if after < 0 then
  return {'insufficient', integer(stock.on_hand)}
end
if counter == 'supplied' and (after > tonumber(ARGV[4]) or counted > tonumber(ARGV[5])) then
  return {'too_much'}
end

local movement = ARGV[7] .. integer(after) .. '}'
local number = stock.movements + 1
redis.call('HSET', KEYS[1], 'on_hand', integer(after), counter, integer(counted), 'movements', integer(number))
append_movement(KEYS[2], number, movement, tonumber(ARGV[6]))
keep_low_stock(KEYS[3], ARGV[1], stock.on_hand <= stock.low_stock_at, after <= stock.low_stock_at)
keep_answer(KEYS[4], ARGV[8], '', movement, ARGV[9])
return {'moved', movement}
