#!lua flags=allow-oom
-- Heads that a blocked XREADGROUP has delivered: their leases begin, the next heads come.
--   KEYS Q   ARGV now lease consumer puller, then priority, id, entry each
-- include queue.lua
local now = queue_now(ARGV[1])
for i = 5, #ARGV, 3 do
    local p, id, entry = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local x = entry_get(id)
    local known, worker
    if x and x.place == 's' then known, worker = out_get(x) end
    if known ~= entry then
        call('XACK', stream(p), GROUP, entry)
        call('XDEL', stream(p), entry)
    elseif worker == '' then
        lease(x, entry, ARGV[4], later(now, ARGV[2]))
    end
    fill(p)
end
if call('HGET', Q, 'timer') == ARGV[4] then
    call('HDEL', Q, 'timer', 'timer_due')
    wake()
end
return 0
