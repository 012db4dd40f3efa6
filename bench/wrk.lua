-- One fixed request for wrk, and its result as one line of JSON.
-- BENCH_REQUEST: a file with "METHOD path", header lines, an empty line, the body.
-- BENCH_PAUSE_MS: mean pause of each connection between two requests; absent: none.
local f = assert(io.open(os.getenv "BENCH_REQUEST"))
local head, body = f:read("*a"):match "^(.-)\n\n(.*)$"
f:close()
local headers = {}
for name, value in head:gmatch "\n([^:\n]+): ([^\n]*)" do headers[name] = value end
wrk.method, wrk.path = head:match "^(%S+) (%S+)"
wrk.headers, wrk.body = headers, body

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
