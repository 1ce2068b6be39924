#!lua
-- Put an id in line.   KEYS Q   ARGV now id priority tenant delay
-- include queue.lua
return queue_push(ARGV[2], ARGV[3], ARGV[4], ARGV[5], queue_now(ARGV[1])) and 1 or 0
