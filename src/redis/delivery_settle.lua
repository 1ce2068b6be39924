#!lua flags=allow-oom
-- Note an attempt; not when another one was noted meanwhile.
--   KEYS Q S   ARGV id attempts state due at line most   line: of the log   ->  1 noted
-- include store.lua
local did, state = ARGV[1], ARGV[3]
local d = hash(delivery_of(did))
if not d or d.s ~= '1' or d.n ~= ARGV[2] then return 0 end
call('HSET', delivery_of(did), 's', state, 'n', tonumber(ARGV[2]) + 1, 'z', ARGV[5])
if state == '1' then call('ZADD', DUE, ARGV[4], did) else call('ZREM', DUE, did) end
call('RPUSH', log_of(did), ARGV[6])
call('LTRIM', log_of(did), -tonumber(ARGV[7]), -1)
return 1
