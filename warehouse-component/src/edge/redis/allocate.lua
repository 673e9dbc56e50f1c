-- Takes the stock for a batch of orders, each whole or not at all, and tells of each outcome, in one step.
-- Its model is domain/allocate.rs.
--
-- KEYS: 1 the stream order-fulfilled, 2 the stream refund-order, 3 the list of low stock, then the orders' allocations,
--       then the products' stocks
-- ARGV: 1 time, 2 number of orders, then the products' ids; then for each order its id, the id of the event that
--       follows, its lines as JSON, the number of products that it needs, and for each of them its id and the units
-- Returns {number, what is damaged, ...} of the orders that could not be decided, numbered from 1; all others are, now
-- or before.
-- An order that has an allocation keeps it: run again, this changes nothing and tells nothing.

must_be_allowed('EXISTS', 'HMGET', 'HSET', 'MGET', 'MSET', 'TYPE', 'XADD', 'ZADD', 'ZREM')

local ARGV, KEYS = ARGV, KEYS
local now, orders = ARGV[1], tonumber(ARGV[2])
local products = #KEYS - 3 - orders
local order_fulfilled, refund_order, low_stock = KEYS[1], KEYS[2], KEYS[3]
local low_stock_fault = first_misfit({low_stock, 'zset'})
local outcomes = known_outcomes(4, 3 + orders)

-- All that is known of the products, by id, read once; written back once where it changed.
local stocks = {}
for i = 1, products do
  local key = KEYS[3 + orders + i]
  local numbers, fault = whole_numbers(key, 'on_hand', 'sold', 'low_stock_at')
  local stock = numbers or {}
  stock.key, stock.fault, stock.before = key, fault, stock.on_hand
  stocks[ARGV[2 + i]] = stock
end

-- The lines of an order that stand in the way, as JSON. The lines are as the component has written them, and no id has a
-- quote in it.
local function short_lines(lines)
  local short = {}
  for line_id, product_id in string.gmatch(lines, '{"line_id":(%d+),"product_id":"([^"]*)"') do
    local stock = stocks[product_id]
    if not stock.on_hand or stock.need > stock.on_hand then
      short[#short + 1] = '{"line_id":' .. line_id .. ',"product_id":"' .. product_id .. '","requested":'
        .. integer(stock.need) .. ',"available":' .. integer(stock.on_hand or 0) .. '}'
    end
  end
  return '[' .. table.concat(short, ',') .. ']'
end

-- What is decided in this run: for each order the key of its allocation and the allocation. Written once.
local allocations = {}

-- Decides on an order, whose needs are the arguments from `first` to `last`: DECIDED, or what is damaged.
local function decide(allocation, order_id, event_id, lines, first, last)
  if low_stock_fault then
    return low_stock_fault
  end
  local unknown, short = false, false
  for need = first, last, 2 do
    local stock = stocks[ARGV[need]]
    if stock.fault then
      return stock.fault
    end
    stock.need = tonumber(ARGV[need + 1])
    if not stock.on_hand then
      unknown = true
    elseif stock.need > stock.on_hand then
      short = true
    end
  end

  local is_fulfilled = not unknown and not short
  local fault, start
  if is_fulfilled then
    fault = append_event(order_fulfilled, 'order-fulfilled', event_id, now,
      '{"order_id":"' .. order_id .. '","lines":' .. lines .. '}')
    start = '{"outcome":"fulfilled","event_id":"'
  else
    local reason = unknown and 'unknown_product' or 'insufficient_stock'
    lines = short_lines(lines)
    fault = append_event(refund_order, 'refund-order', event_id, now,
      '{"order_id":"' .. order_id .. '","reason":"' .. reason .. '","lines":' .. lines .. '}')
    start = '{"outcome":"refunded","reason":"' .. reason .. '","event_id":"'
  end
  if fault then
    return fault
  end
  if is_fulfilled then
    for need = first, last, 2 do
      local stock = stocks[ARGV[need]]
      stock.on_hand = stock.on_hand - stock.need
      stock.sold = stock.sold + stock.need
    end
  end
  local count = #allocations
  allocations[count + 1] = allocation
  allocations[count + 2] = start .. event_id .. '","at":"' .. now .. '","lines":' .. lines .. '}'
  -- The order may come once more in this batch.
  outcomes[allocation] = DECIDED
  return DECIDED
end

local damaged = {}
local at = 3 + products
for i = 1, orders do
  local last = at + 3 + 2 * ARGV[at + 3]
  local outcome = outcomes[KEYS[3 + i]] or decide(KEYS[3 + i], ARGV[at], ARGV[at + 1], ARGV[at + 2], at + 4, last)
  if outcome ~= DECIDED then
    damaged[#damaged + 1] = i
    damaged[#damaged + 1] = outcome
  end
  at = last + 1
end

write_strings(allocations)
for i = 1, products do
  local id = ARGV[2 + i]
  local stock = stocks[id]
  if stock.on_hand ~= stock.before then
    redis.call('HSET', stock.key, 'on_hand', integer(stock.on_hand), 'sold', integer(stock.sold))
    keep_low_stock(low_stock, id, stock.before <= stock.low_stock_at, stock.on_hand <= stock.low_stock_at)
  end
end
return damaged
