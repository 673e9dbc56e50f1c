-- Changes a product's own fields, and tells of it, in one step. Its model is domain/change_product.rs.
--
-- KEYS: 1 the product, 2 its stock, 3 the list of low stock, 4 the stream product-changed
-- ARGV: 1 product id, 2 event id, 3 time, 4 the revisions that may be changed, as ',3,7,', or '*' for any,
--       then what is wanted, '' for as it is: 5 name, 6 price in minor units, 7 '1' on sale or '0' not,
--       8 at how many units the stock is low
-- Returns {'ok'} followed by the product as it is now: sku, name, price_minor, currency, active, low_stock_at, rev,
--         on_hand, supplied, sold, returned, written_off; {'unknown'}, {'stale', rev} or {'corrupt', what}.
-- Run again with the same event id, it changes nothing.

must_be_allowed('EXISTS', 'HMGET', 'HSET', 'TYPE', 'XADD', 'ZADD', 'ZREM')

local fault = first_misfit({KEYS[1], 'hash', KEYS[2], 'hash', KEYS[3], 'zset', KEYS[4], 'stream'})
if fault then
  return {'corrupt', fault}
end
local own = redis.call('HMGET', KEYS[1], 'sku', 'name', 'price_minor', 'currency', 'active', 'rev', 'changed_by')
local stock
stock, fault = whole_numbers(KEYS[2], 'on_hand', 'supplied', 'sold', 'returned', 'written_off', 'low_stock_at')
if not own[1] and not stock and not fault then
  return {'unknown'}
end
local sku, name, price, currency, active, rev = own[1], own[2], own[3], own[4], own[5], whole_number(own[6])
if fault or not (stock and sku and name and price and currency and active and rev) then
  return {'corrupt', fault or 'the keys ' .. KEYS[1] .. ' and ' .. KEYS[2] .. ' are not both a whole product'}
end
local is_repeat = own[7] == ARGV[2]
if not is_repeat and ARGV[4] ~= '*' and not string.find(ARGV[4], ',' .. integer(rev) .. ',', 1, true) then
  return {'stale', integer(rev)}
end

local function wanted(argument, present)
  return argument ~= '' and argument or present
end
local new_name, new_price, new_active = wanted(ARGV[5], name), wanted(ARGV[6], price), wanted(ARGV[7], active)
local new_low = tonumber(wanted(ARGV[8], integer(stock.low_stock_at)))
local is_seen = new_name ~= name or new_price ~= price or new_active ~= active
if not is_repeat and (is_seen or new_low ~= stock.low_stock_at) then
  local new_rev = integer(rev + 1)
  if is_seen then
    fault = append_event(KEYS[4], 'product-changed', ARGV[2], ARGV[3], '{"product_id":"' .. ARGV[1] .. '","rev":'
      .. new_rev .. ',"name":' .. quoted(new_name) .. ',"price_minor":' .. new_price .. ',"currency":"' .. currency
      .. '","active":' .. (new_active == '1' and 'true' or 'false') .. '}')
    if fault then
      return {'corrupt', fault}
    end
  end
  redis.call('HSET', KEYS[1], 'name', new_name, 'price_minor', new_price, 'active', new_active, 'rev', new_rev,
    'changed_by', ARGV[2])
  redis.call('HSET', KEYS[2], 'low_stock_at', integer(new_low))
  keep_low_stock(KEYS[3], ARGV[1], stock.on_hand <= stock.low_stock_at, stock.on_hand <= new_low)
  name, price, active, rev, stock.low_stock_at = new_name, new_price, new_active, rev + 1, new_low
end
return {'ok', sku, name, price, currency, active, integer(stock.low_stock_at), integer(rev), integer(stock.on_hand),
  integer(stock.supplied), integer(stock.sold), integer(stock.returned), integer(stock.written_off)}
