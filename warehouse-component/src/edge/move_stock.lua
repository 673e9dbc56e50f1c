-- Moves stock by hand, in one step with the record of it. Its model is domain/move_stock.rs.
--
-- KEYS: 1 the stock, 2 the movements, 3 the idempotency record
-- ARGV: 1 'supply' or 'write_off', 2 units, 3 how many units there may be at the most,
--       4 the movement as JSON, open at its end for the units that are there afterwards,
--       5 request, 6 how long to keep the record in ms
-- Returns {'moved', movement}; {'stored', location, movement} or {'key_reused'} for a used idempotency key;
--         {'unknown'}, {'insufficient', units}, {'too_much'} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'list', KEYS[3], 'hash'})
if fault then
  return {'corrupt', fault}
end
local earlier = earlier_answer(KEYS[3], ARGV[5])
if earlier then
  return earlier
end
local counter = ARGV[1] == 'supply' and 'supplied' or 'written_off'
local found = redis.call('HMGET', KEYS[1], 'on_hand', counter)
if not found[1] then
  return {'unknown'}
end
local on_hand, counted, qty = tonumber(found[1]), tonumber(found[2]), tonumber(ARGV[2])
if not on_hand or not counted then
  return {'corrupt', 'a field of the key ' .. KEYS[1] .. ' is no number'}
end
local after = ARGV[1] == 'supply' and on_hand + qty or on_hand - qty
if after < 0 then
  return {'insufficient', integer(on_hand)}
end
if after > tonumber(ARGV[3]) then
  return {'too_much'}
end

local movement = ARGV[4] .. integer(after) .. '}'
redis.call('HSET', KEYS[1], 'on_hand', integer(after), counter, integer(counted + qty))
redis.call('RPUSH', KEYS[2], movement)
keep_answer(KEYS[3], ARGV[5], '', movement, ARGV[6])
return {'moved', movement}
