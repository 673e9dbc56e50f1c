-- Removes allocations with their returns, each if it is as it was read, and nothing of it came back since.
-- Which allocations may leave is the model in domain/archive.rs; nothing is decided here.
--
-- KEYS: for each order: 1 the allocation, 2 its returns
-- ARGV: for each order: the allocation as it was read, the number of returns that was read
-- Returns for each order 'removed', 'changed' or 'corrupt <what>'.

must_be_allowed('DEL', 'GET', 'LLEN', 'TYPE')

-- One that is gone counts as removed.
local function is_as_read(allocation, text, returns, count)
  local found = redis.call('GET', allocation)
  return not found or found == text and redis.call('LLEN', returns) == tonumber(count)
end

local reply = {}
for i = 1, #ARGV / 2 do
  local allocation, returns = KEYS[2 * i - 1], KEYS[2 * i]
  local fault = first_misfit({allocation, 'string', returns, 'list'})
  if fault then
    reply[i] = 'corrupt ' .. fault
  elseif not is_as_read(allocation, ARGV[2 * i - 1], returns, ARGV[2 * i]) then
    reply[i] = 'changed'
  else
    redis.call('DEL', allocation, returns)
    reply[i] = 'removed'
  end
end
return reply
