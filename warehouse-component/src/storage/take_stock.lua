-- Takes the stock for a batch of orders, each whole or not at all, and tells of each outcome, in one step.
--
-- This is the one rule of the warehouse that is decided in Redis: many orders want the same few products, so what is read
-- for a decision outside has mostly changed before it can be committed. Here each product is read and written once for the
-- whole batch. The tests hold it against a model in Rust, tests/end_to_end/warehouse_model/allocate.rs.
--
-- KEYS: 1 the stream order-fulfilled, 2 the stream refund-order, 3 the list of low stock, then the orders' allocations,
--       then the products' stocks
-- ARGV: 1 time, 2 number of orders, then the products' ids; then for each order its id, the id of the event that
--       follows, its lines as JSON, the number of products that it needs, and for each of them its id and the units
-- Returns {number, what is damaged, ...} of the orders that could not be decided, numbered from 1, and negative where
-- what is damaged is shared by all orders; all others are, now or before. An order that has an allocation keeps it: run again, this changes nothing and tells nothing.

must_be_allowed('EXISTS', 'HMGET', 'HSET', 'MGET', 'MSET', 'TYPE', 'XADD', 'ZADD')

local ARGV, KEYS = ARGV, KEYS
local now, orders = ARGV[1], tonumber(ARGV[2])
local products = #KEYS - 3 - orders
local low_stock_fault = misfit(KEYS[3], 'zset')

-- The outcome of an order that needs no decision any more.
local DECIDED = ''

-- For each allocation's key DECIDED, or what is damaged; nil where nothing is decided. Mostly there is nothing at all, which
-- one command tells.
local outcomes = {}
local found = redis.call('EXISTS', unpack(KEYS, 4, 3 + orders)) > 0 and redis.call('MGET', unpack(KEYS, 4, 3 + orders))
for i, allocation in ipairs(found or {}) do
  local key = KEYS[3 + i]
  local is_one = allocation and string.sub(allocation, 1, 12) == '{"outcome":"'
  outcomes[key] = is_one and DECIDED or allocation and 'the key ' .. key .. ' holds no allocation' or misfit(key, 'string')
end

-- An integer as text; Lua would write a large one with an exponent.
local function integer(number)
  return string.format('%.0f', number)
end

-- What is known of a product: no units where there is none, or what is damaged. Lua keeps 15 digits exact.
local function stock_at(key)
  local names = {'on_hand', 'sold', 'low_stock_at'}
  local texts = redis.pcall('HMGET', key, unpack(names))
  local stock = {key = key, fault = texts.err and misfit(key, 'hash')}
  for i, name in ipairs(names) do
    local text = texts[i]
    stock[name] = text and #text <= 15 and string.find(text, '^%d+$') and tonumber(text) or nil
    if not stock[name] and (text or texts[1] or redis.call('EXISTS', key) == 1) then
      stock.fault = stock.fault or 'the field ' .. name .. ' of the key ' .. key .. ' is no whole number'
    end
  end
  stock.before = stock.on_hand
  return stock
end

-- All products by id, read once; written back once where they changed.
local stocks = {}
for i = 1, products do
  stocks[ARGV[2 + i]] = stock_at(KEYS[3 + orders + i])
end

-- The lines of an order that cannot be fulfilled, as JSON. They are as the component has written them, and no id has a
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

-- The allocations of this run: each order's key, followed by its allocation.
local allocations = {}

-- Decides on an order, whose needs are the arguments from `first` to `last`: DECIDED, or what is damaged and whether it is
-- shared.
local function decide(key, order_id, event_id, lines, first, last)
  local fault, reason = nil, nil
  for need = first, last, 2 do
    local stock = stocks[ARGV[need]]
    fault = fault or stock.fault
    stock.need = tonumber(ARGV[need + 1])
    if not stock.on_hand then
      reason = 'unknown_product'
    elseif stock.need > stock.on_hand then
      reason = reason or 'insufficient_stock'
    end
  end
  if fault or low_stock_fault then
    return fault or low_stock_fault, not fault
  end
  lines = reason and short_lines(lines) or lines
  local why = reason and '"reason":"' .. reason .. '",' or ''
  local kind = reason and 'refund-order' or 'order-fulfilled'
  -- Redis may refuse the event, when the stream's ids are used up; so it comes before what cannot be taken back.
  local added = redis.pcall('XADD', reason and KEYS[2] or KEYS[1], '*', 'id', event_id, 'type', kind, 'v', '1', 'time', now,
    'data', '{"order_id":"' .. order_id .. '",' .. why .. '"lines":' .. lines .. '}')
  if added.err then
    return 'the stream ' .. kind .. ' takes no event: ' .. added.err, true
  end
  for need = first, reason and 0 or last, 2 do
    local stock = stocks[ARGV[need]]
    stock.on_hand, stock.sold = stock.on_hand - stock.need, stock.sold + stock.need
  end
  local count = #allocations
  allocations[count + 1], allocations[count + 2] = key, '{"outcome":"' .. (reason and 'refunded' or 'fulfilled') .. '",'
    .. why .. '"event_id":"' .. event_id .. '","at":"' .. now .. '","lines":' .. lines .. '}'
  -- The order may come once more in this batch.
  outcomes[key] = DECIDED
  return DECIDED
end

local damaged = {}
local at = 3 + products
for i = 1, orders do
  local key, last = KEYS[3 + i], at + 3 + 2 * ARGV[at + 3]
  local outcome, is_shared = outcomes[key], false
  if not outcome then
    outcome, is_shared = decide(key, ARGV[at], ARGV[at + 1], ARGV[at + 2], at + 4, last)
  end
  if outcome ~= DECIDED then
    damaged[#damaged + 1] = is_shared and -i or i
    damaged[#damaged + 1] = outcome
  end
  at = last + 1
end

if #allocations > 0 then
  redis.call('MSET', unpack(allocations))
end
for id, stock in pairs(stocks) do
  if stock.on_hand ~= stock.before then
    redis.call('HSET', stock.key, 'on_hand', integer(stock.on_hand), 'sold', integer(stock.sold))
    if stock.before > stock.low_stock_at and stock.on_hand <= stock.low_stock_at then
      redis.call('ZADD', KEYS[3], 0, id)
    end
  end
end
return damaged
