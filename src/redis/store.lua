-- SPDX-License-Identifier: Apache-2.0
-- store.lua - records of submissions, what they owe to whom, and the only ways to change them.
--
-- Put in front of every script of the store; where a script also moves an id through the queue,
-- behind queue.lua. KEYS[1] is the queue's key, KEYS[2] the store's; all others begin with it and
-- share its hash tag. Times are microseconds since 1970.
--
--   S             hash: seq, the last one given
--   S:r:ID        hash, a record's head: q seq, s state (0 to 3), p priority, t tenant, l language,
--                 v verdict, c created, b begun, f finished, n attempts, x cancel asked, k how long to
--                 keep, h a history wants it, a a history has it, y idempotency key, w what it owes
--                 (1 webhook, 2 callback, 3 both), d not to be run before. What is 0 or "" may be
--                 missing. Short names and values keep it in Redis's compact form.
--   S:j:ID  S:o:ID   strings: the job; the outcome of a final record (store_redis_body.c)
--   S:open  S:done   zsets: what is not final, what is, by seq
--   S:expire      zset: final records by when they are to be swept
--   S:fresh       zset: final records that a history waits for, by their end
--   S:k:KEY       string: "ID FINGERPRINT" of an idempotency key
--   S:m:ID        string: the key of a record that moved to a history
--   S:d:DID       hash, a delivery: j job, u url, k kind, s state, n attempts, c created, q seq,
--                 z settled
--   S:g:DID       list: its log, "at took status error"
--   S:due         zset: pending deliveries, by when they are due or their lease ends
--   S:owed  S:sent   zsets: deliveries of what is not final, of what is, by seq
--   S:gone        zset: deliveries whose record moved to a history, by when to look at them again

local S = KEYS[2]
local OPEN, DONE, EXPIRE, FRESH = S .. ':open', S .. ':done', S .. ':expire', S .. ':fresh'
local DUE, OWED, SENT, GONE = S .. ':due', S .. ':owed', S .. ':sent', S .. ':gone'
local DAY, FAR = 86400000000, 9000000000000000
local QUEUED, RUNNING, FINISHED, CANCELLED = '0', '1', '2', '3'
local call = redis.call

local function text(n) return string.format('%.0f', n) end

local function record_key(id) return S .. ':r:' .. id end
local function job_of(id) return S .. ':j:' .. id end
local function outcome_of(id) return S .. ':o:' .. id end
local function moved_of(id) return S .. ':m:' .. id end
local function key_of(key) return S .. ':k:' .. key end
local function delivery_of(did) return S .. ':d:' .. did end
local function log_of(did) return S .. ':g:' .. did end

local function hash(key)
    local flat = call('HGETALL', key)
    if #flat == 0 then return nil end
    local h = {}
    for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
    return h
end

-- Seqs are the time, unless that was given already; count of them in a row, the first is returned.
local function seqs_take(count, now)
    local seq = math.max(now, tonumber(call('HGET', S, 'seq') or 0) + 1)
    call('HSET', S, 'seq', text(seq + count - 1))
    return seq
end

-- ---- deliveries ----

local WEBHOOK, CALLBACK = 0, 1

local function delivery_id(kind, id)
    return (kind == WEBHOOK and 'msg_' or 'cb_') .. (string.gsub(id, '-', ''))
end

-- The ids of what a record owes.
local function debts(id, owes)
    local dids, w = {}, tonumber(owes or 0)
    if w % 2 == 1 then dids[#dids + 1] = delivery_id(WEBHOOK, id) end
    if w >= 2 then dids[#dids + 1] = delivery_id(CALLBACK, id) end
    return dids
end

local function delivery_owe(id, kind, url, created, seq)
    local did = delivery_id(kind, id)
    call('HSET', delivery_of(did), 'j', id, 'u', url, 'k', kind, 'c', created, 'q', text(seq))
    call('ZADD', OWED, text(seq), did)
end

local function delivery_due(did, now)
    local key = delivery_of(did)
    local seq = call('HGET', key, 'q')
    if not seq then return end
    call('HSET', key, 's', 1, 'n', 0)
    call('ZREM', OWED, did)
    call('ZADD', SENT, seq, did)
    call('ZADD', DUE, text(now), did)
end

local function delivery_owe_again(did)
    local key = delivery_of(did)
    local seq = call('HGET', key, 'q')
    if not seq then return end
    call('HSET', key, 's', 0, 'n', 0)
    call('ZREM', SENT, did)
    call('ZREM', DUE, did)
    call('ZADD', OWED, seq, did)
end

local function delivery_drop(did)
    call('DEL', delivery_of(did), log_of(did))
    for _, set in ipairs({ DUE, OWED, SENT, GONE }) do call('ZREM', set, did) end
end

-- ---- records ----

local function record_get(id) return hash(record_key(id)) end

local function is_final(r) return r.s == FINISHED or r.s == CANCELLED end

-- When a record with that end is to be swept.
local function set_expiry(id, r, finished)
    if r.k then
        call('ZADD', EXPIRE, text(math.min(finished + r.k, FAR)), id)
    elseif r.a then
        call('ZREM', EXPIRE, id)
    end
end

-- e: state, verdict, attempt, started, finished (numbers), body
local function record_end(id, r, e, now)
    call('HSET', record_key(id), 's', e.state, 'v', e.verdict, 'f', text(e.finished),
        'n', text(math.max(tonumber(r.n or 0), e.attempt)),
        'b', e.started > 0 and text(e.started) or r.b or '0')
    call('SET', outcome_of(id), e.body)
    call('ZREM', OPEN, id)
    call('ZADD', DONE, r.q, id)
    if r.h then call('ZADD', FRESH, text(e.finished), id) end
    set_expiry(id, r, e.finished)
    for _, did in ipairs(debts(id, r.w)) do delivery_due(did, now) end
end

-- An idempotency key outlives a record that moved to a history, until it is a day old.
local function key_move(id, r, now)
    local left = math.max(1, math.floor((r.c + DAY - now) / 1000))
    call('PEXPIRE', key_of(r.y), text(left))
    call('SET', moved_of(id), r.y, 'PX', text(left))
end

-- The record goes; with moved there is another copy, and what hangs on it stays a while.
local function record_drop(id, r, moved, now)
    call('DEL', record_key(id), job_of(id), outcome_of(id))
    call('ZREM', DONE, id)
    call('ZREM', EXPIRE, id)
    call('ZREM', FRESH, id)
    if r.y then
        if moved then key_move(id, r, now) else call('DEL', key_of(r.y)) end
    end
    for _, did in ipairs(debts(id, r.w)) do
        if moved then call('ZADD', GONE, text(now), did) else delivery_drop(did) end
    end
end

-- What hangs on a record that is not here.
local function rest_drop(id)
    local key = call('GET', moved_of(id))
    if key then call('DEL', key_of(key), moved_of(id)) end
    for _, did in ipairs(debts(id, 3)) do delivery_drop(did) end
end
