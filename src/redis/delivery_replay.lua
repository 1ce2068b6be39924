#!lua
-- Send again.   KEYS Q S   ARGV id now   ->  1, 0: unknown or owed still
-- include store.lua
local d = hash(delivery_of(ARGV[1]))
if not d or (d.s or '0') == '0' then return 0 end
delivery_due(ARGV[1], tonumber(ARGV[2]))
return 1
