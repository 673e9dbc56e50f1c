-- Reads the same fields of many hashes in one step.
-- KEYS: the hashes. ARGV: the names of the fields.
-- Changes nothing. Returns for each key 1 (a hash), 0 (nothing) or -1 (no hash), followed by the fields' values.

local reply = {}
for _, key in ipairs(KEYS) do
  local values = redis.pcall('HMGET', key, unpack(ARGV))
  local state = 0
  if values.err then
    state, values = -1, {}
  end
  local at = #reply + 1
  reply[at] = state
  for i = 1, #ARGV do
    local value = values[i]
    if value then
      reply[at] = 1
    end
    reply[at + i] = value or false
  end
end
return reply
