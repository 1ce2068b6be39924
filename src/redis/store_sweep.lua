#!lua flags=allow-oom
-- Drop what has lived its time.   KEYS Q S   ARGV now batch   ->  how many records
-- include store.lua
local now, batch = tonumber(ARGV[1]), tonumber(ARGV[2])
local ids = call('ZRANGEBYSCORE', EXPIRE, '-inf', ARGV[1], 'LIMIT', 0, batch)
for _, id in ipairs(ids) do
    local r = record_get(id)
    if r then record_drop(id, r, r.a, now) else call('ZREM', EXPIRE, id) end
end

-- Deliveries of records that moved away: a week after their last attempt nobody asks any more.
local function look_again(did)
    local d = hash(delivery_of(did))
    if not d then return nil end
    if call('EXISTS', record_key(d.j)) == 1 then return nil end
    if d.s == '0' or d.s == '1' then return now + DAY end
    local over = tonumber(d.z or 0) + 7 * DAY
    if over > now then return over end
    delivery_drop(did)
    return nil
end

for _, did in ipairs(call('ZRANGEBYSCORE', GONE, '-inf', ARGV[1], 'LIMIT', 0, batch)) do
    local at = look_again(did)
    if at then call('ZADD', GONE, text(at), did) else call('ZREM', GONE, did) end
end
return #ids
