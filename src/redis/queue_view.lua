-- SPDX-License-Identifier: Apache-2.0
-- Append what an operator sees of an entry: id, place (w waiting, d delayed, l leased, x dead),
-- priority, attempt, pushed, due, tenant, worker, reason.
local function view(id, to)
    local x = entry_get(id)
    if not x then return to end
    local place, attempt, due, worker, reason = 'w', x.attempts, 0, '', ''
    if x.place == 'd' then
        place, due = 'd', tonumber(call('ZSCORE', delayed(x.p), id) or 0)
    elseif x.place == 'x' then
        local grave = call('HGET', GRAVES, id)
        local letter = grave and call('XRANGE', DEAD, grave, grave)[1]
        place = 'x'
        if letter then reason, due = letter[2][4], tonumber(letter[2][6]) end
    elseif x.place == 's' and not head_is(x.p, id) then
        local entry, name = out_get(x)
        place, attempt, worker = 'l', attempt + 1, name_of(name or '')
        due = tonumber(call('ZSCORE', LEASES, id) or 0)
    end
    for _, v in ipairs({ id, place, x.p, attempt, x.pushed, due, x.tenant, worker, reason }) do
        to[#to + 1] = v
    end
    return to
end
