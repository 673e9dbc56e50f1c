-- Looks again at keys where MGET found nothing: it says the same of a key that holds no text.
-- KEYS: the keys.
-- Changes nothing. Returns for each key its text, nil for nothing, or -1 when it holds something else.

local reply = {}
for i, key in ipairs(KEYS) do
  local text = redis.pcall('GET', key)
  if type(text) ~= 'table' then
    reply[i] = text
  elseif string.find(text.err, '^WRONGTYPE') then
    reply[i] = -1
  else
    return text
  end
end
return reply
