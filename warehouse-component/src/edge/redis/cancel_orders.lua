-- Cancels a batch of orders for which nothing is decided yet, and tells of it, in one step.
-- Its model is domain/cancel.rs.
--
-- KEYS: 1 the stream refund-order, then the orders' allocations
-- ARGV: 1 time, then for each order its id and the id of the event that follows
-- Returns {number, what is damaged, ...} of the orders that could not be decided, numbered from 1; all others are, now
-- or before.
-- An order that has an allocation keeps it, so whichever comes first, stands: this, or allocate.lua.

must_be_allowed('EXISTS', 'MGET', 'MSET', 'TYPE', 'XADD')

local now = ARGV[1]
local outcomes = known_outcomes(2, #KEYS)
local damaged, allocations = {}, {}
for i = 1, #KEYS - 1 do
  local allocation, order_id, event_id = KEYS[i + 1], ARGV[2 * i], ARGV[2 * i + 1]
  local outcome = outcomes[allocation]
  if not outcome then
    outcome = append_event(KEYS[1], 'refund-order', event_id, now,
      '{"order_id":"' .. order_id .. '","reason":"customer_cancelled","lines":[]}')
    if not outcome then
      outcome = DECIDED
      -- The order may come once more in this batch.
      outcomes[allocation] = DECIDED
      allocations[#allocations + 1] = allocation
      allocations[#allocations + 1] = '{"outcome":"refunded","reason":"customer_cancelled","event_id":"' .. event_id
        .. '","at":"' .. now .. '","lines":[]}'
    end
  end
  if outcome ~= DECIDED then
    damaged[#damaged + 1] = i
    damaged[#damaged + 1] = outcome
  end
end
write_strings(allocations)
return damaged
