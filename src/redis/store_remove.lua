#!lua flags=allow-oom
-- Delete a final record.   KEYS Q S   ARGV id   ->  its state as a text; "": unknown
-- include store.lua
local id = ARGV[1]
local r = record_get(id)
if not r then
    rest_drop(id)
    return ''
end
if is_final(r) then record_drop(id, r, false, 0) end
return r.s or QUEUED
