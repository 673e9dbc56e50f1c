-- Reads the same fields of many hashes in one step.
-- KEYS: the hashes. ARGV: the names of the fields.
-- Changes nothing. Returns for each key a list of the fields' values, or of -1 for each when it holds no hash.

local no_hash = {}
for i = 1, #ARGV do
  no_hash[i] = -1
end
local reply = {}
for i, key in ipairs(KEYS) do
  local values = redis.pcall('HMGET', key, unpack(ARGV))
  if values.err and not string.find(values.err, '^WRONGTYPE') then
    return values
  end
  reply[i] = values.err and no_hash or values
end
return reply
