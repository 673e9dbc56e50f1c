-- Comes before every script.

-- Redis refuses a command that the user may not run only when its turn comes, and by then others are done. So a script
-- that writes names all of its commands first, and runs none unless it may run all. Each has keys, as here the first.
local function must_be_allowed(...)
  for _, command in ipairs({...}) do
    if not redis.acl_check_cmd(command, KEYS[1], KEYS[1], KEYS[1]) then
      error({err = 'NOPERM the user of this service may not run ' .. command
        .. ', which one of its scripts does: deploy/redis/users.acl has the rights that it needs'})
    end
  end
end

-- Whether the key holds a value of this type, or nothing.
local function may_hold(key, wanted)
  local found = redis.call('TYPE', key).ok
  return found == wanted or found == 'none'
end

-- The words for a key that holds something else.
local function misfit(key, wanted)
  return 'the key ' .. key .. ' holds a ' .. redis.call('TYPE', key).ok .. ' where a ' .. wanted .. ' belongs'
end

-- The first of the keys that holds something else than the type beside it, in words; nil when all fit.
-- Takes pairs: {key, type, key, type, ...}.
local function first_misfit(pairs_)
  for i = 1, #pairs_, 2 do
    if not may_hold(pairs_[i], pairs_[i + 1]) then
      return misfit(pairs_[i], pairs_[i + 1])
    end
  end
  return nil
end

-- An integer as text; Lua would write a large one with an exponent.
local function integer(number)
  return string.format('%.0f', number)
end

-- The whole number that a text is; nil when it is none, or has more digits than Lua keeps exact.
local function whole_number(text)
  if not text or #text > 15 or not string.find(text, '^%d+$') then
    return nil
  end
  return tonumber(text)
end

-- Fields of a hash that hold whole numbers, by name; nil when the key holds nothing; nil and what is wrong when it is
-- damaged.
local function whole_numbers(key, ...)
  local names = {...}
  local found = redis.pcall('HMGET', key, ...)
  if found.err then
    return nil, misfit(key, 'hash')
  end
  local numbers, faulty = {}, nil
  for i, name in ipairs(names) do
    numbers[name] = whole_number(found[i])
    if not numbers[name] then
      faulty = faulty or name
    end
  end
  if not faulty then
    return numbers
  end
  if redis.call('EXISTS', key) == 0 then
    return nil
  end
  return nil, 'the field ' .. faulty .. ' of the key ' .. key .. ' is no whole number'
end

-- A text without control characters as a JSON string.
local function quoted(text)
  return '"' .. string.gsub(text, '["\\]', '\\%0') .. '"'
end

-- Appends an event; nil, or why the stream does not take it: its ids are used up, or the key holds something else. So it
-- comes before what cannot be taken back.
local function append_event(stream, kind, event_id, now, data)
  local added = redis.pcall('XADD', stream, '*', 'id', event_id, 'type', kind, 'v', '1', 'time', now, 'data', data)
  if added.err then
    return 'the stream ' .. stream .. ' takes no event: ' .. added.err
  end
  return nil
end

-- Idempotency keys. A record holds a fingerprint of the request and the whole answer, written in the same step as the
-- effect. Answers {'stored', location, body} or {'key_reused'} for a key that was used before, and nil for a new one.
local function earlier_answer(key, request)
  local record = redis.call('HMGET', key, 'request', 'location', 'body')
  if not (record[1] and record[2] and record[3]) then
    -- A record that lacks something is nobody's.
    return redis.call('EXISTS', key) == 1 and {'key_reused'} or nil
  end
  if record[1] ~= redis.sha1hex(request) then
    return {'key_reused'}
  end
  return {'stored', record[2], record[3]}
end

local function keep_answer(key, request, location, body, ttl_ms)
  redis.call('HSET', key, 'request', redis.sha1hex(request), 'location', location, 'body', body)
  redis.call('PEXPIRE', key, ttl_ms)
end

