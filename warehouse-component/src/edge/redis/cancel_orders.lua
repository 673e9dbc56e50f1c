-- Cancels a batch of orders for which nothing is decided yet, and tells of it, in one step.
-- Its model is domain/cancel.rs.
--
-- KEYS: 1 the stream refund-order, then the orders' allocations
-- ARGV: 1 time, then for each order its id and the id of the event that follows
-- Returns for each order '' (decided, now or before) or what is damaged.
-- An order that has an allocation keeps it, so whichever comes first, stands: this, or allocate.lua.

local now = ARGV[1]

local function cancel(allocation, order_id, event_id)
  local decided = redis.pcall('HGET', allocation, 'outcome')
  if type(decided) == 'table' and decided.err then
    return misfit(allocation, 'hash')
  end
  if decided then
    return ''
  end
  local fault = append_event(KEYS[1], 'refund-order', event_id, now,
    '{"order_id":"' .. order_id .. '","reason":"customer_cancelled","lines":[]}')
  if fault then
    return fault
  end
  redis.call('HSET', allocation, 'outcome', 'refunded', 'reason', 'customer_cancelled', 'lines', '[]', 'at', now,
    'event_id', event_id)
  return ''
end

local reply = {}
for i = 1, #KEYS - 1 do
  reply[i] = cancel(KEYS[i + 1], ARGV[2 * i], ARGV[2 * i + 1])
end
return reply
