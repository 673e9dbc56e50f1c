-- A page of a customer's orders that are in one state, newest first.
--
-- KEYS: 1 the customer's orders
-- ARGV: 1 the state, 2 where to begin (as ZRANGE BYLEX takes it), 3 orders on the page at the most, 4 orders to look at
--       at the most, 5 what an order's key begins with
-- Changes nothing. Returns {'ok', where the next page begins ('' for nowhere), ids...} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'zset'})
if fault then
  return {'corrupt', fault}
end
local limit, scanned_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids = redis.call('ZRANGE', KEYS[1], ARGV[2], '-', 'BYLEX', 'REV', 'LIMIT', 0, scanned_max + 1)
local reply = {'ok', ''}
for i, id in ipairs(ids) do
  if i > scanned_max or #reply - 2 == limit then
    reply[2] = ids[i - 1]
    break
  end
  if redis.pcall('HGET', ARGV[5] .. id, 'status') == ARGV[1] then
    reply[#reply + 1] = id
  end
end
return reply
