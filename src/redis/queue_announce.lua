#!lua flags=allow-oom
-- A worker says what it can do.   KEYS Q   ARGV now name slots running started languages
-- include queue.lua
call('ZADD', WORKERS, string.format('%.0f', queue_now(ARGV[1])), ARGV[2])
call('HSET', WORKER, ARGV[2], cjson.encode({ ARGV[3], ARGV[4], ARGV[5], ARGV[6] }))
return 1
