-- Comes before every script.

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

-- Idempotency keys. A record holds a fingerprint of the request and the whole answer, written in the same step as the
-- effect. Answers {'stored', location, body} or {'key_reused'} for a key that was used before, and nil for a new one.
local function earlier_answer(key, request)
  local record = redis.call('HMGET', key, 'request', 'location', 'body')
  if not record[1] then
    return nil
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

