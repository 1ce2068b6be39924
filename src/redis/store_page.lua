#!lua flags=no-writes,allow-oom
-- A page of records, newest first.
--   KEYS Q S   ARGV below count which head     below: only seqs before that; which: 1 open, 2 done, 3
--   ->  { id, head } each; with head "0" ids alone
-- include store.lua
local below, count, which = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function newest(set)
    return call('ZREVRANGEBYSCORE', set, '(' .. below, '-inf', 'WITHSCORES', 'LIMIT', 0, count)
end

local a = which % 2 == 1 and newest(OPEN) or {}
local b = which >= 2 and newest(DONE) or {}
local i, j, rows = 1, 1, {}
while #rows < count and (a[i] or b[j]) do
    local id, seq
    if not b[j] or (a[i] and tonumber(a[i + 1]) > tonumber(b[j + 1])) then
        id, seq, i = a[i], a[i + 1], i + 2
    else
        id, seq, j = b[j], b[j + 1], j + 2
    end
    rows[#rows + 1] = { id, seq, ARGV[4] == '1' and call('HGETALL', record_key(id)) or {} }
end
return rows
