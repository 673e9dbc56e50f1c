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

