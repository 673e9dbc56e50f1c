-- Comes before every script that decides on orders. What is decided for an order is a string, which allocations.rs reads:
-- a JSON object of outcome, reason (of a refunded order), event_id, at and lines, in this order.

-- How many values go into one command: Lua's stack takes some 8,000.
local VALUES_MAX = 1000

-- The outcome of an order that needs no decision any more.
local DECIDED = ''

-- What is known before of the orders whose allocations are the keys from `first` to `last`: for each of these keys
-- DECIDED, or what is damaged; nil where nothing is decided.
local function known_outcomes(first, last)
  local outcomes = {}
  for begin = first, last, VALUES_MAX do
    local final = math.min(begin + VALUES_MAX - 1, last)
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
  return outcomes
end

-- Writes strings: a list in which each key is followed by its value.
local function write_strings(keys_and_values)
  local count = #keys_and_values
  for begin = 1, count, VALUES_MAX do
    redis.call('MSET', unpack(keys_and_values, begin, math.min(begin + VALUES_MAX - 1, count)))
  end
end

