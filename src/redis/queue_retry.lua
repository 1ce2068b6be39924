#!lua flags=allow-oom
-- A dead letter goes back in line.   KEYS Q   ARGV now id   ->  1, 0: it is not dead
-- include queue.lua
return queue_retry(ARGV[2], queue_now(ARGV[1])) and 1 or 0
