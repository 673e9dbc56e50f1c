-- Reads a page of a list of ids, in their order.
-- KEYS: 1 the list. ARGV: 1 the first id as ZRANGE takes it, 2 how many at the most. Changes nothing.
-- Returns {'page', id...} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'zset'})
if fault then
  return {'corrupt', fault}
end
return {'page', unpack(redis.call('ZRANGE', KEYS[1], ARGV[1], '+', 'BYLEX', 'LIMIT', 0, ARGV[2]))}
