-- A page of a customer's orders that are in one status, newest first.
--
-- KEYS: 1 the customer's orders, 2 the orders of the status
-- ARGV: 1 where to begin (as ZRANGE BYLEX takes it), 2 orders on the page at most, 3 orders to look at at most
-- Changes nothing. Returns the cursor of the next page ('' for none) and the ids.

local limit, scanned_max = tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], '-', 'BYLEX', 'REV', 'LIMIT', 0, scanned_max + 1)
local scores = #ids > 0 and redis.call('ZMSCORE', KEYS[2], unpack(ids)) or {}
local reply = {''}
for i, id in ipairs(ids) do
  if i > scanned_max or #reply - 1 == limit then
    reply[1] = ids[i - 1]
    break
  end
  if scores[i] then
    reply[#reply + 1] = id
  end
end
return reply
