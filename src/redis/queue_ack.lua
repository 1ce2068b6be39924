#!lua flags=allow-oom
-- Finished.   KEYS Q   ARGV now id
-- include queue.lua
queue_ack(ARGV[2])
return 1
