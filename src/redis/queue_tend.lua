#!lua flags=allow-oom
-- What must happen although nobody asks: delays and leases end, workers that are gone lose theirs, and
-- places that got lost (somebody trimmed or deleted) are mended from the entries, which are the truth.
-- Looks at numbers only, unless they do not agree.   KEYS Q   ARGV now lease
-- include queue.lua
local now = queue_now(ARGV[1])

-- Entry ids in order: "1764000000000-3".
local function not_after(a, b)
    local am, an = string.match(a, '^(%d+)-(%d+)$')
    local bm, bn = string.match(b, '^(%d+)-(%d+)$')
    am, bm = tonumber(am), tonumber(bm)
    return am < bm or (am == bm and tonumber(an) <= tonumber(bn))
end

-- It lost its place. That is nobody's attempt.
local function put_back(x)
    unlease(x, false)
    line_up(x, now, now)
end

-- One entry that should be in a stream.
local function mend_out(p, id, entry, worker, last)
    local x = entry_get(id)
    if not x or x.p ~= p or x.place ~= 's' then
        stream_take(p, id, entry)
        return
    end
    local there = call('XRANGE', stream(p), entry, entry)[1]
    local pending = call('XPENDING', stream(p), GROUP, entry, entry, 1)[1]
    if not there or (not pending and not_after(entry, last)) then
        put_back(x)
    elseif pending and not call('ZSCORE', LEASES, id) then
        -- delivered, and its worker died before it could say so: as if it had
        if worker == '' then
            lease(x, entry, pending[2], later(now, ARGV[2]))
        else
            call('ZADD', LEASES, string.format('%.0f', later(now, ARGV[2])), id)
        end
    end
end

-- Its place in Q:out is gone.
local function put_back_lost(id, p)
    local x = entry_get(id)
    if not x or x.place ~= 's' or x.p ~= p then return end
    if not call('ZSCORE', LEASES, id) then call('HINCRBY', Q, 'ready:' .. p, -1) end
    put_back(x)
end

-- What is in the stream, or in the group's list, and belongs to nobody.
local function mend_strays(p)
    for _, got in ipairs(call('XRANGE', stream(p), '-', '+', 'COUNT', 10000)) do
        local id = got[2][2]
        local known = id and call('HGET', out(p), id)
        if not known or string.match(known, '^%S+') ~= got[1] then
            call('XACK', stream(p), GROUP, got[1])
            call('XDEL', stream(p), got[1])
            if id and not known then put_back_lost(id, p) end
        end
    end
    for _, pending in ipairs(call('XPENDING', stream(p), GROUP, '-', '+', 10000)) do
        if not call('XRANGE', stream(p), pending[1], pending[1])[1] then
            call('XACK', stream(p), GROUP, pending[1])
        end
    end
end

local function mend(p)
    local last = group_of(stream(p), p)
    local all = call('HGETALL', out(p))
    for i = 1, #all, 2 do
        local entry, worker = string.match(all[i + 1], '^(%S+) (.*)$')
        mend_out(p, all[i], entry, worker, last)
    end
    mend_strays(p)
    for _, id in ipairs(call('ZRANGE', LEASES, 0, -1)) do
        local x = entry_get(id)
        if x and x.p == p and x.place == 's' and not out_get(x) then put_back(x) end
    end
end

-- Those in the stream that nobody has told to have.
local function untold(p)
    local count = 0
    for _, text in ipairs(call('HVALS', out(p))) do
        if string.sub(text, -1) == ' ' then count = count + 1 end
    end
    return count
end

