-- Removes orders with their history and their places in the lists, each if nobody has changed it since it was read.
-- Which orders may leave is the model in domain/archive_orders.rs; nothing is decided here.
--
-- KEYS: for each order: 1 the order, 2 its history, 3 all orders, 4 the orders of its state, 5 those of its customer
-- ARGV: for each order: its id, the revision that was read
-- Returns for each order 'removed', 'changed' or 'corrupt <what>'.

local function remove(id, rev, order, history, ...)
  local lists = {...}
  local fault = first_misfit({order, 'hash', history, 'list', lists[1], 'zset', lists[2], 'zset', lists[3], 'zset'})
  if fault then
    return 'corrupt ' .. fault
  end
  if redis.call('HGET', order, 'rev') ~= rev then
    return 'changed'
  end
  redis.call('DEL', order, history)
  for _, list in ipairs(lists) do
    redis.call('ZREM', list, id)
  end
  return 'removed'
end

local reply = {}
for i = 1, #ARGV / 2 do
  reply[i] = remove(ARGV[2 * i - 1], ARGV[2 * i], unpack(KEYS, 5 * i - 4, 5 * i))
end
return reply
