#!lua flags=allow-oom
-- Another result of a final record.   KEYS Q S   ARGV id finished new_finished body   ->  1, or 0
-- include store.lua
local id = ARGV[1]
local r = record_get(id)
if not r or not is_final(r) or r.f ~= ARGV[2] then return 0 end
call('SET', outcome_of(id), ARGV[4])
call('HSET', record_key(id), 'f', ARGV[3])
call('HDEL', record_key(id), 'a')
if r.h then call('ZADD', FRESH, ARGV[3], id) end
set_expiry(id, r, tonumber(ARGV[3]))
return 1
