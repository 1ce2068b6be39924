-- SPDX-License-Identifier: Apache-2.0
-- queue.lua - the places an id of the queue can be in, and the only ways from one to another.
--
-- Put in front of every script that moves an id ("-- include queue.lua"), the store's as well: what
-- a submission's admission and its end do to the queue happens in one write with the record's.
-- KEYS[1] is the queue's own key; all others begin with it and share its hash tag. Times are
-- microseconds since 1970, of the server's clock; a test passes its own.
--
--   Q                 hash: seq, turn, ready:P, credit:P, head:P (P a priority, 0 low to 2 high;
--                     head: "entry-id id"), paused, expired, timer, timer_due, time, tended, doubt, swept
--   Q:entries         hash: id -> "place:P:attempts:seq:pushed:tenant", see entry_get()
--   Q:lane:P:TENANT   zset: what a tenant has ready, by seq
--   Q:turns:P         zset: the tenants that have something ready, by whose turn it is
--   Q:delayed:P       zset: by when it is due
--   Q:stream:P        stream, group "workers": what is leased, and the one that is next, its head
--   Q:out:P           hash: id -> "entry-id worker/pull" of what is in the stream; the head has no
--                     worker yet
--   Q:leases          zset: what is leased, by when that ends
--   Q:dead            stream: dead letters; Q:graves, hash: id -> entry-id
--   Q:wake            stream, group "workers": "look again", read by one of those that wait
--   Q:workers         zset: name by when seen; Q:worker, hash: name -> what it said
--
-- Always true between scripts: every id of Q:entries is in exactly one place; while the queue is not
-- paused, a priority that has something ready has exactly one undelivered entry in its stream, so a
-- blocked XREADGROUP never sleeps beside work. The stream is no backlog: who is next is decided
-- again with every delivery, and a head that should not be next any more is taken out again.
-- A tenant's turn is over when its entry is delivered, not when it is chosen. What a blocked XREADGROUP
-- was given is "delivered, not told" until queue_took says who has it: it has no worker in Q:out, no
-- lease, and still counts as ready.

local Q = KEYS[1]
local ENTRIES, LEASES, DEAD, GRAVES = Q .. ':entries', Q .. ':leases', Q .. ':dead', Q .. ':graves'
local WAKE, WORKERS, WORKER = Q .. ':wake', Q .. ':workers', Q .. ':worker'
local GROUP, NEVER, AT_ONCE = 'workers', 9000000000000000, 500
local GONE = 20000000 -- a worker not seen for that long is dead
local call = redis.call

local function queue_now(given)
    if given and given ~= '' then return tonumber(given) end
    local t = call('TIME')
    return t[1] * 1000000 + t[2]
end

local function later(now, delay)
    return math.min(now + math.max(tonumber(delay), 0), NEVER)
end

local function stream(p) return Q .. ':stream:' .. p end
local function out(p) return Q .. ':out:' .. p end
local function turns(p) return Q .. ':turns:' .. p end
local function delayed(p) return Q .. ':delayed:' .. p end
local function lane(x) return Q .. ':lane:' .. x.p .. ':' .. x.tenant end

-- ---- entries ----

-- place: r ready in its lane, s in the stream (head or leased), d delayed, x dead.
-- attempts: leases that have ended; the one that runs now comes on top.
local function entry_get(id)
    local text = call('HGET', ENTRIES, id)
    if not text then return nil end
    local place, p, attempts, seq, pushed, tenant =
        string.match(text, '^(%a):([012]):(%d+):(%d+):(%d+):(.*)$')
    if not place then return nil end
    return { id = id, place = place, p = tonumber(p), attempts = tonumber(attempts),
             seq = tonumber(seq), pushed = tonumber(pushed), tenant = tenant }
end

local function entry_put(x, place)
    x.place = place
    call('HSET', ENTRIES, x.id, string.format('%s:%d:%d:%.0f:%.0f:%s', place, x.p, x.attempts,
         x.seq, x.pushed, x.tenant))
end

-- ---- streams ----

-- The id right before another: "5-0" -> "4-18446744073709551615".
local function before(entry)
    local ms, n = string.match(entry, '^(%d+)-(%d+)$')
    if tonumber(n) > 0 then return string.format('%s-%d', ms, tonumber(n) - 1) end
    return string.format('%.0f-18446744073709551615', tonumber(ms) - 1)
end

-- A stream's first group, and the one after somebody deleted it: it stands right before the head of a
-- priority, or behind all that is there. What was delivered by the old one is found by the audit.
local function group_make(key, p)
    local head = p and call('HGET', Q, 'head:' .. p)
    call('XGROUP', 'CREATE', key, GROUP, head and before(string.match(head, '^%S+')) or '$',
        'MKSTREAM')
end

-- The group's last-delivered-id and number of pending entries.
local function group_of(key, p)
    local groups = redis.pcall('XINFO', 'GROUPS', key)
    if not groups.err then
        for _, g in ipairs(groups) do
            local f = {}
            for i = 1, #g, 2 do f[g[i]] = g[i + 1] end
            if f.name == GROUP then return f['last-delivered-id'], f.pending end
        end
    end
    group_make(key, p)
    return group_of(key, p)
