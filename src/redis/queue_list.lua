#!lua flags=allow-oom
-- Entries of one place, in their order.   KEYS Q   ARGV now place offset limit
--   ->  as queue_view.lua, one after the other
-- include queue.lua
-- include queue_choose.lua
-- include queue_view.lua
local place, offset, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local last = offset + limit - 1
advance(queue_now(ARGV[1]))

-- Who will be offered: the weights and turns played through on counts, without touching an id that
-- is not asked for. Lanes are { tenant, count, taken, head }, the first is whose turn it is.
local function ring_of(p)
    local ring = { ready = 0, first = 1 }
    local head = head_of(p)
    local h = head and entry_get(head)
    for _, tenant in ipairs(call('ZRANGE', turns(p), 0, last)) do -- more have no turn before that
        local l = { p = p, tenant = tenant, taken = 0 }
        l.count = call('ZCARD', lane(l))
        if h and h.tenant == tenant then
            l.head, l.count, l.taken, h = head, l.count + 1, -1, nil
        end
        if l.count > 0 then
            ring[#ring + 1] = l
            ring.ready = ring.ready + l.count
        end
    end
    return ring
end

local function next_of(ring)
    local l = ring[ring.first]
    local found = { l = l, rank = l.taken }
    ring.first = ring.first + 1
    l.taken, l.count = l.taken + 1, l.count - 1
    if l.count > 0 then ring[#ring + 1] = l end
    return found
end

local function waiting(ids)
    local rings, credit, ready = {}, {}, {}
    for p = 0, 2 do
        rings[p] = ring_of(p)
        ready[p] = rings[p].ready
        credit[p] = tonumber(call('HGET', Q, 'credit:' .. p) or 0)
    end
    for i = 0, last do
        local p = choose(credit, ready)
        if not p then break end
        local found = next_of(rings[p])
        ready[p] = ready[p] - 1
        if i >= offset then
            local id = found.l.head
            if found.rank >= 0 then id = call('ZRANGE', lane(found.l), found.rank, found.rank)[1] end
            if id then ids[#ids + 1] = id end
        end
    end
end

-- The three priorities together: as many of each as may be needed, then by time.
local function delays(ids)
    local all = {}
    for p = 0, 2 do
        local got = call('ZRANGE', delayed(p), 0, last, 'WITHSCORES')
        for i = 1, #got, 2 do all[#all + 1] = { got[i], tonumber(got[i + 1]) } end
    end
    table.sort(all, function(a, b) return a[2] < b[2] end)
    for i = offset + 1, math.min(last + 1, #all) do ids[#ids + 1] = all[i][1] end
end

local function deaths(ids)
    local got = call('XREVRANGE', DEAD, '+', '-', 'COUNT', last + 1)
    for i = offset + 1, #got do ids[#ids + 1] = got[i][2][2] end
end

local ids = {}
if place == 'w' then
    waiting(ids)
elseif place == 'd' then
    delays(ids)
elseif place == 'l' then
    ids = call('ZRANGE', LEASES, offset, last)
else
    deaths(ids)
end
local ret = {}
for _, id in ipairs(ids) do view(id, ret) end
return ret
