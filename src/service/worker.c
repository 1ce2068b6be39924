/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way through: pull, load, run, keep, ack, announce - in this order, so that a crash repeats
 * work and never loses it.
 *
 * One thread pulls, and never more than lanes are idle: what waits stays in the queue, where others
 * can take it. The rest is driven by the engine's and the store's callbacks; no thread waits for a
 * job. While results cannot be kept nothing is pulled: they stay in memory, and more would come.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/measure.h"
#include "service/parts.h"

enum { PULL_MAX = 64, TEST_DATA_MOST = 64 * 1024 };
static const int64_t pull_wait_us = 30 * US_PER_S;
static const int64_t pause_least_us = 100 * US_PER_MS, pause_most_us = 2 * US_PER_S;
static const int64_t elsewhere_us = 500 * US_PER_MS; /* for a worker that runs the language */

static void active_add(struct active *a)
{
    struct service *s = a->service;
    pthread_mutex_lock(&s->lock);
    a->next = s->active;
    a->link = &s->active;
    if (a->next)
        a->next->link = &a->next;
    s->active = a;
    pthread_mutex_unlock(&s->lock);
}

void active_end(struct active *a)
{
    struct service *s = a->service;
    pthread_mutex_lock(&s->lock);
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    if (!s->active && atomic_load(&s->draining))
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    job_free(a->job);
    result_free(a->result);
    free(a);
}

/* Looks at the mark of an active job, and sets it when set is true. */
static bool cancel_mark(struct service *s, const char *id, bool set)
{
    bool marked = false;
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a; a = a->next) {
        if (strcmp(a->ticket.id, id) != 0)
            continue;
        a->cancelled = a->cancelled || set;
        marked = a->cancelled;
    }
    pthread_mutex_unlock(&s->lock);
    return marked;
}

void worker_cancel(struct service *s, const char *id)
{
    /* The mark first: the engine may not know the job yet, and begin() looks after handing over. */
    cancel_mark(s, id, true);
    engine_cancel(s->engine, id);
}

/* NULL: not in the catalogue any more. */
static const struct language *language_of(const struct service *s, const struct job *job)
{
    struct err ignored;
    return job ? catalogue_find(s->catalogue, str_of(job->language), &ignored) : NULL;
}

static const char *toolchain_of(const struct service *s, const struct job *job)
{
    const struct language *l = language_of(s, job);
    return l ? l->toolchain : NULL;
}

/* ---- the end ---- */

/* The result is durable, this one or an earlier: what the queue must know of it. */
static void leave_queue(struct active *a, enum got won)
{
    struct service *s = a->service;
    struct err e;
    if (s->store->ops->is_queue) { /* the same write did it */
        active_end(a);
        return;
    }
    if (a->bury && won == GOT_ONE) {
        errand_add(a, ERRAND_BURY);
        return;
    }
    /* Offered again when that fails, found final, and acked then. */
    if (!queue_ack(s->queue, &a->ticket, &e))
        log_warn("queue.ack_failed", "id=%s trace_id=%s why=%s", a->ticket.id, a->span.id, e.text);
    active_end(a);
}

static void log_finished(const struct active *a)
{
    const struct result *r = a->result;
    log_info("submission.finished",
             "id=%s trace_id=%s span_id=%s parent_id=%s language=%s verdict=%s attempt=%d "
             "reused=%s compile_ms=%.3f run_ms=%.3f total_ms=%.3f",
             a->ticket.id, a->span.id, a->span.span, a->job->trace.span, a->job->language,
             verdict_name(r->verdict), a->ticket.attempt, r->reused ? "yes" : "no",
             (double)r->compile_us / 1000, (double)r->run_us / 1000,
             (double)(wall_us() - a->job->created_us) / 1000);
}

/* The store's answer about a result; may come from its writer thread. */
static void kept(void *arg, enum got won, const struct err *e)
{
    struct active *a = arg;
    struct service *s = a->service;

    if (atomic_load(&s->abandoned))
        return;
    bool first = errand_went(s, won != GOT_FAILED);
    if (won == GOT_FAILED) {
        store_failed(s->store, STORE_FINISH, e);
        if (first)
            log_error("result.not_kept", "id=%s trace_id=%s why=%s", a->ticket.id, a->span.id,
                      e->text);
        errand_add(a, ERRAND_KEEP);
        return;
    }
    if (won == GOT_NONE)
        log_info("result.fenced_off", "id=%s trace_id=%s span_id=%s attempt=%d", a->ticket.id,
                 a->span.id, a->span.span, a->ticket.attempt);
    else
        log_finished(a);
    atomic_fetch_add(&s->finished, 1);
    if (won == GOT_ONE)
        measure_finished(language_of(s, a->job), a->result->verdict,
                         wall_us() - a->ticket.pushed_us);
    bus_announce(s->bus, a->ticket.id, BUS_FINISHED);
    if (won == GOT_ONE && s->explainer && llm_fits(a->job, a->result))
        explain(s, TAKE(a->job), TAKE(a->result));
    leave_queue(a, won);
}

