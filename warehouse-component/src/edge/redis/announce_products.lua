-- Tells of products again, as they are now: the store learns what it does not know, and nothing else.
-- KEYS: 1 the stream product-changed, then the products. ARGV: 1 time, then the products' ids.
-- Returns {'announced'} or {'corrupt', what}; then what comes first may be told already. Run again, it tells again, which
-- changes nothing.

must_be_allowed('HMGET', 'TYPE', 'XADD')

local events = {}
for i = 2, #KEYS do
  local found = redis.pcall('HMGET', KEYS[i], 'changed_by', 'rev', 'name', 'price_minor', 'currency', 'active')
  if found.err then
    return {'corrupt', misfit(KEYS[i], 'hash')}
  end
  local event_id, rev, name, price, currency, active = unpack(found)
  if not (event_id and rev and name and price and currency and active) then
    return {'corrupt', 'the key ' .. KEYS[i] .. ' lacks fields of a product'}
  end
  events[i - 1] = {event_id, '{"product_id":"' .. ARGV[i] .. '","rev":' .. rev .. ',"name":' .. quoted(name)
    .. ',"price_minor":' .. price .. ',"currency":"' .. currency
    .. '","active":' .. (active == '1' and 'true' or 'false') .. '}'}
end
for _, event in ipairs(events) do
  local fault = append_event(KEYS[1], 'product-changed', event[1], ARGV[1], event[2])
  if fault then
    return {'corrupt', fault}
  end
end
return {'announced'}
