/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vitals.h - how this process and what it leans on are, without waiting for those that are away.
 *
 * A thread looks around when somebody wants to know and the last look is older than a second: it
 * makes the checks of service_health() one by one and asks for the numbers that lie elsewhere. All
 * who ask meanwhile share that look, so ten readers cost as much as one, and no reader none at all.
 * A reader waits a moment for it and takes what is known by then; each answer says when it was
 * true, and which question has gone without one for how long.
 *
 * That a row began to fail, or is well again, is told in the log, once each.
 *
 * Not here  what the numbers are called outside (http/).
 */
#ifndef EVALX_SERVICE_VITALS_H
#define EVALX_SERVICE_VITALS_H

#include "service/service.h"
#include "store/delivery.h"

struct vital_check {
    struct health_check check;
    int64_t since_us;   /* wall clock: it is well, or not, since then */
    int64_t checked_us; /* when it was last answered, wall clock */
    int64_t age_us;     /* since then */
    int64_t asking_us;  /* asked again, and without an answer for so long; 0: not under way */
};

struct vitals {
    struct vital_check checks[HEALTH_MAX];
    int count;
    bool complete; /* every question was asked and answered once */

    /* Each: -1 as its age when it is not known. */
    int64_t queue_age_us;
    struct queue_stats queue;
    int64_t workers_age_us;
    int64_t workers, slots; /* live workers and their lanes; this process's own when embedded */
    int64_t deliveries_age_us;
    struct delivery_stats deliveries;
};

/*
 * What is known. A look younger than a second is good enough, else a new one is begun (or the one
 * under way shared) and waited for, at most wait_us. 0 only takes what there is.
 * threads  any
 */
void service_vitals(struct service *s, int64_t wait_us, struct vitals *ret);

#endif
