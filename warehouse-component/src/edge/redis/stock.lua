-- Comes before every script of the warehouse that changes stock.

-- Keeps the list of low stock right when a product's units or its limit change.
local function keep_low_stock(list, product_id, was_low, is_low)
  if is_low and not was_low then
    redis.call('ZADD', list, 0, product_id)
  elseif was_low and not is_low then
    redis.call('ZREM', list, product_id)
  end
end

-- Appends the movement of this number, and drops what is older than the newest `kept`.
local function append_movement(movements, number, movement, kept)
  redis.call('ZADD', movements, integer(number), movement)
  if number > kept then
    redis.call('ZREMRANGEBYSCORE', movements, '-inf', integer(number - kept))
  end
end
