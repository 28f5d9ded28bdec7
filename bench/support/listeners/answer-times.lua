-- For wrk: each connection waits up to `longest` milliseconds before a request, and every answer time is told:
-- lines of `time MICROSECONDS COUNT`.
local longest = 0

function init(args)
  longest = tonumber(args[1])
  math.randomseed(os.time())
  if longest == 0 then delay = nil end
end

function delay()
  return math.random(0, longest)
end

function done(_, latency)
  for i = 1, #latency do
    local time, count = latency(i)
    io.write(string.format("time %d %d\n", time, count))
  end
end
