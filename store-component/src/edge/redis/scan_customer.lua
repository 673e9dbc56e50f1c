-- A page of a customer's orders that are in one state, newest first.
--
-- KEYS: 1 the customer's orders, 2 the orders of the state
-- ARGV: 1 where to begin (as ZRANGE BYLEX takes it), 2 orders on the page at the most, 3 orders to look at at the most
-- Changes nothing. Returns {'ok', where the next page begins ('' for nowhere), ids...} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'zset', KEYS[2], 'zset'})
if fault then
  return {'corrupt', fault}
end
local limit, scanned_max = tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], '-', 'BYLEX', 'REV', 'LIMIT', 0, scanned_max + 1)
local reply = {'ok', ''}
local places = #ids > 0 and redis.call('ZMSCORE', KEYS[2], unpack(ids)) or {}
for i, id in ipairs(ids) do
  if i > scanned_max or #reply - 2 == limit then
    reply[2] = ids[i - 1]
    break
  end
  if places[i] then
    reply[#reply + 1] = id
  end
end
return reply
