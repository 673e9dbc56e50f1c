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

-- What orders share is looked at once, and the lists are changed once, for all of them.
local fitting = {}
local leaving, entering = {}, {}
-- Members that one command may have: Lua passes on no more than some thousands of values.
local members_max = 1000

local function fits(key, wanted)
  if not fitting[key] then
    fitting[key] = may_hold(key, wanted)
  end
  return fitting[key]
end

local function note(lists, key, id)
  lists[key] = lists[key] or {}
  table.insert(lists[key], id)
end

local function in_parts(ids, act)
  for from = 1, #ids, members_max do
    act(from, math.min(from + members_max - 1, #ids))
  end
end

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
  if not may_hold(history, 'list') then
    return 'corrupt ' .. misfit(history, 'list')
  end
  for _, list in ipairs({before, after}) do
    if not fits(list, 'zset') then
      return 'corrupt ' .. misfit(list, 'zset')
    end
  end
  if event_id ~= '' then
    if not fits(stream, 'stream') then
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
  note(leaving, before, id)
  note(entering, after, id)
  return 'committed'
end

local reply = {}
for i = 1, #KEYS, 5 do
  reply[#reply + 1] = commit(unpack(KEYS, i, i + 4))
end
for list, ids in pairs(leaving) do
  in_parts(ids, function(from, to)
    redis.call('ZREM', list, unpack(ids, from, to))
  end)
end
for list, ids in pairs(entering) do
  local members = {}
  for i, id in ipairs(ids) do
    members[2 * i - 1], members[2 * i] = 0, id
  end
  in_parts(ids, function(from, to)
    redis.call('ZADD', list, unpack(members, 2 * from - 1, 2 * to))
  end)
end
return reply
