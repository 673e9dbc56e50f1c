-- A page of dead letters, newest first.
-- KEYS: the stream of dead letters. ARGV: where to begin, as XREVRANGE takes it; how many at most; how many bytes they
-- may have before the page ends; how many fields of each, and how many bytes of each name and value, are answered.
-- Changes nothing. Returns {'corrupt', what}, or 'read', 1 if there are more, and for each letter its id, 1 if it was
-- cut, and how many names and values follow.

local misfit_ = first_misfit({KEYS[1], 'stream'})
if misfit_ then
  return {'corrupt', misfit_}
end

local from, letters_max, page_bytes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local fields_max, text_bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local reply, letters, bytes = {'read', 0}, 0, 0
while true do
  local letter = redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', 1)[1]
  if not letter then
    break
  end
  if letters == letters_max or bytes >= page_bytes_max then
    reply[2] = 1
    break
  end
  from = '(' .. letter[1]
  local values = letter[2]
  local count = math.min(#values, 2 * fields_max)
  local at = #reply
  reply[at + 1] = letter[1]
  reply[at + 2] = count < #values and 1 or 0
  reply[at + 3] = count
  for i = 1, count do
    local text = values[i]
    if #text > text_bytes_max then
      text = string.sub(text, 1, text_bytes_max)
      reply[at + 2] = 1
    end
    bytes = bytes + #text
    reply[at + 3 + i] = text
  end
  letters = letters + 1
end
return reply
