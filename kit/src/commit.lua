-- Commits what was decided in Rust: each commit whole or not at all, and only if what it was decided on still holds.
-- commit.rs writes the arguments and reads the reply. Nothing is decided and no JSON is made here.
--
-- KEYS: the strings, then all other keys.
-- ARGV: the number of commands that the user must be allowed to run, their names; the number of strings; and the commits,
--       each the number of its arguments and its operations: a name from the table below, the number of the key, and the
--       operation's own arguments.
-- Returns an outcome for each commit: 'committed', 'changed', 'key_reused', 'corrupt <what>', or 'answered', location, body.
-- A commit that is run twice has one effect: the second time, a string that it sets holds just that already.

local at = 0
local function argument()
  at = at + 1
  return ARGV[at]
end
local function arguments()
  local count = tonumber(argument())
  at = at + count
  return unpack(ARGV, at - count + 1, at)
end

for _ = 1, argument() do
  must_be_allowed(argument())
end

-- The strings as they are. One command reads them all; Lua passes on no more than some thousands of values at a time.
local VALUES_MAX = 2000
local strings = {}
local count = tonumber(argument())
for from = 1, count, VALUES_MAX do
  for i, text in ipairs(redis.call('MGET', unpack(KEYS, from, math.min(from + VALUES_MAX - 1, count)))) do
    strings[KEYS[from + i - 1]] = text
  end
end

-- Commits share keys, so that each is looked at once.
local fitting = {}
local function corrupt_unless(key, wanted)
  local what = not fitting[key] and misfit(key, wanted)
  fitting[key] = not what
  return what and 'corrupt ' .. what or nil
end

-- Each operation answers with the outcome that ends its commit, or nil. What it wants run it adds to `staged`.
local operations = {}

-- Sets a string, to a value that it has never had before.
function operations.set(key, staged)
  local text = argument()
  staged[#staged + 1] = {'SET', key, text}
  return strings[key] == text and 'committed' or not strings[key] and corrupt_unless(key, 'string') or nil
end

-- The commit is in effect already if the hash has this value in this field.
function operations.mark(key)
  local field, value = argument(), argument()
  return corrupt_unless(key, 'hash') or redis.call('HMGET', key, field)[1] == value and 'committed' or nil
end

-- An idempotency key: a record of the request's fingerprint and the whole answer, written in the same step as the effect.
function operations.answer(key, staged)
  local fingerprint, location, body, kept_ms = argument(), argument(), argument(), argument()
  local corrupt = corrupt_unless(key, 'hash')
  local record = corrupt and {} or redis.call('HMGET', key, 'request', 'location', 'body')
  if record[1] == fingerprint and record[2] and record[3] then
    return {'answered', record[2], record[3]}
  end
  staged[#staged + 1] = {'HSET', key, 'request', fingerprint, 'location', location, 'body', body}
  staged[#staged + 1] = {'PEXPIRE', key, kept_ms}
  return corrupt or (record[1] or record[2] or record[3]) and 'key_reused' or nil
end

function operations.expect_text(key)
  return strings[key] ~= argument() and 'changed' or nil
end

function operations.expect_start(key)
  local start = argument()
  return string.sub(strings[key] or '', 1, #start) ~= start and 'changed' or nil
end

function operations.expect_absent(key)
  return redis.call('EXISTS', key) == 1 and 'changed' or nil
end

-- Fields of a hash and their values, in turn.
function operations.expect_fields(key)
  local wanted = {arguments()}
  local corrupt = corrupt_unless(key, 'hash')
  for i = 1, corrupt and 0 or #wanted, 2 do
    if redis.call('HMGET', key, wanted[i])[1] ~= wanted[i + 1] then
      return 'changed'
    end
  end
  return corrupt
end

function operations.expect_length(key)
  local length = tonumber(argument())
  return corrupt_unless(key, 'list') or redis.call('LLEN', key) ~= length and 'changed' or nil
end

-- Any other write: the type that the key must have ('any' for a removal), the command, and its arguments after the key.
function operations.write(key, staged)
  local wanted, command = argument(), argument()
  -- Redis may refuse an event, when the stream's ids are used up; so events come before what cannot be taken back.
  staged.events = (staged.events or 0) + (command == 'XADD' and 1 or 0)
  table.insert(staged, command == 'XADD' and staged.events or #staged + 1, {command, key, arguments()})
  return wanted ~= 'any' and corrupt_unless(key, wanted) or nil
end

local function run(staged)
  for _, write in ipairs(staged) do
    local command, key = write[1], write[2]
    local result = redis.pcall(unpack(write))
    if type(result) == 'table' and result.err then
      return 'corrupt the stream ' .. key .. ' takes no event: ' .. result.err
    end
    strings[key] = command == 'SET' and write[3] or nil
  end
  return 'committed'
end

local reply = {}
while at < #ARGV do
  local last = argument()
  last = at + last
  local staged, outcome = {}, nil
  while at < last and not outcome do
    local operation = operations[argument()]
    outcome = operation(KEYS[tonumber(argument())], staged)
  end
  at = last
  outcome = outcome or run(staged)
  for _, text in ipairs(type(outcome) == 'table' and outcome or {outcome}) do
    reply[#reply + 1] = text
  end
end
return reply
