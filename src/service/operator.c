/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator does to the queue by hand. The record comes first, as everywhere: a dead letter
 * that runs again is reopened before it is put in line, so that stopping in between loses nothing.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

static const int64_t drain_most_us = 2 * US_PER_S;

struct queue *service_queue(struct service *s)
{
    return s->queue;
}

/* A record that was reopened by a call that got no further is queued, and not in line. */
static enum got may_retry(struct service *s, const char *id, struct record *r, struct err *e)
{
    enum got got = store_reopen(s->store, id, e);
    if (got == GOT_FAILED)
        return GOT_FAILED;
    enum got found = store_load(s->store, id, RECORD_JOB, r, e);
    if (found != GOT_ONE || got == GOT_ONE)
        return found;
    return r->state == STATE_QUEUED ? GOT_ONE : GOT_NONE;
}

enum got service_retry(struct service *s, const char *id, struct err *e)
{
    CLEANUP(record_done) struct record r = { 0 };
    enum got got = may_retry(s, id, &r, e);
    if (got != GOT_ONE)
        return got;

    got = queue_retry(s->queue, id, e);
    if (got == GOT_NONE) { /* died without being buried: pushing what is in line changes nothing */
        struct queue_entry x = { id, (int)r.job->priority, r.job->tenant, 0 };
        got = queue_push(s->queue, &x, e) ? GOT_ONE : GOT_FAILED;
    }
    if (got == GOT_ONE) {
        log_info("queue.retried", "id=%s", id);
        bus_announce(s->bus, id, BUS_CHANGED);
    }
    return got;
}

enum got service_drop(struct service *s, const char *id, struct err *e)
{
    struct queue_view view;
    enum got got = queue_look(s->queue, id, &view, e);
    if (got != GOT_ONE)
        return got;
    if (view.place != PLACED_DEAD) {
        enum job_state now;
        if (!service_cancel(s, id, &now, e) && e->kind != ERR_NOT_FOUND)
            return GOT_FAILED;
        if (view.place == PLACED_LEASED)
            return GOT_ONE; /* its worker ends it */
    }
    log_info("queue.dropped", "id=%s", id);
    got = queue_drop(s->queue, id, e);
    return got == GOT_FAILED ? GOT_FAILED : GOT_ONE;
}

/* ---- draining ---- */

enum { PAGE = 500 };

struct page {
    char ids[PAGE][TOKEN_TEXT];
    size_t count;
};

static void page_add(void *arg, const struct queue_view *v)
{
    struct page *p = arg;
    if (p->count < PAGE)
        snprintf(p->ids[p->count++], TOKEN_TEXT, "%s", v->id);
}

/* The first page of a place, again and again: what is cancelled leaves it. */
static bool drain_place(struct service *s, enum queue_place place, int64_t until_us,
                        struct page *page, int64_t *cancelled, struct err *e)
{
    int64_t before;
    do {
        before = *cancelled;
        page->count = 0;
        if (!queue_list(s->queue, place, 0, PAGE, page_add, page, e))
            return false;
        for (size_t i = 0; i < page->count && mono_us() < until_us; i++) {
            enum got got = service_drop(s, page->ids[i], e);
            if (got == GOT_FAILED)
                return false;
            *cancelled += got == GOT_ONE;
        }
    } while (*cancelled > before && mono_us() < until_us);
    return true;
}

bool service_drain_queue(struct service *s, int64_t *ret_cancelled, int64_t *ret_left,
                         struct err *e)
{
    struct page *page = malloc(sizeof *page);
    CHECK(page);
    int64_t cancelled = 0, until = mono_us() + drain_most_us;
    bool ok = drain_place(s, PLACED_WAITING, until, page, &cancelled, e) &&
              drain_place(s, PLACED_DELAYED, until, page, &cancelled, e);
    free(page);
    struct queue_stats stats;
    if (!ok || !queue_stats(s->queue, &stats, e))
        return false;
    log_info("queue.drained", "cancelled=%lld", (long long)cancelled);
    *ret_cancelled = cancelled;
    *ret_left = stats.waiting[0] + stats.waiting[1] + stats.waiting[2];
    return true;
}

bool service_workers(struct service *s, void (*fn)(void *arg, const struct queue_worker *w),
                     void *arg, struct err *e)
{
    if (s->engine)
        crew_announce(s); /* what we say of ourselves is of this moment */
    return queue_workers(s->queue, fn, arg, e);
}