end

-- The first entry of a stream nobody has read yet, and its id; nil: there is none.
local function undelivered(key, p)
    local last = group_of(key, p)
    local found = call('XRANGE', key, '(' .. last, '+', 'COUNT', 1)[1]
    if found then return found[2][2], found[1] end
    return nil
end

-- The head of a priority, as noted, and its entry; nil: there is none, or a waiting XREADGROUP took it.
local function head_of(p)
    local text = call('HGET', Q, 'head:' .. p)
    if not text then return nil end
    local entry, id = string.match(text, '^(%S+) (.*)$')
    local pending = redis.pcall('XPENDING', stream(p), GROUP, entry, entry, 1)
    if pending.err then group_make(stream(p), p) end
    if pending.err or #pending == 0 then return id, entry end
    call('HDEL', Q, 'head:' .. p)
    return nil
end

local function head_is(p, id)
    local head = head_of(p)
    return head == id
end

local function stream_take(p, id, entry)
    call('XACK', stream(p), GROUP, entry)
    call('XDEL', stream(p), entry)
    call('HDEL', out(p), id)
    if call('HGET', Q, 'head:' .. p) == entry .. ' ' .. id then call('HDEL', Q, 'head:' .. p) end
end

local function out_get(x)
    local text = call('HGET', out(x.p), x.id)
    if not text then return nil end
    return string.match(text, '^(%S+) (.*)$')
end

-- The worker's name, of who pulled.
local function name_of(puller)
    return string.match(puller, '^[^/]*')
end

-- One of those that wait looks again.
local function wake()
    if not undelivered(WAKE) then call('XADD', WAKE, '*', 'look', '1') end
end

-- ---- ready: lanes, turns, heads ----

local function paused()
    return call('HEXISTS', Q, 'paused') == 1
end

-- The lane lost its last one: its tenant has no turn any more, unless it has the head.
local function turn_check(x)
    if call('ZCARD', lane(x)) > 0 then return end
    local head = head_of(x.p)
    local h = head and entry_get(head)
    if not (h and h.tenant == x.tenant) then call('ZREM', turns(x.p), x.tenant) end
end

-- Put the next one of a priority into its stream, if none is there.
local function fill(p)
    if head_of(p) or paused() then return end
    while true do
        local tenant = call('ZRANGE', turns(p), 0, 0)[1]
        if not tenant then return end
        local key = lane({ p = p, tenant = tenant })
        local id = call('ZRANGE', key, 0, 0)[1]
        if not id then
            call('ZREM', turns(p), tenant)
        else
            call('ZREM', key, id)
            local x = entry_get(id)
            if x then
                local entry = call('XADD', stream(p), '*', 'i', id, 'a', x.attempts + 1,
                    'u', string.format('%.0f', x.pushed))
                call('HSET', out(p), id, entry .. ' ')
                call('HSET', Q, 'head:' .. p, entry .. ' ' .. id)
                entry_put(x, 's')
                return
            end
        end
    end
end

-- The head goes back to its lane.
local function unfill(p)
    local id, entry = head_of(p)
    if not id then return end
    stream_take(p, id, entry)
    local x = entry_get(id)
    if x then
        call('ZADD', lane(x), x.seq, id)
        entry_put(x, 'r')
    end
end

local function next_turn()
    return call('HINCRBY', Q, 'turn', 1)
end

-- Into the line: ready at its old place, or delayed.
local function line_up(x, now, due)
    if due > now then
        call('ZADD', delayed(x.p), string.format('%.0f', due), x.id)
        entry_put(x, 'd')
        local timer = tonumber(call('HGET', Q, 'timer_due') or NEVER)
        if timer <= now then timer = NEVER end -- it is late, or dead
        if due < timer and due < NEVER then wake() end
        return
    end
    call('ZADD', lane(x), x.seq, x.id)
    entry_put(x, 'r')
    call('HINCRBY', Q, 'ready:' .. x.p, 1)
    if not call('ZSCORE', turns(x.p), x.tenant) then
        call('ZADD', turns(x.p), next_turn(), x.tenant)
    end
    local head = head_of(x.p)
    local h = head and entry_get(head)
    if h and h.tenant == x.tenant and h.seq > x.seq then unfill(x.p) end
    fill(x.p)
end

-- ---- leases ----

-- The head was delivered: its tenant's turn is over. The caller puts the next one in its place.
local function lease(x, entry, puller, ends)
    call('HSET', out(x.p), x.id, entry .. ' ' .. puller)
    call('ZADD', LEASES, string.format('%.0f', ends), x.id)
    call('HINCRBY', Q, 'ready:' .. x.p, -1)
    if call('ZCARD', lane(x)) > 0 then
        call('ZADD', turns(x.p), next_turn(), x.tenant)
    else
        call('ZREM', turns(x.p), x.tenant)
    end
