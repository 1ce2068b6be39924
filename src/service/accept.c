/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in. Store first, then queue: a crash between the two leaves a record without a place in
 * line, which the sweeper of the next start pushes again. The token is given away by the caller,
 * after service_sync() or the job's durable end.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

static const int64_t room_known_us = 200 * US_PER_MS;

static bool check_room(struct service *s, struct err *e)
{
    bool room;
    if (!service_has_room(s, 1, &room, e))
        return false;
    if (!room)
        return err_set(e, ERR_LIMIT, "queue is full: %lld submissions are waiting; try again later",
                       (long long)s->config.queue_max);
    return true;
}

/* The record is kept: whatever happens to the queue now, the job will run. */
static void push(struct service *s, const struct queue_entry *x)
{
    struct err e;
    if (queue_push(s->queue, x, &e))
        return;
    log_error("queue.push_failed", "id=%s why=%s", x->id, e.text);
    pthread_mutex_lock(&s->lock);
    s->push_again = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void line_up(struct service *s, const char *id, struct job *job)
{
    char tenant[TENANT_TEXT];
    snprintf(tenant, sizeof tenant, "%s", job->tenant ? job->tenant : "");
    struct queue_entry x = {
        .id = id,
        .priority = (int)job->priority,
        .tenant = tenant,
        .delay_us = job->start_us ? MAX(job->start_us - wall_us(), 0) : 0,
    };
    if (s->engine && !s->shared && x.delay_us == 0)
        handoff_put(&s->handoff, job);
    else
        job_free(job);
    if (!s->store->ops->is_queue)
        push(s, &x);
}

/* What never ran is told of here; the one that asked is known by its line for the request. */
static void log_cancelled(struct service *s, const char *id)
{
    CLEANUP(record_done) struct record r = { 0 };
    struct err ignored;
    bool known = store_load(s->store, id, RECORD_JOB, &r, &ignored) == GOT_ONE && r.job;
    log_info("submission.cancelled", "id=%s trace_id=%s", id, known ? r.job->trace.id : NULL);
}

enum got service_accept(struct service *s, struct job *job, const char *key, bool now,
                        char ret_id[TOKEN_TEXT], struct err *e)
{
    CLEANUP(job_free) struct job *owned = job;

    if (!job_check(job, s->catalogue, &s->config.policy, e) || !check_room(s, e))
        return GOT_FAILED;

    enum got got = store_admit(s->store, job, key, ret_id, e);
    if (got != GOT_ONE)
        return got;
    atomic_fetch_add(&s->accepted, 1);
    log_info("submission.accepted", "id=%s trace_id=%s face=%s language=%s tests=%zu", ret_id,
             job->trace.id, job->face ? "judge0" : "native", job->language, job->test_count);
    line_up(s, ret_id, TAKE(owned));
    if (now && !store_sync(s->store, e))
        return GOT_FAILED;
    return GOT_ONE;
}

bool service_sync(struct service *s, struct err *e)
{
    return store_sync(s->store, e);
}

/*
 * How many wait, without asking a queue far away for every submission: its answer is good for a
 * moment, with what was accepted here since added. The bound is a safety, not a count.
 */
static bool waiting_now(struct service *s, int64_t more, int64_t *ret, struct err *e)
{
    int64_t now = mono_us();
    pthread_mutex_lock(&s->room_lock);
    bool known = s->shared && s->room_asked_us && now - s->room_asked_us < room_known_us;
    *ret = s->room_waiting;
    if (known)
        s->room_waiting += more;
    pthread_mutex_unlock(&s->room_lock);
    if (known)
        return true;

    struct queue_stats stats;
    if (!queue_stats(s->queue, &stats, e))
        return false;
    *ret = 0;
    for (int i = 0; i < QUEUE_PRIORITIES; i++)
        *ret += stats.waiting[i];
    pthread_mutex_lock(&s->room_lock);
    s->room_waiting = *ret + more;
    s->room_asked_us = now;
    pthread_mutex_unlock(&s->room_lock);
    return true;
}

bool service_has_room(struct service *s, int64_t n, bool *ret, struct err *e)
{
    int64_t waiting;
    if (!waiting_now(s, n, &waiting, e))
        return false;
    *ret = waiting + n <= s->config.queue_max;
    return true;
}

bool service_cancel(struct service *s, const char *id, enum job_state *ret_state, struct err *e)
{
    enum got got = store_cancel(s->store, id, ret_state, e);
    if (got == GOT_FAILED)
        return false;

    if (got == GOT_ONE && !s->store->ops->is_queue) {
        struct err ignored; /* a place left in line is found cancelled when it is pulled */
        if (queue_drop(s->queue, id, &ignored) == GOT_FAILED)
            log_warn("queue.drop_failed", "id=%s why=%s", id, ignored.text);
    }
    if (got == GOT_ONE) {
        job_free(handoff_take(&s->handoff, id));
        log_cancelled(s, id);
    }
    /* Also for a record that was still queued: a worker may have pulled it a moment ago. */
    if (got == GOT_ONE || *ret_state == STATE_RUNNING)
        bus_announce(s->bus, id, BUS_CANCEL);
    if (got == GOT_ONE)
        bus_announce(s->bus, id, BUS_FINISHED);
    return true;
}
