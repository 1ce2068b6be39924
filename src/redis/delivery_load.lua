#!lua flags=no-writes,allow-oom
-- One delivery.   KEYS Q S   ARGV id   ->  { id, due, delivery, log }; {}: unknown
-- include store.lua
local d = call('HGETALL', delivery_of(ARGV[1]))
if #d == 0 then return {} end
return { ARGV[1], call('ZSCORE', DUE, ARGV[1]) or '0', d, call('LRANGE', log_of(ARGV[1]), 0, -1) }
