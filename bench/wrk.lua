-- One request for wrk, and its result as one line of JSON.
-- BENCH_REQUEST: a file with "METHOD path", header lines, an empty line, the body.
-- BENCH_TOKENS: a file of tokens, one a line, shown in turn as bearer tokens; absent: the request as it is.
-- BENCH_PAUSE_MS: mean pause of each connection between two requests; absent: none.
local f = assert(io.open(os.getenv "BENCH_REQUEST"))
local head, body = f:read("*a"):match "^(.-)\n\n(.*)$"
f:close()
local headers = {}
for name, value in head:gmatch "\n([^:\n]+): ([^\n]*)" do headers[name] = value end
wrk.method, wrk.path = head:match "^(%S+) (%S+)"
wrk.headers, wrk.body = headers, body

-- Each thread begins elsewhere in the file, or every token would come twice in a row.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

if os.getenv "BENCH_TOKENS" then
  local requests, at = {}, 0
  function init()
    for token in io.lines(os.getenv "BENCH_TOKENS") do
      headers["Authorization"] = "Bearer " .. token
      requests[#requests + 1] = wrk.format(wrk.method, wrk.path, headers, body)
    end
    at = number * math.floor(#requests / 2)
  end
  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

-- The pause is drawn anew each time, or the connections would march in step.
local pause = tonumber(os.getenv "BENCH_PAUSE_MS" or "")
if pause then function delay() return math.random(0, 2 * pause) end end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"refused":%d,"failed":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
