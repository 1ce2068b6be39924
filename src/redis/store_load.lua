#!lua flags=no-writes,allow-oom
-- One record.   KEYS Q S   ARGV id job outcome (1: wanted)   ->  { head, job, outcome }; {}: unknown
-- Asked for every job, so without store.lua, which costs more than it would save. Its keys:
local S, id, call = KEYS[2], ARGV[1], redis.call
local head = call('HGETALL', S .. ':r:' .. id)
if #head == 0 then return {} end
return { head, ARGV[2] == '1' and call('GET', S .. ':j:' .. id),
         ARGV[3] == '1' and call('GET', S .. ':o:' .. id) }
