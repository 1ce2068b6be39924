#!lua flags=allow-oom
-- Keep a lease alive.   KEYS Q   ARGV now id entry lease   ->  1, 0: it is over
-- include queue.lua
local now = queue_now(ARGV[1])
advance(now)
local x, worker = held(ARGV[2], ARGV[3])
if not x then return 0 end
call('ZADD', LEASES, string.format('%.0f', later(now, ARGV[4])), x.id)
if worker ~= '' then call('XCLAIM', stream(x.p), GROUP, worker, 0, ARGV[3], 'JUSTID') end
return 1
