#!lua flags=no-writes,allow-oom
-- A page of deliveries, newest first.   KEYS Q S   ARGV below count owed (1: those that are)
--   ->  { id, due, delivery } each
-- include store.lua
local rows = {}
for _, did in ipairs(call('ZREVRANGEBYSCORE', ARGV[3] == '1' and OWED or SENT, '(' .. ARGV[1],
    '-inf', 'LIMIT', 0, ARGV[2])) do
    rows[#rows + 1] = { did, call('ZSCORE', DUE, did) or '0', call('HGETALL', delivery_of(did)) }
end
return rows
