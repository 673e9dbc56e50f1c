-- Commits what was decided in Rust: each commit whole or not at all, and only if what it was decided on still holds.
-- commit.rs writes the arguments and reads the reply. Nothing is decided and no JSON is made here.
--
-- KEYS: the strings, then all other keys.
-- ARGV: the number of commands that the user must be allowed to run, their names; the number of strings; the number of
--       fields of an event, their names; and the commits, each the number of its arguments and its operations: a name from
--       the table below, the number of the key, and the operation's own arguments.
-- Returns an outcome for each commit: 'committed', 'changed', 'key_reused', 'corrupt <what>', 'shared <what>', or 'answered',
-- location, body.
-- A commit that is run twice has one effect: the second time, a string that it sets holds just that already.

-- Looked up thousands of times: a local costs Lua a fraction of a global.
local ARGV, KEYS, call, sub, unpack = ARGV, KEYS, redis.call, string.sub, unpack

local at = 0
local function argument()
  at = at + 1
  return ARGV[at]
end
local function arguments()
  local count = argument() + 0
  at = at + count
  return unpack(ARGV, at - count + 1, at)
end

for _ = 1, argument() do
  must_be_allowed(argument())
end

-- The strings as they are. One command reads them all; Lua passes on no more than some thousands of values at a time.
local VALUES_MAX = 2000
local strings = {}
local count = argument() + 0
for from = 1, count, VALUES_MAX do
  for i, text in ipairs(call('MGET', unpack(KEYS, from, math.min(from + VALUES_MAX - 1, count)))) do
    strings[KEYS[from + i - 1]] = text
  end
end

-- Commits share keys, so that each is looked at once.
local fitting = {}
local function corrupt_unless(key, wanted)
  local what = not fitting[key] and misfit(key, wanted)
  fitting[key] = not what
  -- Lists and streams are shared, and so no fault of the one thing that the commit is about.
  return what and ((wanted == 'zset' or wanted == 'stream') and 'shared ' or 'corrupt ') .. what or nil
end

-- The writes of the commit at hand, which run when no operation has ended it: events, as key and position in ARGV; the
-- commands that many commits share, as command, key and value; and any other commands.
local events, staged, count, commands
-- What the commits of this run share is written at its end, with one command for each key.
local gathered = {SET = {}, ZADD = {}, ZREM = {}}
local function stage(command, key, value)
  staged[count + 1], staged[count + 2], staged[count + 3] = command, key, value
  count = count + 3
end

-- Each operation answers with the outcome that ends its commit, or nil.
local operations = {}

-- The string as the last commit of this run has left it.
local function string_at(key)
  local set = gathered.SET[key]
  return set and set[1] or strings[key]
end

-- Sets a string, to a value that it has never had before.
function operations.set(key)
  local text, before = argument(), string_at(key)
  stage('SET', key, text)
  return before == text and 'committed' or not before and corrupt_unless(key, 'string') or nil
end

