-- What wrk sends. The argument names a file that says what: `paths` to get over and over, or how to put new objects.
local wanted
local count = 0

function init(arguments)
  wanted = dofile(arguments[1])
end

function request()
  count = count + 1
  if wanted.paths then
    return wrk.format("GET", wanted.paths[count % #wanted.paths + 1], wanted.headers)
  end
  local number = string.format("%010d", count)
  local path = string.gsub(wanted.path, "NUMBER", number)
  local before = string.gsub(wanted.before, "NUMBER", number)
  return wrk.format(wanted.method, path, wanted.headers, before .. number .. wanted.filler .. wanted.after)
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("figures %d %d %d %d %d %d",
    summary.duration, summary.requests, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
