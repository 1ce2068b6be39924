#!lua flags=allow-oom
-- Keep the first result, and end the id's place in the queue whatever became of this one. A repeat of
-- the one that won has won: its answer may have been lost.
--   KEYS Q S   ARGV now id state verdict attempt started finished body dead
--   dead: why it is to be a dead letter; "" it is not   ->  1 kept, 0 final already, or unknown
-- include queue.lua
-- include store.lua
local id, dead = ARGV[2], ARGV[9]
local e = { state = ARGV[3], verdict = ARGV[4], attempt = tonumber(ARGV[5]),
            started = tonumber(ARGV[6]), finished = tonumber(ARGV[7]), body = ARGV[8] }
local r = record_get(id)
local now = queue_now(ARGV[1])
if r and is_final(r) then
    local mine = r.f == text(e.finished) and r.v == e.verdict and r.n == text(e.attempt)
    queue_ack(id)
    return mine and 1 or 0
end
if dead ~= '' and r then queue_bury(id, dead, now) else queue_ack(id) end
if not r then return 0 end
record_end(id, r, e, now)
return 1
