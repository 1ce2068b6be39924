#!lua
-- Take a submission in, and put it in line.
--   KEYS Q S   ARGV now id job key fingerprint delay webhook callback, then its head, name value...
--   ->  { 1 } taken; { 0, id } the key is that one's; { -1 } ... came with another; { -2 } id exists
-- include queue.lua
-- include store.lua
local id, job, key, fingerprint, delay = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local hook, back = ARGV[7], ARGV[8]

if key ~= '' then
    local earlier, same = string.match(call('GET', key_of(key)) or '', '^(%S+) (%S+)$')
    if earlier and same ~= fingerprint then return { -1 } end
    if earlier then return { 0, earlier } end
end
if call('EXISTS', record_key(id)) == 1 then return { -2 } end

local r = {}
for i = 9, #ARGV, 2 do r[ARGV[i]] = ARGV[i + 1] end
local now = queue_now(ARGV[1])
local seq = seqs_take((hook ~= '' and back ~= '') and 2 or 1, now)
local owes = (hook ~= '' and 1 or 0) + (back ~= '' and 2 or 0)

call('HSET', record_key(id), 'q', text(seq), unpack(ARGV, 9))
call('SET', job_of(id), job)
call('ZADD', OPEN, text(seq), id)
if key ~= '' then
    call('SET', key_of(key), id .. ' ' .. fingerprint)
    call('HSET', record_key(id), 'y', key)
end
if owes > 0 then
    call('HSET', record_key(id), 'w', owes)
    if hook ~= '' then delivery_owe(id, WEBHOOK, hook, r.c, seq) end
    if back ~= '' then delivery_owe(id, CALLBACK, back, r.c, seq + (owes == 3 and 1 or 0)) end
end
queue_push(id, r.p or 0, r.t or '', delay, now)
return { 1 }
