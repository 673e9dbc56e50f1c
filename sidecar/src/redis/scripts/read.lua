-- Reads new entries, as many as fit: XREADGROUP itself knows no limit in bytes.
--
-- Reads:   the stream, behind what the group was last given.
-- Changes: the entries become pending on the consumer.
-- Returns: per entry a list of its id, and its fields; or instead of the fields its size and its last values, shortened,
--          if it is too large to be fetched: whether it is a replay stands there. Stops once it has gathered enough bytes.
--
-- KEYS[1]  the stream
-- ARGV     group, consumer, entries to gather, bytes to gather, bytes that one entry may have
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local count_max, bytes_max, entry_bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
-- Entries per look at the bytes gathered so far: it may be exceeded by so many.
local page_max = 16
local result, bytes = {}, 0

local function too_large(size, values)
  local body = {size}
  for i = math.max(#values - 5, 1), #values do body[#body + 1] = values[i]:sub(1, 1024) end
  return body
end

while #result < count_max and bytes < bytes_max do
  local asked = math.min(page_max, count_max - #result)
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', asked, 'STREAMS', stream, '>')
  if not reply then break end
  local page = reply[1][2]
  for _, entry in ipairs(page) do
    local size = 0
    for _, text in ipairs(entry[2]) do size = size + #text end
    if size > entry_bytes_max then
      result[#result + 1] = {entry[1], too_large(size, entry[2])}
    else
      bytes = bytes + size
      result[#result + 1] = entry
    end
  end
  if #page < asked then break end
end
return result