void worker_keep(struct active *a)
{
    store_finish(a->service->store, a->ticket.id, a->ticket.receipt, a->result, kept, a);
}

static void give_back(struct active *a, enum retry retry, const char *why, int64_t delay_us,
                      bool counts)
{
    measure_retry(retry);
    log_warn("job.given_back", "id=%s trace_id=%s span_id=%s attempt=%d why=%s", a->ticket.id,
             a->span.id, a->span.span, a->ticket.attempt, why);
    a->delay_us = delay_us;
    a->counts = counts;
    errand_add(a, ERRAND_GIVE_BACK);
}

/* Not one attempt more: final as internal_error, then a dead letter. */
static void give_up(struct active *a, const char *why)
{
    log_error("job.given_up", "id=%s trace_id=%s span_id=%s attempt=%d why=%s", a->ticket.id,
              a->span.id, a->span.span, a->ticket.attempt, why);
    a->bury = true;
    snprintf(a->reason, sizeof a->reason, "%s", why);
    a->result = result_internal_error(why);
    a->result->attempt = a->ticket.attempt;
    worker_keep(a);
}

static void find_hints(const struct active *a, struct result *result)
{
    struct service *s = a->service;
    int64_t began_us = mono_us();
    hints_find(s->config.hints, a->job, result);
    measure_hints(language_of(s, a->job), result->hint_count, mono_us() - began_us);
}

static void finished(void *arg, struct result *result, const struct err *e)
{
    struct active *a = arg;
    struct service *s = a->service;
    bool stopping = atomic_load(&s->draining);

    if (result) {
        result->attempt = a->ticket.attempt;
        if (a->job->hints)
            find_hints(a, result);
        if (s->config.results)
            result_cache_put(s->config.results, a->job, toolchain_of(s, a->job), result);
        a->result = result;
        worker_keep(a);
    } else if (stopping) {
        give_back(a, RETRY_DRAINING, e->text, 0, false);
    } else if (a->ticket.attempt < s->config.attempts_max) {
        /* 0.25, 0.5, 1, ... s: trouble of ours often passes. */
        give_back(a, RETRY_TROUBLE, e->text, INT64_C(250000) << MIN(a->ticket.attempt - 1, 6),
                  true);
    } else {
        give_up(a, e->text);
    }
}

static void test_done(void *arg, const struct test_result *t, size_t index)
{
    struct active *a = arg;
    CLEANUP(buf_done) struct buf data = { 0 };
    if (t->outcome.out.len + t->outcome.err.len <= TEST_DATA_MOST) { /* more would be left out */
        buf_addf(&data, "%d %zu ", a->ticket.attempt, index);
        a->service->config.render_test(t, index, &data);
    }
    bus_announce_data(a->service->bus, a->ticket.id, BUS_TEST, buf_str(&data));
}

/* ---- the beginning ---- */

/* The job of a ticket, or NULL: there is nothing (more) to run; got says why. */
static struct job *find_job(struct service *s, const char *id, bool *cancelled, enum got *got,
                            struct err *e)
{
    struct job *job = handoff_take(&s->handoff, id);
    *got = GOT_ONE;
    if (job)
        return job;

    CLEANUP(record_done) struct record r = { 0 };
    *got = store_load(s->store, id, RECORD_JOB, &r, e);
    if (*got != GOT_ONE)
        return NULL;
    if (r.state == STATE_FINISHED || r.state == STATE_CANCELLED) {
        *got = GOT_NONE;
        return NULL;
    }
    *cancelled = r.cancel_asked;
    return TAKE(r.job);
}

/* A worker that was killed while it had the job leaves no reason behind: say at least that. */
static void give_up_lost(struct active *a)
{
    char why[120];
    snprintf(why, sizeof why, "gave up: the server stopped %d times while this was running",
             a->ticket.attempt - 1);
    give_up(a, why);
}

/* Equal work was done before, and the job is content with its result. */
static bool reuse(struct active *a)
{
    struct service *s = a->service;
    if (!s->config.results)
        return false;
    struct result *r = result_cache_get(s->config.results, a->job, toolchain_of(s, a->job));
    if (!r)
        return false;
    r->attempt = a->ticket.attempt;
    r->started_us = r->finished_us = wall_us();
    r->compile_us = r->run_us = 0;
    a->result = r;
    worker_keep(a);
    return true;
}

