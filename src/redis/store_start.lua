#!lua flags=allow-oom
-- Running; not when it is final already.   KEYS Q S   ARGV id attempt started
-- include store.lua
local r = record_get(ARGV[1])
if r and not is_final(r) then
    call('HSET', head_of(ARGV[1]), 's', RUNNING, 'n', ARGV[2], 'b', ARGV[3])
end
return 1
