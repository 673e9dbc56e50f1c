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
-- Returns {number, what is damaged, ...} of the orders that could not be decided, numbered from 1; all others are, now
-- or before.
-- An order that has an allocation keeps it: run again, this changes nothing and tells nothing.

must_be_allowed('EXISTS', 'HMGET', 'HSET', 'MGET', 'MSET', 'TYPE', 'XADD', 'ZADD')

-- How many values go into one command: Lua's stack takes some 8,000.
local VALUES_MAX = 1000

-- The outcome of an order that needs no decision any more.
local DECIDED = ''

-- An integer as text; Lua would write a large one with an exponent.
local function integer(number)
  return string.format('%.0f', number)
end

-- The whole number that a text is; nil when it is none, or has more digits than Lua keeps exact.
local function whole_number(text)
  if not text or #text > 15 or not string.find(text, '^%d+$') then
    return nil
  end
  return tonumber(text)
end

-- Fields of a hash that hold whole numbers, by name; nil when the key holds nothing; nil and what is wrong when it is
-- damaged.
local function whole_numbers(key, ...)
  local names = {...}
  local found = redis.pcall('HMGET', key, ...)
  if found.err then
    return nil, misfit(key, 'hash')
  end
  local numbers, faulty = {}, nil
  for i, name in ipairs(names) do
    numbers[name] = whole_number(found[i])
    if not numbers[name] then
      faulty = faulty or name
    end
  end
  if not faulty then
    return numbers
  end
  if redis.call('EXISTS', key) == 0 then
    return nil
  end
  return nil, 'the field ' .. faulty .. ' of the key ' .. key .. ' is no whole number'
end

-- Appends an event; nil, or why the stream does not take it: its ids are used up, or the key holds something else. So it
-- comes before what cannot be taken back.
local function append_event(stream, kind, event_id, now, data)
  local added = redis.pcall('XADD', stream, '*', 'id', event_id, 'type', kind, 'v', '1', 'time', now, 'data', data)
  if added.err then
    return 'the stream ' .. stream .. ' takes no event: ' .. added.err
  end
  return nil
end

local ARGV, KEYS = ARGV, KEYS
local now, orders = ARGV[1], tonumber(ARGV[2])
local products = #KEYS - 3 - orders
local order_fulfilled, refund_order, low_stock = KEYS[1], KEYS[2], KEYS[3]
local low_stock_fault = first_misfit({low_stock, 'zset'})

-- For each order's key DECIDED, or what is damaged; nil where nothing is decided.
local outcomes = {}
for begin = 4, 3 + orders, VALUES_MAX do
  local final = math.min(begin + VALUES_MAX - 1, 3 + orders)
  -- Mostly there is nothing at all, which one command tells.
  if redis.call('EXISTS', unpack(KEYS, begin, final)) > 0 then
    for i, found in ipairs(redis.call('MGET', unpack(KEYS, begin, final))) do
      local key = KEYS[begin + i - 1]
      if not found then
        -- There is nothing, or something that is no string.
        outcomes[key] = first_misfit({key, 'string'})
      elseif string.sub(found, 1, 12) == '{"outcome":"' then
        outcomes[key] = DECIDED
      else
        outcomes[key] = 'the key ' .. key .. ' holds no allocation'
      end
    end
  end
end

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

for begin = 1, #allocations, VALUES_MAX do
  redis.call('MSET', unpack(allocations, begin, math.min(begin + VALUES_MAX - 1, #allocations)))
end
for i = 1, products do
  local id = ARGV[2 + i]
  local stock = stocks[id]
  if stock.on_hand ~= stock.before then
    redis.call('HSET', stock.key, 'on_hand', integer(stock.on_hand), 'sold', integer(stock.sold))
    if stock.before > stock.low_stock_at and stock.on_hand <= stock.low_stock_at then
      redis.call('ZADD', low_stock, 0, id)
    end
  end
end
return damaged
