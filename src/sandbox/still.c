/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/still.h"

#include "base/attr.h"
#include "base/clock.h"

static const int64_t first_look_us = 20 * US_PER_MS, look_every_us = 10 * US_PER_MS;
static const int64_t needed_least_us = 30 * US_PER_MS, needed_most_us = US_PER_S;

/*
 * Shares of one core, in percent. Busy is not much: several that woke up together share the core,
 * and each of eight gets a turn of 3 ms within 24.
 */
enum { QUIET = 5, BUSY = 20 };

/* A wait this many times as long as what it took to be believed was worth it. */
enum { WORTH = 8 };

void still_start(struct still *s, int64_t now_us)
{
    *s = (struct still){ .look_us = now_us + first_look_us,
                         .at_us = now_us,
                         .needed_us = needed_least_us };
}

static void wake_up(struct still *s, int64_t now_us)
{
    bool worth = now_us - s->since_us >= WORTH * s->needed_us;
    s->needed_us = worth ? needed_least_us : MIN(2 * s->needed_us, needed_most_us);
    s->waiting = false;
    s->quiet_us = 0;
}

bool still_look(struct still *s, int64_t now_us, int64_t cpu_us)
{
    int64_t passed = MAX(now_us - s->at_us, (int64_t)1), used = cpu_us - s->cpu_us;
    bool quiet = used * 100 < passed * QUIET, busy = used * 100 > passed * BUSY;
    s->at_us = now_us;
    s->cpu_us = cpu_us;
    s->look_us = now_us + look_every_us;
    s->quiet_us = quiet ? s->quiet_us + passed : 0;
    if (s->waiting && busy) {
        wake_up(s, now_us);
        return true;
    }
    if (s->waiting || s->quiet_us < s->needed_us)
        return false;
    s->waiting = true;
    s->since_us = now_us;
    return true;
}
