-- A page of dead letters, newest first.
--
-- KEYS[1]  the stream of dead letters
-- ARGV     the id to begin at, as XREVRANGE takes it; letters at most; bytes behind which the page ends; of each letter
--          fields at most; bytes at most of each name and value
-- Returns  a JSON object, a DeadLetterPage (dead_letters.rs).

local from, letters_max, page_bytes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local fields_max, text_bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local letters, bytes, more = {}, 0, false

local function letter_of(id, values)
  local letter = {entry = id, truncated = #values > 2 * fields_max, fields = {}}
  local function shortened(text)
    if #text > text_bytes_max then
      letter.truncated = true
      text = text:sub(1, text_bytes_max)
    end
    bytes = bytes + #text
    return text
  end
  for i = 1, math.min(#values, 2 * fields_max), 2 do
    letter.fields[#letter.fields + 1] = {shortened(values[i]), shortened(values[i + 1])}
  end
  return letter
end

while true do
  local entry = redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', 1)[1]
  if not entry then
    break
  end
  if #letters == letters_max or bytes >= page_bytes_max then
    more = true
    break
  end
  from = '(' .. entry[1]
  letters[#letters + 1] = letter_of(entry[1], entry[2])
end
-- An empty table would become an object: without letters there is no field of that name.
return cjson.encode({more = more, letters = #letters > 0 and letters or nil})
