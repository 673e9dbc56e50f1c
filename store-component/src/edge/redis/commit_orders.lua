-- Commits what the domain has decided for orders: their texts, their place among the orders of a state, and the event
-- that follows, each order in one step and only if nobody has changed it since it was read.
-- What may be decided is the model in domain/order.rs, domain/cancel_order.rs and domain/refund_order.rs; nothing is
-- decided here.
--
-- KEYS: the orders, then the lists and streams, which an order names by their numbers among these
-- ARGV: 1 time, 2 number of orders, then for each order: its id, how its text began when it was read, its text from now
--       on, the number of the list of its state before, that of its state after, that of the stream for the event that
--       follows ('' for none), the event's id, its data
-- An order may come twice if its text stays as it is, for two events.
-- Returns for each order 'committed', 'changed' (since it was read) or 'corrupt <what>'.

must_be_allowed('MGET', 'MSET', 'TYPE', 'XADD', 'ZADD', 'ZREM')

local now, orders = ARGV[1], tonumber(ARGV[2])

-- What orders share is looked at once, and what is decided is written once, for all of them.
local fitting = {}
local texts, leaving, entering = {}, {}, {}

local function fits(key, wanted)
  if fitting[key] == nil then
    fitting[key] = may_hold(key, wanted)
  end
  return fitting[key]
end

local function note(lists, key, ...)
  lists[key] = lists[key] or {}
  for _, value in ipairs({...}) do
    table.insert(lists[key], value)
  end
end

-- Lua passes on no more than some thousands of values at a time.
local function in_parts(values, act)
  local values_max = 2000
  for from = 1, #values, values_max do
    act(unpack(values, from, math.min(from + values_max - 1, #values)))
  end
end

local found = redis.call('MGET', unpack(KEYS, 1, orders))

local function commit(i, id, beginning, text, before, after, stream, event_id, event_data)
  if not found[i] or string.sub(found[i], 1, #beginning) ~= beginning then
    return 'changed'
  end
  before, after = KEYS[orders + before], KEYS[orders + after]
  for _, list in ipairs({before, after}) do
    if not fits(list, 'zset') then
      return 'corrupt ' .. misfit(list, 'zset')
    end
  end
  if stream ~= '' then
    -- The one write that Redis may refuse comes first.
    stream = KEYS[orders + stream]
    local fault = append_event(stream, stream, event_id, now, event_data)
    if fault then
      return 'corrupt ' .. fault
    end
  end
  note(texts, 1, KEYS[i], text)
  if before ~= after then
    note(leaving, before, id)
    note(entering, after, 0, id)
  end
  return 'committed'
end

local reply = {}
for i = 1, orders do
  reply[i] = commit(i, unpack(ARGV, 8 * i - 5, 8 * i + 2))
end
in_parts(texts[1] or {}, function(...) redis.call('MSET', ...) end)
for list, ids in pairs(leaving) do
  in_parts(ids, function(...) redis.call('ZREM', list, ...) end)
end
for list, members in pairs(entering) do
  in_parts(members, function(...) redis.call('ZADD', list, ...) end)
end
return reply
