#!lua flags=allow-oom
-- Never offered again, kept with its reason.   KEYS Q   ARGV now id reason
-- include queue.lua
queue_bury(ARGV[2], ARGV[3])
return 1
