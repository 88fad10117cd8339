-- What wrk sends. The argument names a file that says what: `paths` to get over and over, or how to put new objects,
-- until there are `enough` or the time is over.
local wanted
local count = 0
local answered = 0

function init(arguments)
  wanted = dofile(arguments[1])
  if wanted.enough then
    response = end_at_enough -- wrk calls it for each answer, where there is one
  end
end

function request()
  count = count + 1
  if wanted.paths then
    return wrk.format("GET", wanted.paths[count % #wanted.paths + 1], wanted.headers)
  end
  local number = string.format("%010d", wanted.first + count - 1)
  local path = string.gsub(wanted.path, "NUMBER", number)
  local before = string.gsub(wanted.before, "NUMBER", number)
  return wrk.format(wanted.method, path, wanted.headers, before .. number .. wanted.filler .. wanted.after)
end

-- wrk itself goes on for as long as it was told, even when all its threads have stopped.
function end_at_enough(status)
  if status >= 300 then
    print("refused " .. status)
    os.exit(1)
  end
  answered = answered + 1
  if answered == wanted.enough then
    print("filled")
    os.exit(0)
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("figures %d %d %d %d %d %d",
    summary.duration, summary.requests, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
