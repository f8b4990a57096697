-- wrk: posts the bodies of a file in turn. Arguments: the file, whether each line is a body, header names and values.
local count, next_one, requests = 0, 1, {}

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local headers = {}
  for index = 3, #arguments, 2 do
    headers[arguments[index]] = arguments[index + 1]
  end
  if arguments[2] == "lines" then
    for line in file:lines() do
      count = count + 1
      requests[count] = wrk.format("POST", nil, headers, line)
    end
  else
    count = 1
    requests[1] = wrk.format("POST", nil, headers, file:read("*a"))
  end
  file:close()
end

function request()
  local found = requests[next_one]
  next_one = next_one % count + 1
  return found
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write, errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
