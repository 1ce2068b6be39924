#!lua flags=allow-oom
-- A history has it as it was at its end.   KEYS Q S   ARGV id finished drop
-- include store.lua
local id, drop = ARGV[1], tonumber(ARGV[3])
local r = record_get(id)
if not r or not is_final(r) or r.f ~= ARGV[2] then return 0 end
call('HSET', record_key(id), 'a', 1)
call('ZREM', FRESH, id)
local expire = tonumber(call('ZSCORE', EXPIRE, id) or FAR)
call('ZADD', EXPIRE, text(math.min(expire, drop)), id)
return 1
