-- Takes over what the warehouse says of its products, unless something newer is known.
--
-- KEYS: 1 the list of products, then the products
-- ARGV: for each product its id, its revision, its text, which begins with the revision
-- Returns for each product 'learned', 'nothing' or 'corrupt <what>'.

must_be_allowed('GET', 'SET', 'TYPE', 'ZADD')

local list = KEYS[1]
local list_fits = may_hold(list, 'zset')

local function learn(key, id, rev, text)
  local known = redis.pcall('GET', key)
  if type(known) == 'table' then
    return 'corrupt ' .. misfit(key, 'string')
  end
  if known then
    local known_rev = whole_number(string.match(known, '^{"rev":(%d+),'))
    if not known_rev then
      return 'corrupt the text of the key ' .. key .. ' does not begin with a revision'
    end
    -- A warehouse that was restored from a backup gives a revision a second time: what it says last is so.
    if known_rev > tonumber(rev) or known == text then
      return 'nothing'
    end
  end
  if not list_fits then
    return 'corrupt ' .. misfit(list, 'zset')
  end
  redis.call('SET', key, text)
  redis.call('ZADD', list, 0, id)
  return 'learned'
end

local reply = {}
for i = 1, #KEYS - 1 do
  reply[i] = learn(KEYS[i + 1], unpack(ARGV, 3 * i - 2, 3 * i))
end
return reply
