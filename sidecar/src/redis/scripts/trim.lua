-- Trims a stream behind the oldest entry that any of its groups has not acknowledged, keeping some history.
--
-- KEYS[1]  the stream
-- ARGV     age in ms, entries to keep, entries to remove at most, then the groups that must exist
-- Reads    the groups of the stream, of each the oldest pending entry or else the last that it was given.
-- Writes   removes at most ARGV[3] entries that every group has acknowledged, that are older than ARGV[1] ms, and that
--          are not among the ARGV[2] newest. Whole nodes of the stream only, which costs next to nothing. The age of an
--          entry whose id is from the future cannot be known, and does not keep it.
-- Returns  the number of entries removed; the group that holds the stream back most; the age in ms of the entry at
--          which it does, nil if it cannot be known; 1 if the oldest entry or that one has an id from the future. Without a
--          group, or lacking a required one, nothing is removed and the group is ''.

-- Compared as strings: a sequence number may be larger than a number in Lua can tell.
local function number_less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function id_less(a, b)
  local a_ms, a_seq = a:match('^(%d+)%-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)%-(%d+)$')
  if a_ms ~= b_ms then return number_less(a_ms, b_ms) end
  return number_less(a_seq, b_seq)
end

local stream = KEYS[1]
local nothing = {0, '', 0, 0}
if redis.call('TYPE', stream).ok ~= 'stream' then return nothing end

local groups, holder, floor = {}, '', nil
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local info = {}
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  groups[info['name']] = true
  local id = info['last-delivered-id']
  if info['pending'] > 0 then id = redis.call('XPENDING', stream, info['name'])[2] end
  if not floor or id_less(id, floor) then holder, floor = info['name'], id end
end
if not floor then return nothing end
for i = 4, #ARGV do
  if not groups[ARGV[i]] then return nothing end
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local held_ms = tonumber(floor:match('^%d+'))
-- Redis's clock may have been set back, but not by this much: such an id is its producer's own, in microseconds perhaps.
local future_ms = now_ms + 3600000
local holds_future = held_ms > future_ms
-- A group that was never given anything holds the stream back at 0-0, which says nothing about an age.
local holding_ms = held_ms > 0 and math.max(now_ms - held_ms, 0) or 0
if holds_future then holding_ms = false end

local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
local begins_in_future = first and tonumber(first[1]:match('^%d+')) > future_ms
local oldest_kept = string.format('%.0f-0', math.max(now_ms - ARGV[1], 0))
if not begins_in_future and id_less(oldest_kept, floor) then floor = oldest_kept end
local removable = math.min(redis.call('XLEN', stream) - ARGV[2], tonumber(ARGV[3]))
local removed = 0
if removable > 0 then
  removed = redis.call('XTRIM', stream, 'MINID', '~', floor, 'LIMIT', removable)
end
return {removed, holder, holding_ms, (holds_future or begins_in_future) and 1 or 0}
