-- Takes pending entries over without touching their attempts.
--
-- Reads:   the pending entries list of the group, and the entries themselves, before anything is claimed: XCLAIM
--          silently drops what no longer exists.
-- Changes: each entry claimed becomes ARGV[2]'s, idle 0, its delivery counter as it was (at least 1).
-- Returns: per entry a list of its id, its delivery counter, and its fields; or instead of the fields its size and its
--          last values, shortened, if it is too large to be fetched: whether it is a replay stands there; or 'deleted', if it no longer exists, in which case it is left as it is.
--          Entries that have another owner or are not due are left out. Stops once it has gathered enough bytes.
--
-- KEYS[1]  the stream
-- ARGV     group, consumer, owner that the entry must have (or ''), idle ms that it must have, bytes to gather, bytes
--          that one entry may have, then the ids
local stream, group, consumer, owner = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local idle_min, bytes_max, entry_bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local result, bytes = {}, 0

local function too_large(size, values)
  local body = {size}
  for i = math.max(#values - 5, 1), #values do body[#body + 1] = values[i]:sub(1, 1024) end
  return body
end

for i = 7, #ARGV do
  if bytes >= bytes_max then break end
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if pending and (owner == '' or pending[2] == owner) and pending[3] >= idle_min then
    local attempt = math.max(pending[4], 1)
    local entry = redis.call('XRANGE', stream, id, id)[1]
    if not entry then
      result[#result + 1] = {id, attempt, 'deleted'}
    else
      redis.call('XCLAIM', stream, group, consumer, 0, id, 'IDLE', 0, 'RETRYCOUNT', attempt, 'JUSTID')
      local size = 0
      for _, text in ipairs(entry[2]) do size = size + #text end
      if size > entry_bytes_max then
        result[#result + 1] = {id, attempt, too_large(size, entry[2])}
      else
        bytes = bytes + size
        result[#result + 1] = {id, attempt, entry[2]}
      end
    end
  end
end
return result
