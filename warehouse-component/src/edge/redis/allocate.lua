-- Takes the stock for a batch of orders, each whole or not at all, and tells of each outcome, in one step.
-- Its model is domain/allocate.rs.
--
-- KEYS: 1 the stream order-fulfilled, 2 the stream refund-order, 3 the list of low stock, then the orders' allocations,
--       then the products' stocks
-- ARGV: 1 time, 2 number of orders, then the products' ids; then for each order its id, the id of the event that
--       follows, its lines as JSON, the number of products that it needs and for each the product's number and the
--       units; then the number of its lines and for each its id and its product's number
-- Returns for each order '' (decided, now or before) or what is damaged.
-- An order that has an allocation keeps it: run again, this changes nothing and tells nothing.

local now, orders = ARGV[1], tonumber(ARGV[2])
local products = #KEYS - 3 - orders
local streams = {fulfilled = KEYS[1], refunded = KEYS[2]}
local low_stock = KEYS[3]
local low_stock_fault = first_misfit({low_stock, 'zset'})

-- All that is known of the products, read once; written back once where it changed.
local stocks = {}
for i = 1, products do
  local key = KEYS[3 + orders + i]
  local numbers, fault = whole_numbers(key, 'on_hand', 'sold', 'low_stock_at')
  local stock = numbers or {}
  stock.id, stock.key, stock.fault, stock.before = ARGV[2 + i], key, fault, stock.on_hand
  stocks[i] = stock
end

-- Arguments from `at` on: the needs, then the lines.
local function decide(allocation, order_id, event_id, lines, needs, at)
  local decided = redis.pcall('HGET', allocation, 'outcome')
  if type(decided) == 'table' and decided.err then
    return misfit(allocation, 'hash')
  end
  if decided then
    return ''
  end

  if low_stock_fault then
    return low_stock_fault
  end

  local unknown, short = false, false
  for need = 0, needs - 1 do
    local stock = stocks[tonumber(ARGV[at + 2 * need])]
    if stock.fault then
      return stock.fault
    end
    stock.need = tonumber(ARGV[at + 2 * need + 1])
    if not stock.on_hand then
      unknown = true
    elseif stock.need > stock.on_hand then
      short = true
    end
  end

  if not unknown and not short then
    local fault = append_event(streams.fulfilled, 'order-fulfilled', event_id, now,
      '{"order_id":"' .. order_id .. '","lines":' .. lines .. '}')
    if fault then
      return fault
    end
    for need = 0, needs - 1 do
      local stock = stocks[tonumber(ARGV[at + 2 * need])]
      stock.on_hand = stock.on_hand - stock.need
      stock.sold = stock.sold + stock.need
      stock.changed = true
    end
    redis.call('HSET', allocation, 'outcome', 'fulfilled', 'lines', lines, 'at', now, 'event_id', event_id)
    return ''
  end

  local reason = unknown and 'unknown_product' or 'insufficient_stock'
  local in_the_way = {}
  local first = at + 2 * needs + 1
  for line = 0, tonumber(ARGV[first - 1]) - 1 do
    local stock = stocks[tonumber(ARGV[first + 2 * line + 1])]
    if not stock.on_hand or stock.need > stock.on_hand then
      in_the_way[#in_the_way + 1] = '{"line_id":' .. ARGV[first + 2 * line] .. ',"product_id":"' .. stock.id
        .. '","requested":' .. integer(stock.need) .. ',"available":' .. integer(stock.on_hand or 0) .. '}'
    end
  end
  local short_lines = '[' .. table.concat(in_the_way, ',') .. ']'
  local fault = append_event(streams.refunded, 'refund-order', event_id, now,
    '{"order_id":"' .. order_id .. '","reason":"' .. reason .. '","lines":' .. short_lines .. '}')
  if fault then
    return fault
  end
  redis.call('HSET', allocation, 'outcome', 'refunded', 'reason', reason, 'lines', short_lines, 'at', now,
    'event_id', event_id)
  return ''
end

local reply = {}
local at = 3 + products
for i = 1, orders do
  local needs = tonumber(ARGV[at + 3])
  reply[i] = decide(KEYS[3 + i], ARGV[at], ARGV[at + 1], ARGV[at + 2], needs, at + 4)
  at = at + 4 + 2 * needs
  at = at + 1 + 2 * tonumber(ARGV[at])
end

for _, stock in ipairs(stocks) do
  if stock.changed then
    redis.call('HSET', stock.key, 'on_hand', integer(stock.on_hand), 'sold', integer(stock.sold))
    keep_low_stock(low_stock, stock.id, stock.before <= stock.low_stock_at, stock.on_hand <= stock.low_stock_at)
  end
end
return reply
