/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nudge.c - break off runs nobody wants any more, until they are.
 *
 * A lane may have said that it is about to run and not have reached its box yet, where box_cancel()
 * finds nothing to do and the word is lost. Those who cancel must not wait, so a thread of its own
 * repeats the word until the lane is out. Nearly always the first word does it; the thread sleeps
 * while there is nothing to break off.
 */
#include "base/clock.h"
#include "engine/lane.h"

static const int64_t repeat_us = 2 * US_PER_MS;

bool active_wanted(const struct active *a, size_t test)
{
    return !a->cancelled && a->trouble.kind == ERR_NONE &&
           (test == SIZE_MAX || test <= a->first_failed);
}

/* How many runs nobody wants. */
static int unwanted(const struct engine *en)
{
    int count = 0;
    for (int i = 0; i < en->lanes_max; i++) {
        const struct lane *l = &en->lanes[i];
        count += l->active && !active_wanted(l->active, l->test);
    }
    return count;
}

static void tell_unwanted(struct engine *en)
{
    for (int i = 0; i < en->lanes_max; i++) {
        struct lane *l = &en->lanes[i];
        if (!l->active || active_wanted(l->active, l->test))
            continue;
        pthread_cond_signal(&l->go); /* it may stand in line for memory */
        if (!l->in_line)
            box_cancel(l->box);
    }
}

void engine_break_off(struct engine *en)
{
    tell_unwanted(en);
    pthread_cond_signal(&en->nudge);
}

void *nudge_main(void *arg)
{
    struct engine *en = arg;
    pthread_mutex_lock(&en->lock);
    while (!en->nudge_ends) {
        if (unwanted(en) == 0) {
            pthread_cond_wait(&en->nudge, &en->lock);
            continue;
        }
        struct timespec until = us_to_timespec(mono_us() + repeat_us);
        pthread_cond_timedwait(&en->nudge, &en->lock, &until);
        tell_unwanted(en);
    }
    pthread_mutex_unlock(&en->lock);
    return NULL;
}
