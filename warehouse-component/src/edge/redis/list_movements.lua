-- Reads a page of a product's movements, newest first.
-- KEYS: 1 the stock, 2 the movements. ARGV: 1 the highest number as ZRANGE takes it, 2 how many at the most.
-- Changes nothing. Returns {'page', movement, its number, ...}, {'unknown'} or {'corrupt', what}.

local fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'zset'})
if fault then
  return {'corrupt', fault}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'unknown'}
end
return {'page', unpack(redis.call('ZRANGE', KEYS[2], ARGV[1], '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2], 'WITHSCORES'))}
