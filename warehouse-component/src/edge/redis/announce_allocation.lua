-- Tells of an order's outcome and returns again, with the ids that the events had.
-- KEYS: 1 the allocation, 2 its returns, 3 the stream order-fulfilled, 4 the stream refund-order,
--       5 the stream return-received
-- ARGV: 1 order id, 2 time
-- Returns {'announced', outcome, event id, id of each return...}, {'unknown'} or {'corrupt', what}.
-- Run again, it tells again, which changes nothing.

local fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'list', KEYS[3], 'stream', KEYS[4], 'stream', KEYS[5], 'stream'})
if fault then
  return {'corrupt', fault}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'unknown'}
end
local found = redis.call('HMGET', KEYS[1], 'outcome', 'lines', 'event_id', 'reason')
local outcome, lines, event_id, reason = unpack(found)
local is_fulfilled = outcome == 'fulfilled'
if not (outcome and lines and event_id and (is_fulfilled or reason)) then
  return {'corrupt', 'the key ' .. KEYS[1] .. ' lacks fields of an allocation'}
end

local order = '{"order_id":"' .. ARGV[1]
if is_fulfilled then
  fault = append_event(KEYS[3], 'order-fulfilled', event_id, ARGV[2], order .. '","lines":' .. lines .. '}')
else
  fault = append_event(KEYS[4], 'refund-order', event_id, ARGV[2],
    order .. '","reason":"' .. reason .. '","lines":' .. lines .. '}')
end
if fault then
  return {'corrupt', fault}
end
local reply = {'announced', outcome, event_id}
for _, entry in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local return_id, returned = string.match(entry, '^{"return_id":"([^"]*)".*"lines":(%[.*%])}$')
  if not return_id then
    return {'corrupt', 'an element of the key ' .. KEYS[2] .. ' is no return'}
  end
  fault = append_event(KEYS[5], 'return-received', return_id, ARGV[2],
    order .. '","return_id":"' .. return_id .. '","lines":' .. returned .. '}')
  if fault then
    return {'corrupt', fault}
  end
  reply[#reply + 1] = return_id
end
return reply
