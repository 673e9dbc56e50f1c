-- What wrk sends, and how it reports. The environment says:
-- BODIES  a file with a body per line for POST requests to the path that wrk was given, in turn; or
-- PATHS   a file with a path per line for GET requests, in turn.
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

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3))
end
