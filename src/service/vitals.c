/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread asks, with no lock, and writes down each answer as it comes: so a reader sees that the
 * third question hangs, and the answers to the first two. A row that a look did not bring up any
 * more (some exist only while something is wrong) is dropped at its end.
 */
#include "service/vitals.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

static const int64_t fresh_us = US_PER_S;

/* An answer, and when it came by the monotonic clock; 0: never. */
struct answer {
    struct health_check check;
    int64_t at_us;
    int64_t look;     /* the number of the look that brought it */
    int64_t since_us; /* wall clock: as well, or as badly, since then */
};

struct vitals_keeper {
    struct service *service;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t wanted, ended;
    /* under lock */
    bool want, stopping;
    int64_t look; /* the number of the last one begun */
    bool looking;
    int64_t ended_us; /* of the last one that ended */
    struct answer answers[HEALTH_MAX];
    int count;
    const char *asking; /* the row that is being asked for, or NULL */
    int64_t asking_since_us;
    struct numbers numbers;
};

/* ---- writing down; from the thread ---- */

static struct answer *find(struct vitals_keeper *k, const char *name)
{
    for (int i = 0; i < k->count; i++)
        if (strcmp(k->answers[i].check.name, name) == 0)
            return &k->answers[i];
    if (k->count == HEALTH_MAX)
        return NULL;
    struct answer *a = &k->answers[k->count++];
    *a = (struct answer){ .check = { .name = name } };
    return a;
}

static void on_began(void *arg, const char *name)
{
    struct vitals_keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    find(k, name); /* from the first question on it has a row */
    k->asking = name;
    k->asking_since_us = mono_us();
    pthread_mutex_unlock(&k->lock);
}

static int badness(const struct health_check *c)
{
    return c->ok ? 0 : c->minor ? 1 : 2;
}

static void tell(const struct answer *before, const struct health_check *c)
{
    double for_s = (double)(wall_us() - before->since_us) / (double)US_PER_S;
    if (!c->ok)
        log_warn("health.failing", "name=%s serving=%s why=%s fix=%s", c->name,
                 c->minor ? "yes" : "no", c->detail, c->fix);
    else if (before->at_us)
        log_info("health.well", "name=%s failed_s=%.3f", c->name, for_s);
}

static void on_ended(void *arg, const struct health_check *c)
{
    struct vitals_keeper *k = arg;
    struct answer before = { 0 };
    pthread_mutex_lock(&k->lock);
    struct answer *a = find(k, c->name);
    if (a)
        before = *a;
    bool changed = !before.at_us || badness(&before.check) != badness(c);
    if (a)
        *a = (struct answer){
            .check = *c,
            .at_us = mono_us(),
            .look = k->look,
            .since_us = changed ? wall_us() : before.since_us,
        };
    k->asking = NULL;
    pthread_mutex_unlock(&k->lock);
    if (changed)
        tell(&before, c);
}

/* What lies elsewhere and was asked for just now; what could not be had stays as old as it is. */
static void on_numbers(void *arg, const struct numbers *n)
{
    struct vitals_keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    if (n->queue_us) {
        k->numbers.queue = n->queue;
        k->numbers.queue_us = n->queue_us;
    }
    if (n->workers_us) {
        k->numbers.workers = n->workers;
        k->numbers.slots = n->slots;
        k->numbers.workers_us = n->workers_us;
    }
    if (n->deliveries_us) {
        k->numbers.deliveries = n->deliveries;
        k->numbers.deliveries_us = n->deliveries_us;
    }
    pthread_mutex_unlock(&k->lock);
}

/* With the lock. */
static void drop_old_rows(struct vitals_keeper *k)
{
    int kept = 0;
    for (int i = 0; i < k->count; i++)
        if (k->answers[i].look == k->look)
            k->answers[kept++] = k->answers[i];
    k->count = kept;
}

static void *keeper_main(void *arg)
{
    struct vitals_keeper *k = arg;
    const struct lookout lookout = { on_began, on_ended, on_numbers, k };
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        if (!k->want) {
            pthread_cond_wait(&k->wanted, &k->lock);
            continue;
        }
        k->want = false;
        k->looking = true;
        k->look++;
        pthread_mutex_unlock(&k->lock);
        health_look(k->service, &lookout);
        pthread_mutex_lock(&k->lock);
        drop_old_rows(k);
        k->looking = false;
        k->ended_us = mono_us();
        pthread_cond_broadcast(&k->ended);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* ---- reading ---- */

/* With the lock. */
static void wait_for_look(struct vitals_keeper *k, int64_t wait_us)
{
    int64_t now = mono_us();
    if (k->ended_us && now - k->ended_us < fresh_us)
        return;
    if (k->asking && now - k->asking_since_us > fresh_us)
        return; /* it hangs: nobody need hang with it */
    if (!k->looking) {
        k->want = true;
        pthread_cond_signal(&k->wanted);
    }
    int64_t before = k->ended_us;
    struct timespec until = us_to_timespec(now + wait_us);
    int timed_out = 0;
    while (k->ended_us == before && !k->stopping && !timed_out)
        timed_out = pthread_cond_timedwait(&k->ended, &k->lock, &until);
}

static int64_t age_of(int64_t at_us, int64_t now)
{
    return at_us ? now - at_us : -1;
}

static void fill(const struct vitals_keeper *k, struct vitals *ret)
{
    int64_t now = mono_us(), wall = wall_us();
    for (int i = 0; i < k->count; i++) {
        const struct answer *a = &k->answers[i];
        bool asking = k->asking && strcmp(k->asking, a->check.name) == 0;
        if (!a->at_us && !asking)
            continue;
        ret->checks[ret->count++] = (struct vital_check){
            .check = a->check,
            .since_us = a->since_us,
            .checked_us = a->at_us ? wall - (now - a->at_us) : 0,
            .age_us = age_of(a->at_us, now),
            .asking_us = asking ? now - k->asking_since_us : 0,
        };
    }
    ret->complete = k->ended_us != 0;
    ret->queue = k->numbers.queue;
    ret->queue_age_us = age_of(k->numbers.queue_us, now);
    ret->workers = k->numbers.workers;
    ret->slots = k->numbers.slots;
    ret->workers_age_us = age_of(k->numbers.workers_us, now);
    ret->deliveries = k->numbers.deliveries;
    ret->deliveries_age_us = age_of(k->numbers.deliveries_us, now);
}

void service_vitals(struct service *s, int64_t wait_us, struct vitals *ret)
{
    struct vitals_keeper *k = s->vitals;
    memset(ret, 0, sizeof *ret);
    pthread_mutex_lock(&k->lock);
    if (wait_us > 0)
        wait_for_look(k, wait_us);
    fill(k, ret);
    pthread_mutex_unlock(&k->lock);
}

/* ---- start and stop ---- */

bool vitals_start(struct service *s, struct err *e)
{
    struct vitals_keeper *k = calloc(1, sizeof *k);
    CHECK(k);
    k->service = s;
    s->vitals = k;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wanted, &attr);
    pthread_cond_init(&k->ended, &attr);
    pthread_condattr_destroy(&attr);
    k->started = service_thread(&k->thread, keeper_main, k, "vitals", e);
    return k->started;
}

void vitals_stop(struct service *s)
{
    struct vitals_keeper *k = TAKE(s->vitals);
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->wanted);
    pthread_cond_broadcast(&k->ended);
    pthread_mutex_unlock(&k->lock);
    if (k->started)
        pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->wanted);
    pthread_cond_destroy(&k->ended);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
