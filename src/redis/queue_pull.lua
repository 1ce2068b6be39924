#!lua flags=allow-oom
-- Lease what is next, by the weights of the priorities. With nothing there: who is to wait, and how
-- long. One of those that wait is the timer: it wakes when the next delayed id is due. A delayed id
-- that is due earlier wakes somebody, who becomes the timer instead.
-- A pull has a number; when its answer was lost, the puller asks again with the same one and gets what
-- was leased to it then.
--   KEYS Q   ARGV now lease consumer puller number max wake-entry again
--   ->  microseconds to wait at most (-1: for ever), then id, attempt, priority, pushed, entry each
-- include queue.lua
-- include queue_choose.lua
local now, consumer, puller = queue_now(ARGV[1]), ARGV[3], ARGV[4]
local this_pull, max = puller .. '/' .. ARGV[5], tonumber(ARGV[6])
local ends = later(now, ARGV[2])
local ret = {}

local function hand_out(x, entry)
    for _, v in ipairs({ x.id, x.attempts + 1, x.p, x.pushed, entry }) do ret[#ret + 1] = v end
end

-- What this pull was given when its answer was lost.
local function hand_out_again()
    for p = 0, 2 do
        local all = call('HGETALL', out(p))
        for i = 1, #all, 2 do
            local entry, by = string.match(all[i + 1], '^(%S+) (.*)$')
            local x = by == this_pull and entry_get(all[i])
            if x and #ret < 5 * max then
                call('ZADD', LEASES, string.format('%.0f', ends), x.id)
                hand_out(x, entry)
            elseif x then
                unlease(x, false)
                line_up(x, now, now)
            end
        end
    end
end

local function read_head(p)
    return redis.pcall('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', 1, 'STREAMS', stream(p), '>')
end

-- The head of a priority, leased to the consumer, if it is what we think. False: there is none; what
-- is counted was delivered to somebody who has not told yet, or deleted by hand (queue_tend looks).
local function take(p)
    local read = read_head(p)
    if read and read.err then
        group_of(stream(p), p)
        read = read_head(p)
    end
    if not read then
        fill(p)
        read = read_head(p)
    end
    if not read or read.err then return false end
    local entry, id = read[1][2][1][1], read[1][2][1][2][2]
    local x = id and entry_get(id)
    local known, by
    if x and x.place == 's' then known, by = out_get(x) end
    if known == entry and by ~= '' then return true end -- leased; the group was moved by hand
    if known ~= entry then -- put there by hand
        call('XACK', stream(p), GROUP, entry)
        call('XDEL', stream(p), entry)
        fill(p)
        return true
    end
    call('HDEL', Q, 'head:' .. p)
    lease(x, entry, this_pull, ends)
    fill(p)
    hand_out(x, entry)
    return true
end

local function lease_some()
    if paused() then return end
    local have = call('HMGET', Q, 'credit:0', 'credit:1', 'credit:2')
    local credit, before, none = {}, {}, {}
    for p = 0, 2 do
        credit[p] = tonumber(have[p + 1] or 0)
        before[p] = credit[p]
    end
    while #ret < 5 * max do
        have = call('HMGET', Q, 'ready:0', 'ready:1', 'ready:2')
        local ready = {}
        for p = 0, 2 do ready[p] = none[p] and 0 or tonumber(have[p + 1] or 0) end
        local p = choose(credit, ready)
        if not p then break end
        none[p] = not take(p)
    end
    for p = 0, 2 do
        if credit[p] ~= before[p] then call('HSET', Q, 'credit:' .. p, credit[p]) end
    end
end

local function next_due()
    local due
    for p = 0, 2 do
        local first = call('ZRANGE', delayed(p), 0, 0, 'WITHSCORES')[2]
        if first then due = math.min(due or NEVER, tonumber(first)) end
    end
    if due and due < NEVER then return due end
    return nil
end

if ARGV[7] ~= '' then
    call('XACK', WAKE, GROUP, ARGV[7])
    call('XDEL', WAKE, ARGV[7])
end
advance(now)
if ARGV[8] == '1' then hand_out_again() end
if #ret == 0 then lease_some() end

local due = next_due()
local timer = call('HMGET', Q, 'timer', 'timer_due')
local wait = -1
if timer[1] == puller then
    if #ret > 0 or not due then
        call('HDEL', Q, 'timer', 'timer_due')
        timer[1] = false
        if due then wake() end
    end
end
if #ret == 0 then -- the caller waits next: on streams that must be there
    for p = 0, 2 do group_of(stream(p), p) end
    group_of(WAKE)
end
if #ret == 0 and due then
    local theirs = timer[1] and timer[1] ~= puller and tonumber(timer[2])
    if not theirs or theirs > due or theirs < now then
        call('HSET', Q, 'timer', puller, 'timer_due', string.format('%.0f', due))
        wait = math.max(due - now, 1)
    end
end
table.insert(ret, 1, wait)
return ret
