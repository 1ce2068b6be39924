#!lua flags=allow-oom
-- Numbers, without walking through anything: the age is that of the first in line of each tenant, of
-- the first hundred tenants.
--   KEYS Q   ARGV now   ->  waiting low, normal, high, leased, oldest, expired, dead, paused
-- include queue.lua
advance(queue_now(ARGV[1]))
local ret, oldest = {}, NEVER

local function look(id)
    local x = id and entry_get(id)
    if x then oldest = math.min(oldest, x.pushed) end
end

for p = 0, 2 do
    ret[#ret + 1] = tonumber(call('HGET', Q, 'ready:' .. p) or 0) + call('ZCARD', delayed(p))
    look((head_of(p)))
    for _, tenant in ipairs(call('ZRANGE', turns(p), 0, 99)) do
        look(call('ZRANGE', lane({ p = p, tenant = tenant }), 0, 0)[1])
    end
end
ret[4] = call('ZCARD', LEASES)
ret[5] = oldest < NEVER and oldest or 0
ret[6] = tonumber(call('HGET', Q, 'expired') or 0)
ret[7] = call('XLEN', DEAD)
ret[8] = paused() and 1 or 0
return ret
