#!lua flags=allow-oom
-- Ask for a cancel: what is queued ends now, what runs is marked.
--   KEYS Q S   ARGV now id verdict finished body   ->  { won, state }; {}: unknown
-- include queue.lua
-- include store.lua
local id = ARGV[2]
local r = record_get(id)
if not r then return {} end
local state = r.s or QUEUED
if state == QUEUED then
    record_end(id, r, { state = CANCELLED, verdict = ARGV[3], attempt = 0, started = 0,
                        finished = tonumber(ARGV[4]), body = ARGV[5] }, queue_now(ARGV[1]))
    queue_ack(id)
    return { 1, tonumber(CANCELLED) }
end
if state == RUNNING then call('HSET', record_key(id), 'x', 1) end
return { 0, tonumber(state) }
