#!lua
-- What ended as that verdict is queued again.   KEYS Q S   ARGV id verdict   ->  1, or 0
-- include store.lua
local id = ARGV[1]
local r = record_get(id)
if not r or r.s ~= FINISHED or r.v ~= ARGV[2] then return 0 end
call('HDEL', head_of(id), 's', 'v', 'f', 'b', 'n', 'x', 'a')
call('DEL', outcome_of(id))
call('ZREM', DONE, id)
call('ZREM', EXPIRE, id)
call('ZREM', FRESH, id)
call('ZADD', OPEN, r.q, id)
for _, did in ipairs(debts(id, r.w)) do delivery_owe_again(did) end
return 1
