#!lua flags=allow-oom
-- A process stops: what was delivered to it while it stopped waiting goes back, what it still works on
-- stays its own until the lease ends.   KEYS Q   ARGV now name puller...
-- include queue.lua
local now, name = queue_now(ARGV[1]), ARGV[2]
call('ZREM', WORKERS, name)
call('HDEL', WORKER, name)
for p = 0, 2 do
    group_of(stream(p), p)
    local left = 0
    for _, pending in ipairs(call('XPENDING', stream(p), GROUP, '-', '+', 1000, name)) do
        local found = call('XRANGE', stream(p), pending[1], pending[1])[1]
        local x = found and entry_get(found[2][2])
        if x and x.place == 's' and select(2, out_get(x)) == '' then
            unlease(x, false)
            line_up(x, now, now)
        else
            left = left + 1
        end
    end
    fill(p)
    if left == 0 then call('XGROUP', 'DELCONSUMER', stream(p), GROUP, name) end
end
group_of(WAKE)
for _, pending in ipairs(call('XPENDING', WAKE, GROUP, '-', '+', 1000, name)) do
    call('XACK', WAKE, GROUP, pending[1])
    call('XDEL', WAKE, pending[1])
    wake()
end
call('XGROUP', 'DELCONSUMER', WAKE, GROUP, name)
local timer = call('HGET', Q, 'timer')
if timer and string.sub(timer, 1, #name + 1) == name .. '/' then
    call('HDEL', Q, 'timer', 'timer_due')
    wake()
end
return 1
