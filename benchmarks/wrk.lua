-- What wrk sends. Its argument is a Lua file with a table: `paths` to get over and over, or how to put new objects
-- until there are `enough` or the time is up.
local wanted
local count = 0
local answered = 0

function init(arguments)
  wanted = dofile(arguments[1])
  if wanted.enough then
    response = exit_at_enough -- a response function slows wrk down, so measured runs have none
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

-- wrk itself runs for the whole duration, even after its threads have stopped.
function exit_at_enough(status)
  answered = answered + 1
  if status >= 300 or answered == wanted.enough then
    print(status < 300 and "filled" or "refused " .. status)
    os.exit(0)
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("figures %d %d %d %d %d", summary.duration, summary.requests, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, latency:percentile(99)))
end
