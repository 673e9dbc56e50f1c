-- What wrk sends, and how it reports. The environment says:
-- BODIES  a file with a body per line for POST requests to the path that wrk was given, in turn; or
-- PATHS   a file with a path per line for GET requests, in turn;
-- PER_SECOND  how many to send, as long as connections are free; without it, as fast as they are answered. For one
--         thread.
-- The last line printed is JSON: requests, seconds, requests that failed, and latencies in milliseconds.

local function lines(name)
  local list = {}
  for line in io.lines(os.getenv(name)) do
    list[#list + 1] = line
  end
  return list
end

local requests, turn = {}, 0

function init()
  if os.getenv("BODIES") then
    for i, body in ipairs(lines("BODIES")) do
      requests[i] = wrk.format("POST", nil, {["content-type"] = "application/json"}, body)
    end
  else
    for i, path in ipairs(lines("PATHS")) do
      requests[i] = wrk.format("GET", path)
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

local per_second = tonumber(os.getenv("PER_SECOND"))
if per_second then
  local ffi = require("ffi")
  ffi.cdef("struct timespec { long sec; long nsec; }; int clock_gettime(int clock, struct timespec *time);")
  local monotonic, time = 1, ffi.new("struct timespec")
  local function now_ms()
    ffi.C.clock_gettime(monotonic, time)
    return tonumber(time.sec) * 1e3 + tonumber(time.nsec) / 1e6
  end

  local begin_ms, sent
  -- wrk asks before each request for how many milliseconds to wait.
  function delay()
    begin_ms, sent = begin_ms or now_ms(), (sent or 0) + 1
    return math.max(0, math.floor(begin_ms + sent * 1e3 / per_second - now_ms()))
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3))
end
