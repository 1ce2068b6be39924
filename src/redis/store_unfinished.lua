#!lua flags=no-writes,allow-oom
-- A page of what is not final, oldest first.   KEYS Q S   ARGV above count
--   ->  { id, seq, priority, tenant, not before } each
-- include store.lua
local rows = {}
local found = call('ZRANGEBYSCORE', OPEN, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #found, 2 do
    local r = call('HMGET', record_key(found[i]), 'p', 't', 'd')
    rows[#rows + 1] = { found[i], found[i + 1], r[1] or '0', r[2] or '', r[3] or '0' }
end
return rows