-- The same, if the string begins like this.
function operations.replace(key)
  local start, text, before = argument(), argument(), string_at(key)
  stage('SET', key, text)
  if not before or sub(before, 1, #start) ~= start then
    return before == text and 'committed' or 'changed'
  end
end

-- The commit is in effect already if the hash has this value in this field.
function operations.mark(key)
  local field, value = argument(), argument()
  return corrupt_unless(key, 'hash') or call('HMGET', key, field)[1] == value and 'committed' or nil
end

-- An idempotency key: a record of the request's fingerprint and the whole answer, written in the same step as the effect.
function operations.answer(key)
  local fingerprint, location, body, kept_ms = argument(), argument(), argument(), argument()
  local corrupt = corrupt_unless(key, 'hash')
  local record = corrupt and {} or call('HMGET', key, 'request', 'location', 'body')
  if record[1] == fingerprint and record[2] and record[3] then
    return {'answered', record[2], record[3]}
  end
  commands[#commands + 1] = {'HSET', key, 'request', fingerprint, 'location', location, 'body', body}
  commands[#commands + 1] = {'PEXPIRE', key, kept_ms}
  return corrupt or (record[1] or record[2] or record[3]) and 'key_reused' or nil
end

function operations.expect_text(key)
  return string_at(key) ~= argument() and 'changed' or nil
end

function operations.expect_start(key)
  local start = argument()
  return sub(string_at(key) or '', 1, #start) ~= start and 'changed' or nil
end

function operations.expect_absent(key)
  return call('EXISTS', key) == 1 and 'changed' or nil
end

-- Fields of a hash and their values, in turn.
function operations.expect_fields(key)
  local wanted = {arguments()}
  local corrupt = corrupt_unless(key, 'hash')
  for i = 1, corrupt and 0 or #wanted, 2 do
    if call('HMGET', key, wanted[i])[1] ~= wanted[i + 1] then
      return 'changed'
    end
  end
  return corrupt
end

function operations.expect_length(key)
  local length = argument() + 0
  return corrupt_unless(key, 'list') or call('LLEN', key) ~= length and 'changed' or nil
end

function operations.insert(key)
  stage('ZADD', key, argument())
  return corrupt_unless(key, 'zset')
end

function operations.take_out(key)
  stage('ZREM', key, argument())
  return corrupt_unless(key, 'zset')
end

-- Any other write: the type that the key must have ('any' for a removal), the command, and its arguments after the key.
function operations.write(key)
  local wanted, command = argument(), argument()
  commands[#commands + 1] = {command, key, arguments()}
  return wanted ~= 'any' and corrupt_unless(key, wanted) or nil
end

-- The values of an event's fields.
local names = {arguments()}
function operations.append(key)
  events[#events + 1], events[#events + 2] = key, at
  at = at + #names
  return corrupt_unless(key, 'stream')
end

-- An event is the one write that Redis may refuse, when the stream's ids are used up. So it comes first.
local entry = {'XADD', '', '*'}
for i, name in ipairs(names) do
  entry[2 + 2 * i] = name
end
local function run()
  for i = 1, #events, 2 do
    entry[2] = events[i]
    for field = 1, #names do
      entry[3 + 2 * field] = ARGV[events[i + 1] + field]
    end
    local added = redis.pcall(unpack(entry))
    if added.err then
      return 'shared the stream ' .. entry[2] .. ' takes no event: ' .. added.err
    end
  end
  for i = 1, count, 3 do
    local lists, key = gathered[staged[i]], staged[i + 1]
    local list = lists[key] or {}
    lists[key] = list
    if staged[i] == 'SET' then
      list[1] = staged[i + 2]
    elseif staged[i] == 'ZADD' then
      list[#list + 1], list[#list + 2] = 0, staged[i + 2]
    else
      list[#list + 1] = staged[i + 2]
    end
  end
  for _, command in ipairs(commands) do
    call(unpack(command))
  end
  return 'committed'
end

local reply = {}
while at < #ARGV do
  local last, outcome = argument(), nil
  last = at + last
  events, staged, count, commands = {}, {}, 0, {}
  while at < last and not outcome do
    at = at + 2
    outcome = operations[ARGV[at - 1]](KEYS[ARGV[at] + 0])
  end
  at = last
  outcome = outcome or run()
  if type(outcome) == 'string' then
    reply[#reply + 1] = outcome
  else
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = unpack(outcome)
  end
end

local function in_parts(values, act)
  for from = 1, #values, VALUES_MAX do
    act(unpack(values, from, math.min(from + VALUES_MAX - 1, #values)))
  end
end
local texts = {}
for key, text in pairs(gathered.SET) do
  texts[#texts + 1], texts[#texts + 2] = key, text[1]
end
in_parts(texts, function(...) call('MSET', ...) end)
for _, command in ipairs({'ZREM', 'ZADD'}) do
  for key, values in pairs(gathered[command]) do
    in_parts(values, function(...) call(command, key, ...) end)
  end
end
return reply
