-- Takes over what the warehouse says of its products, unless something newer is known.
--
-- KEYS: 1 the list of products, then the products
-- ARGV: for each product its id, rev, name, price in minor units, currency, active (1 or 0)
-- Returns for each product 'learned', 'nothing' or 'corrupt <what>'.

local list = KEYS[1]
local list_fits = may_hold(list, 'zset')

local function learn(key, id, rev, name, price_minor, currency, active)
  local known = redis.pcall('HGET', key, 'rev')
  if type(known) == 'table' and known.err then
    return 'corrupt ' .. misfit(key, 'hash')
  end
  if known and not tonumber(known) then
    return 'corrupt the field rev of the key ' .. key .. ' is no number'
  end
  if known and tonumber(known) >= tonumber(rev) then
    return 'nothing'
  end
  if not list_fits then
    return 'corrupt ' .. misfit(list, 'zset')
  end
  redis.call('HSET', key, 'rev', rev, 'name', name, 'price_minor', price_minor, 'currency', currency, 'active', active)
  redis.call('ZADD', list, 0, id)
  return 'learned'
end

local reply = {}
for i = 1, #KEYS - 1 do
  reply[i] = learn(KEYS[i + 1], unpack(ARGV, 6 * i - 5, 6 * i))
end
return reply