end

-- The entry a receipt leases, and who pulled it; nil: the lease is over.
local function held(id, receipt)
    local x = entry_get(id)
    if not x or x.place ~= 's' then return nil end
    local entry, puller = out_get(x)
    if entry ~= receipt then return nil end
    return x, puller
end

-- Out of the stream: a lease ends, or the head is taken away. The id is in no place until its caller
-- puts it into one. counts: the attempt. Returns who pulled it; "": nobody has told.
local function unlease(x, counts)
    local entry, puller = out_get(x)
    if entry then stream_take(x.p, x.id, entry) end
    if puller == '' then call('HINCRBY', Q, 'ready:' .. x.p, -1) end
    call('ZREM', LEASES, x.id)
    if counts then x.attempts = x.attempts + 1 end
    return puller
end

-- A lease ran out, or its worker is gone.
local function expire(x, now)
    unlease(x, true)
    call('HINCRBY', Q, 'expired', 1)
    line_up(x, now, now)
end

-- Every process tends the queue once a second, so when nobody has been here for seconds, it was Redis
-- or the way to it that was away: that time ends no lease, and makes no worker look dead.
local GAP = 6000000
local function forgive_gap(now)
    local time = tonumber(call('HGET', Q, 'time') or 0)
    if now - time > 1000000 or now < time then call('HSET', Q, 'time', string.format('%.0f', now)) end
    if time == 0 or now - time <= GAP then return end
    for _, key in ipairs({ LEASES, WORKERS }) do
        for _, member in ipairs(call('ZRANGE', key, 0, -1)) do
            call('ZINCRBY', key, string.format('%.0f', now - time), member)
        end
    end
end

-- Let time pass: what is due becomes ready, leases that ran out end.
local function advance(now)
    if ARGV[1] == '' then forgive_gap(now) end -- a test's clock may jump
    local upto = string.format('%.0f', now)
    for p = 0, 2 do
        for _, id in ipairs(call('ZRANGEBYSCORE', delayed(p), '-inf', upto, 'LIMIT', 0, AT_ONCE)) do
            call('ZREM', delayed(p), id)
            local x = entry_get(id)
            if x and x.place == 'd' then line_up(x, now, now) end
        end
    end
    for _, id in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', upto, 'LIMIT', 0, AT_ONCE)) do
        local x = entry_get(id)
        if x and x.place == 's' then expire(x, now) else call('ZREM', LEASES, id) end
    end
end

-- ---- what others do to an id ----

-- Put an id in line. False: it is here already, nothing changed.
local function queue_push(id, p, tenant, delay, now)
    if call('HEXISTS', ENTRIES, id) == 1 then return false end
    line_up({ id = id, p = tonumber(p), attempts = 0, seq = call('HINCRBY', Q, 'seq', 1),
              pushed = later(queue_now(''), delay), tenant = tenant }, now, later(now, delay))
    return true
end

-- Take an entry out of whatever place it is in. It is in none then.
local function take_out(x)
    if x.place == 'r' then
        call('ZREM', lane(x), x.id)
        call('HINCRBY', Q, 'ready:' .. x.p, -1)
        turn_check(x)
    elseif x.place == 'd' then
        call('ZREM', delayed(x.p), x.id)
    elseif x.place == 'x' then
        local grave = call('HGET', GRAVES, x.id)
        if grave then call('XDEL', DEAD, grave) end
        call('HDEL', GRAVES, x.id)
    elseif unlease(x, not head_is(x.p, x.id)) == '' then
        turn_check(x)
        fill(x.p)
    end
end

-- Finished: never offered again, whoever has it. A dead letter stays one.
local function queue_ack(id)
    local x = entry_get(id)
    if not x or x.place == 'x' then return end
    take_out(x)
    call('HDEL', ENTRIES, id)
end

-- A dead letter from now on. One that is dead already stays what it is.
local function queue_bury(id, reason)
    local x = entry_get(id)
    if not x or x.place == 'x' then return end
    take_out(x)
    local grave = call('XADD', DEAD, '*', 'i', id, 'why', reason,
        'at', string.format('%.0f', queue_now('')))
    call('HSET', GRAVES, id, grave)
    entry_put(x, 'x')
end

-- Take a waiting, delayed or dead id out. False: it is leased, or not here.
local function queue_drop(id, now)
    local x = entry_get(id)
    if not x then return false end
    if x.place == 's' and not head_is(x.p, id) then
        local ends = call('ZSCORE', LEASES, id)
        if not ends or tonumber(ends) > now then return false end
    end
    take_out(x)
    call('HDEL', ENTRIES, id)
    return true
end

-- A dead letter goes back in line, as if pushed now. False: it is not dead.
local function queue_retry(id, now)
    local x = entry_get(id)
    if not x or x.place ~= 'x' then return false end
    take_out(x)
    call('HDEL', ENTRIES, id)
    return queue_push(id, x.p, x.tenant, 0, now)
end