static void run(struct active *a)
{
    struct service *s = a->service;
    bool listed = a->job->has_tests && s->config.render_test;
    log_debug("job.started", "id=%s trace_id=%s span_id=%s parent_id=%s language=%s attempt=%d",
              a->ticket.id, a->span.id, a->span.span, a->job->trace.span, a->job->language,
              a->ticket.attempt);
    store_start(s->store, a->ticket.id, a->ticket.attempt, wall_us());
    char attempt[16];
    snprintf(attempt, sizeof attempt, "%d", a->ticket.attempt);
    bus_announce_data(s->bus, a->ticket.id, BUS_CHANGED, str_of(attempt));
    /* The job may be over before engine_submit() returns: a is not ours any more after it. */
    char id[TOKEN_TEXT];
    memcpy(id, a->ticket.id, sizeof id);
    engine_submit(s->engine, a->job, a->ticket.attempt,
                  (struct engine_sink){ listed ? test_done : NULL, finished, a });
    if (cancel_mark(s, id, false))
        engine_cancel(s->engine, id);
}

/* Where workers differ, one may pull what only others can run. True: that is settled. */
static bool left_to_others(struct active *a)
{
    struct service *s = a->service;
    struct err e;
    const struct language *l = catalogue_find(s->catalogue, str_of(a->job->language), &e);
    if (!s->shared || (l && l->offered))
        return false;
    bool somebody;
    char why[120];
    snprintf(why, sizeof why, "this worker does not run %.60s", a->job->language);
    if (!crew_runs(s, a->job->language, &somebody, &e) || somebody) {
        give_back(a, RETRY_ELSEWHERE, why, elsewhere_us, false);
        return true;
    }
    snprintf(why, sizeof why, "no worker runs %.60s any more", a->job->language);
    give_up(a, why);
    return true;
}

static void begin_job(struct active *a, bool cancelled)
{
    if (cancelled) {
        a->result = result_cancelled();
        a->result->attempt = a->ticket.attempt;
        worker_keep(a);
    } else if (a->ticket.attempt > a->service->config.attempts_max) {
        give_up_lost(a);
    } else if (!left_to_others(a) && !reuse(a)) {
        run(a);
    }
}

static void begin(struct service *s, const struct ticket *t)
{
    struct err e;
    bool cancelled = false;
    enum got got;

    /* Active before the job is looked for: a cancel from here on finds it, one before is seen in
     * the record. */
    struct active *a = calloc(1, sizeof *a);
    CHECK(a);
    *a = (struct active){ .service = s, .ticket = *t };
    active_add(a);
    if (t->attempt == 1)
        measure_begun(wall_us() - t->pushed_us);

    a->job = find_job(s, t->id, &cancelled, &got, &e);
    if (a->job) {
        struct trace span = trace_child(&a->job->trace);
        pthread_mutex_lock(&s->lock); /* who extends leases looks */
        a->span = span;
        pthread_mutex_unlock(&s->lock);
        begin_job(a, cancelled);
    } else if (got == GOT_NONE) {
        errand_add(a, ERRAND_ACK);
    } else {
        log_error("job.load_failed", "id=%s why=%s", t->id, e.text);
        give_back(a, RETRY_TROUBLE, e.text, US_PER_S, false);
    }
}

/* ---- the thread ---- */

/* Sleep, but not through a drain. */
static void pause_for(struct service *s, int64_t us)
{
    int64_t end = mono_us() + us;
    struct timespec until = us_to_timespec(end);
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->draining) && mono_us() < end)
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
}

/* While results cannot be kept. */
static void wait_well(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->trouble && !atomic_load(&s->draining))
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void pull_failed(struct service *s, int64_t *pause_us, const struct err *e)
{
    if (*pause_us == 0)
        log_error("queue.pull_failed", "why=%s", e->text);
    *pause_us = MIN(MAX(2 * *pause_us, pause_least_us), pause_most_us);
    pause_for(s, *pause_us);
}

static void pull_went_well(int64_t *pause_us)
{
    if (*pause_us)
        log_info("queue.pull_well_again", "paused_ms=%lld", (long long)(*pause_us / US_PER_MS));
    *pause_us = 0;
}

void *worker_main(void *service)
{
    struct service *s = service;
    struct ticket tickets[PULL_MAX];
    int64_t pause_us = 0;

    while (!atomic_load(&s->draining)) {
        wait_well(s);
        int room = engine_wait_room(s->engine, pull_wait_us), count = 0;
        struct err e;
        if (room <= 0 || atomic_load(&s->draining))
            continue;
        enum got got = queue_pull(s->queue, pull_wait_us, tickets, MIN(room, PULL_MAX), &count, &e);
        if (got == GOT_FAILED)
            pull_failed(s, &pause_us, &e);
        else
            pull_went_well(&pause_us);
        for (int i = 0; i < count; i++)
            begin(s, &tickets[i]);
    }
    return NULL;
}
