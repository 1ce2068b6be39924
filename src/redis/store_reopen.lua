#!lua
-- What ended as that verdict is queued again, and in line.
--   KEYS Q S   ARGV now id verdict   ->  1, or 0
-- include queue.lua
-- include store.lua
local id = ARGV[2]
local r = record_get(id)
if not r or r.s ~= FINISHED or r.v ~= ARGV[3] then return 0 end
call('HDEL', record_key(id), 's', 'v', 'f', 'b', 'n', 'x', 'a')
call('DEL', outcome_of(id))
call('ZREM', DONE, id)
call('ZREM', EXPIRE, id)
call('ZREM', FRESH, id)
call('ZADD', OPEN, r.q, id)
for _, did in ipairs(debts(id, r.w)) do delivery_owe_again(did) end
local now = queue_now(ARGV[1])
if not queue_retry(id, now) then queue_push(id, r.p or 0, r.t or '', 0, now) end
return 1
