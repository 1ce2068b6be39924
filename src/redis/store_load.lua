#!lua flags=no-writes,allow-oom
-- One record.   KEYS Q S   ARGV id job outcome (1: wanted)   ->  { head, job, outcome }; {}: unknown
-- include store.lua
local id = ARGV[1]
local head = call('HGETALL', head_of(id))
if #head == 0 then return {} end
return { head, ARGV[2] == '1' and call('GET', job_of(id)),
         ARGV[3] == '1' and call('GET', outcome_of(id)) }
