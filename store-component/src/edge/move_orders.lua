-- Moves orders from one state to another, with their history and the events that follow, in one step.
-- The transition table is domain/order.rs (Status::on); it arrives here as arguments.
--
-- KEYS: 1 the stream for the events that follow, then for each item the order and its history
-- ARGV: 1 time, 2 number of causes, then for each cause: its name, the number of its effects, and for each effect the
--       state and what follows from it: a state to move to, or '' for nothing; states not listed contradict the cause;
--       then for each item: number of its cause, id of the event that caused it (JSON text), reason ('' for none),
--       id of the event that follows ('' for none), its data
-- Returns for each item 'moved', 'nothing', 'unknown', 'contradiction <state>' or 'corrupt <what>'.

local now = ARGV[1]
local causes = {}
local at = 3
for i = 1, tonumber(ARGV[2]) do
  local effects = {}
  local count = tonumber(ARGV[at + 1])
  for j = 0, count - 1 do
    effects[ARGV[at + 2 + 2 * j]] = ARGV[at + 3 + 2 * j]
  end
  causes[i] = {name = ARGV[at], effects = effects}
  at = at + 2 + 2 * count
end

local follows = KEYS[1]
local follows_type = redis.call('TYPE', follows).ok

local function move(order, history, cause, caused_by, reason, event_id, event_data)
  local found = redis.pcall('HMGET', order, 'status', 'rev')
  if found.err then
    return 'corrupt ' .. misfit(order, 'hash')
  end
  local status = found[1]
  if not status then
    return 'unknown'
  end
  local to = cause.effects[status]
  if not to then
    return 'contradiction ' .. status
  end
  if to == '' then
    return 'nothing'
  end
  local rev = tonumber(found[2])
  if not rev then
    return 'corrupt the field rev of the key ' .. order .. ' is no number'
  end
  if not may_hold(history, 'list') then
    return 'corrupt ' .. misfit(history, 'list')
  end
  if event_id ~= '' then
    if follows_type ~= 'stream' and follows_type ~= 'none' then
      return 'corrupt ' .. misfit(follows, 'stream')
    end
    -- The one write that Redis may refuse, when the stream's ids are used up, comes first.
    local added = redis.pcall('XADD', follows, '*',
      'id', event_id, 'type', 'order-completed', 'v', '1', 'time', now, 'data', event_data)
    if added.err then
      return 'corrupt the stream ' .. follows .. ' takes no event: ' .. added.err
    end
  end
  if reason == '' then
    redis.call('HSET', order, 'status', to, 'rev', integer(rev + 1), 'updated_at', now)
  else
    redis.call('HSET', order, 'status', to, 'rev', integer(rev + 1), 'updated_at', now, 'reason', reason)
  end
  redis.call('RPUSH', history, '{"at":"' .. now .. '","from":"' .. status .. '","to":"' .. to
    .. '","cause":"' .. cause.name .. '","event_id":' .. caused_by .. '}')
  return 'moved'
end

local reply = {}
for i = 1, (#KEYS - 1) / 2 do
  reply[i] = move(KEYS[2 * i], KEYS[2 * i + 1],
    causes[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
  at = at + 5
end
return reply