-- Entries of the stream that wait to be delivered: there should be one, the head, or none.
local function heads(p)
    local ret, all = {}, call('HGETALL', out(p))
    for i = 1, #all, 2 do
        local entry, by = string.match(all[i + 1], '^(%S+) (.*)$')
        if by == '' and call('XRANGE', stream(p), entry, entry)[1]
            and #call('XPENDING', stream(p), GROUP, entry, entry, 1) == 0 then
            ret[#ret + 1] = { id = all[i], entry = entry }
        end
    end
    table.sort(ret, function(x, y) return not_after(x.entry, y.entry) and x.entry ~= y.entry end)
    return ret
end

-- One head, noted, and the first that the group would deliver, whoever moved the group or took the
-- note away.
local function mend_head(p)
    local _, entry = undelivered(stream(p), p)
    local _, noted = head_of(p)
    if noted == entry and untold(p) == (noted and 1 or 0) then return end
    local found = heads(p)
    local last = table.remove(found)
    if last then
        call('HSET', Q, 'head:' .. p, last.entry .. ' ' .. last.id)
        call('XGROUP', 'SETID', stream(p), GROUP, before(last.entry))
    else
        call('HDEL', Q, 'head:' .. p)
        call('XGROUP', 'SETID', stream(p), GROUP, '$')
    end
    for _, other in ipairs(found) do
        local x = entry_get(other.id)
        if x and x.place == 's' then put_back(x) else stream_take(p, other.id, other.entry) end
    end
end

-- Streams, groups and leases against what should be in them.
local function audit()
    local pendings, wrong = 0, {}
    for p = 0, 2 do
        mend_head(p)
        local _, pending = group_of(stream(p), p)
        local count, head = call('XLEN', stream(p)), undelivered(stream(p), p) and 1 or 0
        wrong[p] = count ~= call('HLEN', out(p)) or pending + head ~= count or untold(p) ~= head
        pendings = pendings + pending
    end
    local all = pendings ~= call('ZCARD', LEASES)
    for p = 0, 2 do
        if all or wrong[p] then mend(p) end
        fill(p)
    end
end

-- The numbers of all places together against the number of entries.
local function count_places()
    local count = call('HLEN', GRAVES) + call('ZCARD', LEASES)
    for p = 0, 2 do
        count = count + tonumber(call('HGET', Q, 'ready:' .. p) or 0) + call('ZCARD', delayed(p))
    end
    return count
end

local function ready_of(p)
    local ready = untold(p)
    for _, tenant in ipairs(call('ZRANGE', turns(p), 0, -1)) do
        ready = ready + call('ZCARD', lane({ p = p, tenant = tenant }))
    end
    return ready
end

-- The lanes are not what was counted. With very many tenants only a line without a head is looked at.
local function lane_lost()
    for p = 0, 2 do
        local ready = tonumber(call('HGET', Q, 'ready:' .. p) or 0)
        if call('ZCARD', turns(p)) <= 100 then
            if ready ~= ready_of(p) then return true end
        elseif not head_of(p) and not paused() then
            return true
        end
    end
    return false
end

local function place_lost(x)
    if x.place == 'r' then return not call('ZSCORE', lane(x), x.id) end
    if x.place == 'd' then return not call('ZSCORE', delayed(x.p), x.id) end
    if x.place == 's' then return call('HEXISTS', out(x.p), x.id) == 0 end
    return false
end

-- Who finds a dead letter by its id: made again from the letters themselves.
local function mend_graves()
    if call('HLEN', GRAVES) == call('XLEN', DEAD) then return end
    for _, letter in ipairs(call('XRANGE', DEAD, '-', '+')) do
        local id = letter[2][2]
        local x, grave = entry_get(id), call('HGET', GRAVES, id)
        if x and x.place == 'x' and not grave then
            call('HSET', GRAVES, id, letter[1])
        elseif grave ~= letter[1] then
            call('XDEL', DEAD, letter[1])
        end
    end
end

-- Dead letters that somebody deleted are gone, anything else goes back in line.
local function mend_entry(id)
    local x = entry_get(id)
    if not x then
        call('HDEL', ENTRIES, id)
    elseif x.place == 'x' then
        local grave = call('HGET', GRAVES, id)
        if not grave or not call('XRANGE', DEAD, grave, grave)[1] then
            call('HDEL', GRAVES, id)
            call('HDEL', ENTRIES, id)
        end
    elseif place_lost(x) then
        call('ZREM', LEASES, id)
        line_up(x, now, now)
    elseif x.place == 'r' and not call('ZSCORE', turns(x.p), x.tenant) then
        call('ZADD', turns(x.p), next_turn(), x.tenant)
        fill(x.p)
    end
end

local function recount()
    for p = 0, 2 do call('HSET', Q, 'ready:' .. p, ready_of(p)) end
end

-- Every entry, some at a time, as long as there is doubt.
local function mend_entries()
    local doubt = call('HGET', Q, 'doubt')
    if not doubt then
        if count_places() == call('HLEN', ENTRIES) and call('HLEN', GRAVES) == call('XLEN', DEAD)
            and not lane_lost() then
            return
        end
        doubt = '0'
        mend_graves()
    end
    local scan = call('HSCAN', ENTRIES, doubt, 'COUNT', AT_ONCE)
    for i = 1, #scan[2], 2 do mend_entry(scan[2][i]) end
    if scan[1] ~= '0' then
        call('HSET', Q, 'doubt', scan[1])
    else
        recount()
        call('HDEL', Q, 'doubt')
    end
end

-- Leases of a worker that stopped announcing itself end now; its name leaves the groups.
local function bury_worker(name)
    for p = 0, 2 do
        for _, pending in ipairs(call('XPENDING', stream(p), GROUP, '-', '+', 1000, name)) do
            local found = call('XRANGE', stream(p), pending[1], pending[1])[1]
            local x = found and entry_get(found[2][2])
            if x and x.place == 's' and out_get(x) == pending[1] then
                if select(2, out_get(x)) == '' then lease(x, pending[1], name, now) end
                expire(x, now)
            else
                call('XACK', stream(p), GROUP, pending[1])
            end
        end
        call('XGROUP', 'DELCONSUMER', stream(p), GROUP, name)
    end
    call('XGROUP', 'DELCONSUMER', WAKE, GROUP, name)
    call('ZREM', WORKERS, name)
    call('HDEL', WORKER, name)
end

-- Names that never announced themselves, or are not known any more: once in ten minutes.
local function sweep_names()
    if now - tonumber(call('HGET', Q, 'swept') or 0) < 600000000 then return end
    call('HSET', Q, 'swept', string.format('%.0f', now))
    for _, key in ipairs({ stream(0), stream(1), stream(2), WAKE }) do
        for _, c in ipairs(call('XINFO', 'CONSUMERS', key, GROUP)) do
            local f = {}
            for i = 1, #c, 2 do f[c[i]] = c[i + 1] end
            if f.pending == 0 and f.idle > 600000 and not call('ZSCORE', WORKERS, f.name) then
                call('XGROUP', 'DELCONSUMER', key, GROUP, f.name)
            end
        end
    end
end

-- "Look again" read by one who died of it.
local function mend_wake()
    local _, pending = group_of(WAKE)
    if pending == 0 then return end
    for _, one in ipairs(call('XPENDING', WAKE, GROUP, 'IDLE', 5000, '-', '+', 100)) do
        call('XACK', WAKE, GROUP, one[1])
        call('XDEL', WAKE, one[1])
    end
end

advance(now)
-- The rest is done once a second, however many processes there are.
if ARGV[1] == '' then
    if now - tonumber(call('HGET', Q, 'tended') or 0) < 900000 then return 0 end
    call('HSET', Q, 'tended', string.format('%.0f', now))
end
audit()
mend_entries()
mend_wake()
for _, name in ipairs(call('ZRANGEBYSCORE', WORKERS, '-inf', string.format('%.0f', now - GONE))) do
    bury_worker(name)
end
sweep_names()
return 1
