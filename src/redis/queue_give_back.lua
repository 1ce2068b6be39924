#!lua flags=allow-oom
-- End a lease; the id is offered again, after a delay.
--   KEYS Q   ARGV now id entry delay attempt-counts   ->  1, 0: the lease is over
-- include queue.lua
local now = queue_now(ARGV[1])
advance(now)
local x = held(ARGV[2], ARGV[3])
if not x then return 0 end
unlease(x, ARGV[5] == '1')
line_up(x, now, later(now, ARGV[4]))
return 1
