#!lua flags=allow-oom
-- Never offered again, kept with its reason.   KEYS Q   ARGV now id reason
-- include queue.lua
queue_bury(ARGV[2], ARGV[3], queue_now(ARGV[1]))
return 1
