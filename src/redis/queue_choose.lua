-- SPDX-License-Identifier: Apache-2.0
-- Whose turn it is among the priorities, nil: nothing is ready. Smooth weighted round robin: each turn
-- those who wait earn their weight, the richest is served and pays what all earned. As the embedded
-- queue does (queue_order.c).
local WEIGHTS = { [0] = 1, 4, 8 }
local function choose(credit, ready)
    local best, sum = nil, 0
    for p = 0, 2 do
        if ready[p] <= 0 then
            credit[p] = 0
        else
            sum, credit[p] = sum + WEIGHTS[p], credit[p] + WEIGHTS[p]
            if not best or credit[p] >= credit[best] then best = p end
        end
    end
    if best then credit[best] = credit[best] - sum end
    return best
end
