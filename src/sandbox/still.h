/* SPDX-License-Identifier: Apache-2.0 */
/*
 * still.h - does a run compute, or does it wait (sleep, input, network)?
 *
 * The CPU counter of its cgroup is looked at now and then. Three quiet looks in a row mean that it
 * waits, one busy look that it computes again. Between quiet and busy nothing changes. A run that
 * waits for a short while only, again and again, has to be quiet twice as long each time before it
 * is believed, so that one which takes turns quickly counts as computing.
 *
 * The first look comes late: nothing at all is asked of a run shorter than that.
 */
#ifndef EVALX_SANDBOX_STILL_H
#define EVALX_SANDBOX_STILL_H

#include <stdbool.h>
#include <stdint.h>

struct still {
    bool waiting;
    int64_t look_us; /* when to look next */

    int64_t at_us, cpu_us; /* the last look */
    int64_t quiet_us;      /* for so long it has been quiet */
    int64_t needed_us;     /* so long it must be, to be taken for waiting */
    int64_t since_us;      /* waiting: since then */
};

/* A run starts now, with its counter at 0. */
void still_start(struct still *s, int64_t now_us);

/* A look: cpu_us is what the counter says now. True: s->waiting has changed. */
bool still_look(struct still *s, int64_t now_us, int64_t cpu_us);

#endif
