-- Remembers how often the payment provider was not reached for orders that still wait for it.
--
-- KEYS: the orders. ARGV: for each the number of failures, this one included.
-- Returns nothing of use. Run again with the same numbers, it changes nothing.

for i, order in ipairs(KEYS) do
  local status = redis.pcall('HGET', order, 'status')
  if status == 'pending' then
    redis.call('HSET', order, 'payment_failures', ARGV[i])
  end
end
return {}
