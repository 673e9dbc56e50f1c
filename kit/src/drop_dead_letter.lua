-- Removes a dead letter.
-- KEYS: the stream of dead letters. ARGV: the dead letter's id.
-- Returns {'corrupt', what}, {'dropped'}, or {'unknown'} if it is not there.

must_be_allowed('TYPE', 'XDEL')

local misfit_ = first_misfit({KEYS[1], 'stream'})
if misfit_ then
  return {'corrupt', misfit_}
end
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return {'unknown'}
end
return {'dropped'}
