#!lua flags=allow-oom
-- Keep a lease alive.   KEYS Q   ARGV now id entry lease consumer   ->  1, 0: it is over
-- include queue.lua
local now = queue_now(ARGV[1])
advance(now)
local x, puller = held(ARGV[2], ARGV[3])
if not x then return 0 end
local ends = later(now, ARGV[4])
if puller == '' then -- what should have told it was lost
    lease(x, ARGV[3], ARGV[5], ends)
    fill(x.p)
else
    call('ZADD', LEASES, string.format('%.0f', ends), x.id)
    call('XCLAIM', stream(x.p), GROUP, name_of(puller), 0, ARGV[3], 'JUSTID')
end
return 1
