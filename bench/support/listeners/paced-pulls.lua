-- For wrk: each connection waits up to this many milliseconds before a request.
local longest

function init(args)
  longest = tonumber(args[1])
  math.randomseed(os.time())
end

function delay()
  return math.random(0, longest)
end

-- wrk itself prints three digits.
function done(_, latency)
  io.write(string.format("p99 %d\n", latency:percentile(99)))
end
