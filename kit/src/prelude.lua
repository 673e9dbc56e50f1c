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

-- The words for a key that holds another type; nil when it fits or holds nothing.
local function misfit(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then
    return 'the key ' .. key .. ' holds a ' .. found .. ' where a ' .. wanted .. ' belongs'
  end
end

