#!lua flags=allow-oom
-- Running; not when it is final already.   KEYS Q S   ARGV id attempt started
-- Without store.lua, as store_load.lua. Its key and states:
local key = KEYS[2] .. ':r:' .. ARGV[1]
local r = redis.call('HMGET', key, 'q', 's')
if r[1] and (r[2] or '0') < '2' then
    redis.call('HSET', key, 's', '1', 'n', ARGV[2], 'b', ARGV[3])
end
return 1
