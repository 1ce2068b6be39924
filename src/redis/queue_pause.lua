#!lua flags=allow-oom
-- Stop or go on offering: while paused no stream has a head, whoever waits goes on waiting.
--   KEYS Q   ARGV now paused
-- include queue.lua
if ARGV[2] == '1' then
    call('HSETNX', Q, 'paused', string.format('%.0f', queue_now(ARGV[1])))
    for p = 0, 2 do unfill(p) end
else
    call('HDEL', Q, 'paused')
    for p = 0, 2 do fill(p) end
end
return 1
