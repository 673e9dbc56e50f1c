-- Commits what the domain has decided for orders: their fields, their history, their place among the orders of a state,
-- and the event that follows, each order in one step and only if nobody has changed it since it was read.
-- What may be decided is the model in domain/order.rs, domain/cancel_order.rs and domain/refund_order.rs; nothing is
-- decided here.
--
-- KEYS: for each order: 1 the order, 2 its history, 3 the orders of its state before, 4 those of its state after,
--       5 the stream for the event that follows
-- ARGV: 1 time, then for each order: its id, the revision that was read, id of the event that follows ('' for none),
--       its type, its data, number of fields, each field's name and value, number of history entries, the entries
-- Returns for each order 'committed', 'changed' (since it was read) or 'corrupt <what>'.

local now = ARGV[1]
local at = 2

local function next_argument()
  at = at + 1
  return ARGV[at - 1]
end

local function next_arguments(count)
  local from = at
  at = at + count
  return unpack(ARGV, from, at - 1)
end

local function commit(order, history, before, after, stream)
  local id, rev = next_arguments(2)
  local event_id, event_type, event_data = next_arguments(3)
  local fields = {next_arguments(2 * tonumber(next_argument()))}
  local entries = {next_arguments(tonumber(next_argument()))}
  local known = redis.pcall('HGET', order, 'rev')
  if type(known) == 'table' and known.err then
    return 'corrupt ' .. misfit(order, 'hash')
  end
  if known ~= rev then
    return 'changed'
  end
  local fault = first_misfit({history, 'list', before, 'zset', after, 'zset'})
  if fault then
    return 'corrupt ' .. fault
  end
  if event_id ~= '' then
    if not may_hold(stream, 'stream') then
      return 'corrupt ' .. misfit(stream, 'stream')
    end
    -- The one write that Redis may refuse, when the stream's ids are used up, comes first.
    local added = redis.pcall('XADD', stream, '*',
      'id', event_id, 'type', event_type, 'v', '1', 'time', now, 'data', event_data)
    if added.err then
      return 'corrupt the stream ' .. stream .. ' takes no event: ' .. added.err
    end
  end
  redis.call('HSET', order, unpack(fields))
  if #entries > 0 then
    redis.call('RPUSH', history, unpack(entries))
  end
  redis.call('ZREM', before, id)
  redis.call('ZADD', after, 0, id)
  return 'committed'
end

local reply = {}
for i = 1, #KEYS, 5 do
  reply[#reply + 1] = commit(unpack(KEYS, i, i + 4))
end
return reply
