#!lua flags=allow-oom
-- Who announced itself lately.   KEYS Q   ARGV now   ->  name, seen, slots, running, started, languages
-- include queue.lua
local since = string.format('%.0f', queue_now(ARGV[1]) - GONE)
local ret = {}
local seen = call('ZRANGEBYSCORE', WORKERS, since, '+inf', 'WITHSCORES')
for i = 1, #seen, 2 do
    local said = call('HGET', WORKER, seen[i])
    if said then
        ret[#ret + 1], ret[#ret + 2] = seen[i], seen[i + 1]
        for _, v in ipairs(cjson.decode(said)) do ret[#ret + 1] = v end
    end
end
return ret
