#!lua flags=allow-oom
-- One entry.   KEYS Q   ARGV now id   ->  as queue_view.lua; empty: not here
-- include queue.lua
-- include queue_view.lua
advance(queue_now(ARGV[1]))
return view(ARGV[2], {})
