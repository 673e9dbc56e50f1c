-- Removes orders with their places in the lists, each if nobody has changed it since it was read.
-- Which orders may leave is the model in domain/archive_orders.rs; nothing is decided here.
--
-- KEYS: for each order: 1 the order, 2 all orders, 3 the orders of its state, 4 those of its customer
-- ARGV: for each order: its id, how its text began when it was read
-- Returns for each order 'removed', 'changed' or 'corrupt <what>'.

must_be_allowed('DEL', 'GET', 'TYPE', 'ZREM')

local function remove(id, beginning, order, ...)
  local lists = {...}
  local fault = first_misfit({order, 'string', lists[1], 'zset', lists[2], 'zset', lists[3], 'zset'})
  if fault then
    return 'corrupt ' .. fault
  end
  local text = redis.call('GET', order)
  if not text or string.sub(text, 1, #beginning) ~= beginning then
    return 'changed'
  end
  redis.call('DEL', order)
  for _, list in ipairs(lists) do
    redis.call('ZREM', list, id)
  end
  return 'removed'
end

local reply = {}
for i = 1, #ARGV / 2 do
  reply[i] = remove(ARGV[2 * i - 1], ARGV[2 * i], unpack(KEYS, 4 * i - 3, 4 * i))
end
return reply
