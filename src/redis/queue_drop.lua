#!lua flags=allow-oom
-- Take out what is waiting, delayed or dead.   KEYS Q   ARGV now id   ->  1, 0: leased or unknown
-- include queue.lua
return queue_drop(ARGV[2], queue_now(ARGV[1])) and 1 or 0
