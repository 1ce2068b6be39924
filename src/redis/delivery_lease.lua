#!lua flags=allow-oom
-- Take what is due.   KEYS Q S   ARGV now until max
--   ->  when to look again ("": never), then { id, due, delivery } each
-- include store.lua
local rows = {}
while #rows < tonumber(ARGV[3]) do
    local found = call('ZRANGEBYSCORE', DUE, '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, 1)
    if not found[1] then break end
    local d = call('HGETALL', delivery_of(found[1]))
    if #d == 0 then
        call('ZREM', DUE, found[1])
    else
        call('ZADD', DUE, ARGV[2], found[1])
        rows[#rows + 1] = { found[1], found[2], d }
    end
end
local next = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
return { next[2] or '', rows }
