/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store over Redis promises beyond every store's contract: a record and its place in line
 * change together, whatever happens to Redis, to the connection, or to who asked.
 */
#include "../contract/store_world.h"

#include <signal.h>

#include "base/text.h"
#include "queue/queue.h"

enum { LEASE = 60 * 1000 * 1000, QUICK = 300 * 1000 };

/* One process of a deployment: its connection, store and queue. */
struct site {
    struct redis *redis;
    struct store *s;
    struct queue *q;
};

static struct site site_open(const char *url, int64_t timeout_us, bool has_history)
{
    struct err e = { 0 };
    struct site x;
    MUST(x.redis = redis_open(&(struct redis_config){ .url = url, .timeout_us = timeout_us }, &e));
    MUST(x.s = store_redis_open(x.redis, "t", &(struct store_config){ .has_history = has_history },
                                &e));
    MUST(x.q = queue_redis_open(x.redis, "t", &(struct queue_config){ LEASE, test_clock }, &e));
    return x;
}

static void site_close(struct site *x)
{
    queue_close(x->q);
    store_close(x->s);
    redis_close(x->redis);
}
CLEANUP_FOR_STRUCT(struct site, site_close)

static struct site fresh_site(void)
{
    redis_say(redis_shared(), "FLUSHALL");
    redis_say(redis_shared(), "CONFIG RESETSTAT");
    return site_open(redis_shared()->url, 0, false);
}

static void place_is(struct site *x, const char *id, enum queue_place place)
{
    struct err e;
    struct queue_view v;
    assert_int_equal(queue_look(x->q, id, &v, &e), GOT_ONE);
    assert_int_equal(v.place, place);
}

static void not_in_line(struct site *x, const char *id)
{
    struct err e;
    struct queue_view v;
    assert_int_equal(queue_look(x->q, id, &v, &e), GOT_NONE);
}

static struct ticket pull(struct site *x)
{
    struct err e;
    struct ticket t;
    int count;
    assert_int_equal(queue_pull(x->q, 0, &t, 1, &count, &e), GOT_ONE);
    return t;
}

/* A finish whose failure is looked at. */
static enum got try_finish(struct store *s, const char *id, const struct result *r, struct err *e)
{
    struct answer a = { .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };
    store_finish(s, id, NULL, r, answered, &a);
    pthread_mutex_lock(&a.lock);
    while (!a.calls)
        pthread_cond_wait(&a.came, &a.lock);
    pthread_mutex_unlock(&a.lock);
    *e = a.err;
    return a.won;
}

/* ---- one write for the record and its place in line ---- */

TEST(an_admission_puts_the_job_in_line)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT], later[TOKEN_TEXT];
    struct job *job = job_made("c", "x");
    job->priority = PRIORITY_HIGH;
    job->tenant = "ann";
    admit_job(x.s, job, id);
    job = job_made("c", "x");
    job->start_us = wall_us() + 3600 * US_PER_S;
    admit_job(x.s, job, later);

    struct err e;
    struct queue_view v;
    assert_int_equal(queue_look(x.q, id, &v, &e), GOT_ONE);
    assert_int_equal(v.place, PLACED_WAITING);
    assert_int_equal(v.priority, PRIORITY_HIGH);
    assert_string_equal(v.tenant, "ann");
    place_is(&x, later, PLACED_DELAYED);
}

TEST(a_key_that_is_taken_puts_nothing_in_line)
{
    CLEANUP(site_close) struct site x = fresh_site();
    struct err e;
    char id[TOKEN_TEXT];
    CLEANUP(job_free) struct job *first = job_made("c", "x");
    CLEANUP(job_free) struct job *same = job_made("c", "x");
    CLEANUP(job_free) struct job *other = job_made("c", "y");
    assert_int_equal(store_admit(x.s, first, "key", id, &e), GOT_ONE);
    assert_int_equal(store_admit(x.s, same, "key", id, &e), GOT_NONE);
    assert_int_equal(store_admit(x.s, other, "key", id, &e), GOT_FAILED);
    struct queue_stats stats;
    MUST(queue_stats(x.q, &stats, &e));
    assert_int_equal(stats.waiting[PRIORITY_NORMAL], 1);
}

TEST(an_end_takes_the_job_out_of_line)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char run[TOKEN_TEXT], waits[TOKEN_TEXT], cancelled[TOKEN_TEXT];
    admit(x.s, run);
    struct ticket t = pull(&x);
    assert_string_equal(t.id, run);
    admit(x.s, waits);
    admit(x.s, cancelled);
    assert_int_equal(finish(x.s, run, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(finish(x.s, waits, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(cancel(x.s, cancelled, STATE_CANCELLED), GOT_ONE);
    not_in_line(&x, run);
    not_in_line(&x, waits);
    not_in_line(&x, cancelled);
    struct err e;
    struct queue_stats stats;
    MUST(queue_stats(x.q, &stats, &e));
    assert_int_equal(stats.leased + stats.waiting[0] + stats.waiting[1] + stats.waiting[2], 0);
}

TEST(who_comes_back_late_is_fenced_off)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    struct err e;
    admit(x.s, id);
    struct ticket stalled = pull(&x);
    pass_time(LEASE + 1);
    MUST(queue_tend(x.q, &e));
    struct ticket second = pull(&x);
    assert_int_equal(second.attempt, 2);
    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(finish(x.s, id, VERDICT_WRONG_ANSWER), GOT_NONE);
    MUST(queue_ack(x.q, &stalled, &e));
    not_in_line(&x, id);
    CLEANUP(record_done) struct record r = load(x.s, id, RECORD_RESULT);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
}

TEST(the_first_to_finish_wins_though_another_has_the_lease)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    struct err e;
    admit(x.s, id);
    pull(&x);
    pass_time(LEASE + 1);
    MUST(queue_tend(x.q, &e));
    struct ticket second = pull(&x);
    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE); /* the stalled one's */
    not_in_line(&x, id);
    assert_false(queue_extend(x.q, &second, &e)); /* so the other one may stop */
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

TEST(an_internal_error_is_a_dead_letter_until_it_is_retried)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    struct err e;
    admit(x.s, id);
    struct ticket t = pull(&x);
    CLEANUP(result_free) struct result *r = result_internal_error("the box would not open");
    r->attempt = 1;
    assert_int_equal(finish_with(x.s, id, r), GOT_ONE);
    struct queue_view v;
    assert_int_equal(queue_look(x.q, id, &v, &e), GOT_ONE);
    assert_int_equal(v.place, PLACED_DEAD);
    assert_string_equal(v.reason, "the box would not open");
    MUST(queue_bury(x.q, &t, "again", &e)); /* changes nothing */

    assert_int_equal(store_reopen(x.s, id, &e), GOT_ONE);
    place_is(&x, id, PLACED_WAITING);
    assert_int_equal(queue_retry(x.q, id, &e), GOT_NONE); /* is so already */
    t = pull(&x);
    assert_int_equal(t.attempt, 1);
    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    not_in_line(&x, id);
}

TEST(a_dead_letter_that_was_dropped_can_still_be_retried)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    struct err e;
    struct job *job = job_made("c", "x");
    job->tenant = "ann";
    job->priority = PRIORITY_LOW;
    admit_job(x.s, job, id);
    assert_int_equal(finish(x.s, id, VERDICT_INTERNAL_ERROR), GOT_ONE);
    assert_int_equal(queue_drop(x.q, id, &e), GOT_ONE);
    assert_int_equal(store_reopen(x.s, id, &e), GOT_ONE);
    struct queue_view v;
    assert_int_equal(queue_look(x.q, id, &v, &e), GOT_ONE);
    assert_int_equal(v.place, PLACED_WAITING);
    assert_int_equal(v.priority, PRIORITY_LOW);
    assert_string_equal(v.tenant, "ann");
}

TEST(a_finish_sent_again_has_won_again)
{
    CLEANUP(site_close) struct site x = fresh_site();
    struct err e;
    struct job *job = job_made("c", "x");
    job->webhook_url = "https://example.org/";
    char id[TOKEN_TEXT];
    admit_job(x.s, job, id);
    CLEANUP(result_free) struct result *mine = result_made(VERDICT_ACCEPTED, 888);
    CLEANUP(result_free) struct result *others = result_made(VERDICT_ACCEPTED, 889);
    assert_int_equal(finish_with(x.s, id, mine), GOT_ONE);

    struct delivery d;
    struct delivery_attempt attempt = { .at_us = 1, .status = 200 };
    int count;
    int64_t next;
    MUST(x.s->ops->deliveries->lease(x.s, wall_us(), LEASE, &d, 1, &count, &next, &e));
    assert_int_equal(count, 1);
    MUST(x.s->ops->deliveries->settle(x.s, &d, &attempt, DELIVERY_DELIVERED, 0, &e));
    assert_int_equal(finish_with(x.s, id, mine), GOT_ONE); /* its answer was lost */
    assert_int_equal(finish_with(x.s, id, others), GOT_NONE);
    MUST(x.s->ops->deliveries->lease(x.s, INT64_MAX / 2, LEASE, &d, 1, &count, &next, &e));
    assert_int_equal(count, 0); /* told once */
}

TEST(a_job_costs_three_scripts)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    admit(x.s, id); /* loads the scripts */
    start(x.s, id, 1);
    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    redis_say(redis_shared(), "CONFIG RESETSTAT");
    for (int i = 0; i < 10; i++) {
        struct job *job = job_made("c", "x");
        job->webhook_url = "https://example.org/";
        admit_job(x.s, job, id);
        start(x.s, id, 1);
        assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    }
    const char *stats = strstr(redis_say(redis_shared(), "INFO commandstats"), "cmdstat_evalsha:");
    assert_non_null(stats);
    assert_int_equal(strtol(strstr(stats, "calls=") + 6, NULL, 10), 30);
}

TEST(a_clock_set_back_gives_no_seq_twice)
{
    CLEANUP(site_close) struct site x = fresh_site();
    char id[TOKEN_TEXT];
    redis_say(redis_shared(), "HSET {t}:sub seq 2000000000000000");
    for (int i = 1; i < 4; i++) {
        admit(x.s, id);
        CLEANUP(record_done) struct record r = load(x.s, id, 0);
        assert_true(r.seq == 2000000000000000 + i);
    }
}

/* ---- what is sent and not yet heard of ---- */

TEST(what_another_process_admitted_is_there)
{
    CLEANUP(site_close) struct site x = fresh_site();
    CLEANUP(site_close) struct site y = site_open(redis_shared()->url, 0, false);
    char id[TOKEN_TEXT];
    admit(x.s, id);
    assert_string_equal(pull(&y).id, id);
    assert_int_equal(state_of(y.s, id), STATE_QUEUED);
    start(y.s, id, 1);
    assert_int_equal(finish(y.s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(state_of(x.s, id), STATE_FINISHED);
}

static void *admit_well(void *arg)
{
    struct err e;
    char id[TOKEN_TEXT];
    for (int i = 0; i < 200; i++) {
        CLEANUP(job_free) struct job *job = job_made("c", "x");
        if (store_admit(arg, job, NULL, id, &e) != GOT_ONE)
            return arg;
    }
    return store_sync(arg, &e) ? NULL : arg;
}

static void nothing(UNUSED void *arg, UNUSED struct record *r, UNUSED int64_t seq)
{
}

TEST(sync_tells_a_thread_of_its_own_failures_only)
{
    CLEANUP(site_close) struct site x = fresh_site();
    struct err e;
    char id[TOKEN_TEXT];
    CLEANUP(job_free) struct job *job = job_made("c", "x");
    assert_int_equal(store_admit(x.s, job, NULL, id, &e), GOT_ONE);
    MUST(store_sync(x.s, &e));
    pthread_t others[3];
    for (int i = 0; i < 3; i++)
        others[i] = thread_start(admit_well, x.s);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(store_admit(x.s, job, NULL, id, &e), GOT_ONE); /* it exists */
        assert_false(store_sync(x.s, &e));
        assert_int_equal(e.kind, ERR_CONFLICT);
    }
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(others[i], &failed);
        assert_null(failed);
    }
    MUST(store_sync(x.s, &e));
    struct store_filter f = { .limit = 1 };
    int64_t total;
    MUST(store_list(x.s, &f, 0, nothing, NULL, &total, &e));
    assert_int_equal(total, 601);
}

/* ---- when Redis is full, away, or stuck ---- */

TEST(when_memory_is_full_jobs_end_and_none_comes_in)
{
    CLEANUP(redis_server_done) struct redis_server server = { 0 };
    redis_server_start(&server, "");
    CLEANUP(site_close) struct site x = site_open(server.url, 0, false);
    struct err e = { 0 };
    char id[TOKEN_TEXT], unlucky[TOKEN_TEXT], queued[TOKEN_TEXT];
    struct job *telling = job_made("c", "x");
    telling->webhook_url = "https://example.org/";
    admit_job(x.s, telling, id);
    admit(x.s, unlucky);
    admit(x.s, queued);
    pull(&x);
    start(x.s, id, 1);
    redis_say(&server, "CONFIG SET maxmemory 1mb"); /* less than it has */

    CLEANUP(job_free) struct job *job = job_made("c", "x");
    char ignored[TOKEN_TEXT];
    assert_int_equal(store_admit(x.s, job, NULL, ignored, &e), GOT_ONE);
    assert_false(store_sync(x.s, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_int_equal(store_admit(x.s, job, "key", ignored, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_false(is_known(x.s, job->id));

    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(finish(x.s, unlucky, VERDICT_INTERNAL_ERROR), GOT_ONE);
    assert_int_equal(cancel(x.s, queued, STATE_CANCELLED), GOT_ONE);
    struct delivery d;
    int count;
    int64_t next, swept;
    MUST(x.s->ops->deliveries->lease(x.s, wall_us(), LEASE, &d, 1, &count, &next, &e));
    assert_int_equal(count, 1);
    MUST(x.s->ops->deliveries->settle(x.s, &d, &(struct delivery_attempt){ .status = 200 },
                                      DELIVERY_DELIVERED, 0, &e));
    MUST(store_remove(x.s, unlucky, &e));
    MUST(store_sweep(x.s, INT64_MAX, 10, &swept, &e));
    assert_int_equal(swept, 2);

    redis_say(&server, "CONFIG SET maxmemory 0");
    not_in_line(&x, job->id);
    admit(x.s, id);
}

TEST(away_is_said_and_nothing_is_lost)
{
    CLEANUP(redis_server_done) struct redis_server server = { 0 };
    redis_server_start(&server, "appendfsync always\n");
    CLEANUP(site_close) struct site x = site_open(server.url, QUICK, false);
    struct err e;
    char id[TOKEN_TEXT], ignored[TOKEN_TEXT];
    admit(x.s, id);
    redis_server_stop(&server, SIGKILL);

    CLEANUP(job_free) struct job *job = job_made("c", "x");
    CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 888);
    assert_int_equal(store_admit(x.s, job, NULL, ignored, &e), GOT_ONE);
    assert_false(store_sync(x.s, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(try_finish(x.s, id, r, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    char detail[160], fix[160];
    store_health(x.s, detail, sizeof detail, fix, sizeof fix);
    assert_non_null(strstr(detail, "does not answer"));

    redis_server_go_on(&server);
    redis_say_until(&server, "PONG", "PING");
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (try_finish(x.s, id, r, &e) != GOT_ONE)
        assert_true(e.kind == ERR_UNAVAILABLE && mono_us() < deadline);
    assert_int_equal(state_of(x.s, id), STATE_FINISHED);
    not_in_line(&x, id);
    MUST(store_sync(x.s, &e)); /* the failure was told */
}

TEST(an_answer_that_came_too_late_is_no_second_result)
{
    CLEANUP(redis_server_done) struct redis_server server = { 0 };
    redis_server_start(&server, NULL);
    CLEANUP(site_close) struct site x = site_open(server.url, QUICK, false);
    struct err e;
    char id[TOKEN_TEXT];
    admit(x.s, id);
    CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 888);
    redis_server_stop(&server, SIGSTOP);
    assert_int_equal(try_finish(x.s, id, r, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    redis_server_stop(&server, SIGCONT);
    int64_t deadline = mono_us() + 20 * US_PER_S;
    enum got got;
    while ((got = try_finish(x.s, id, r, &e)) == GOT_FAILED)
        assert_true(e.kind == ERR_UNAVAILABLE && mono_us() < deadline);
    assert_int_equal(got, GOT_ONE);
    assert_int_equal(finish(x.s, id, VERDICT_WRONG_ANSWER), GOT_NONE);
}

TEST(health_names_what_may_lose_jobs)
{
    char detail[160], fix[160];
    CLEANUP(redis_server_done) struct redis_server server = { 0 };
    redis_server_start(&server, NULL);
    CLEANUP(site_close) struct site x = site_open(server.url, 0, false);
    store_health(x.s, detail, sizeof detail, fix, sizeof fix);
    assert_string_equal(detail, "");
    redis_say(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    store_health(x.s, detail, sizeof detail, fix, sizeof fix);
    assert_non_null(strstr(detail, "evict"));
    assert_non_null(strstr(fix, "noeviction"));
    redis_say(&server, "CONFIG SET appendonly no");
    store_health(x.s, detail, sizeof detail, fix, sizeof fix);
    assert_non_null(strstr(detail, "append-only"));
    assert_non_null(strstr(fix, "appendonly yes"));
}

enum { CLIENTS = 3, EACH = 150, DEATHS = 4, WAIT = 60 };

struct client {
    struct site *x;
    int count;
    char ids[EACH][TOKEN_TEXT]; /* those it was told of */
    pthread_t thread;
};

static _Atomic bool enough;

/* Hand in until enough were confirmed. What fails may be there or not: nobody asks for it. */
static void *hand_in(void *arg)
{
    struct client *c = arg;
    while (c->count < EACH) {
        struct err e;
        struct job *job = job_made("c", "x");
        job->webhook_url = "https://example.org/";
        if (store_admit(c->x->s, job, NULL, c->ids[c->count], &e) == GOT_ONE &&
            store_sync(c->x->s, &e))
            c->count++;
        job_free(job);
    }
    return NULL;
}

/* A worker that never gives up a result it has. */
static void *work_off(void *arg)
{
    struct client *c = arg;
    while (!enough) {
        struct err e;
        struct ticket t;
        int count;
        if (queue_pull(c->x->q, US_PER_S / 10, &t, 1, &count, &e) != GOT_ONE)
            continue;
        CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, wall_us());
        r->attempt = t.attempt;
        while (try_finish(c->x->s, t.id, r, &e) == GOT_FAILED && !enough)
            continue;
    }
    return NULL;
}

static bool all_final(struct client *clients)
{
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < EACH; k++) {
            struct err e;
            CLEANUP(record_done) struct record r = { 0 };
            enum got got = store_load(clients[i].x->s, clients[i].ids[k], 0, &r, &e);
            if (got == GOT_NONE)
                fail_msg("%s was confirmed and is gone", clients[i].ids[k]);
            if (got == GOT_FAILED || r.state != STATE_FINISHED)
                return false;
        }
    }
    return true;
}

/* Each confirmed one has one result and is owed one delivery; nothing waits any more. */
static void is_whole(struct site *x, struct client *clients)
{
    struct err e;
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < EACH; k++) {
            struct delivery d;
            char did[DELIVERY_TEXT];
            delivery_id(DELIVERY_WEBHOOK, clients[i].ids[k], did);
            assert_int_equal(x->s->ops->deliveries->load(x->s, did, &d, NULL, NULL, &e), GOT_ONE);
            assert_int_equal(d.state, DELIVERY_PENDING);
            CLEANUP(record_done) struct record r = load(x->s, clients[i].ids[k], RECORD_RESULT);
            assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
            not_in_line(x, clients[i].ids[k]);
        }
    }
}

TEST(nothing_confirmed_is_lost_while_redis_dies_again_and_again)
{
    CLEANUP(redis_server_done) struct redis_server server = { 0 };
    redis_server_start(&server, "appendfsync always\n");
    static struct client in[CLIENTS], out[CLIENTS];
    struct site sites[CLIENTS];
    struct err e;
    enough = false;
    for (int i = 0; i < CLIENTS; i++) {
        sites[i] = site_open(server.url, US_PER_S, false);
        queue_close(sites[i].q);
        MUST(sites[i].q = queue_redis_open(sites[i].redis, "t",
                                           &(struct queue_config){ .lease_us = US_PER_S }, &e));
        in[i] = (struct client){ .x = &sites[i] };
        out[i] = (struct client){ .x = &sites[i] };
        in[i].thread = thread_start(hand_in, &in[i]);
        out[i].thread = thread_start(work_off, &out[i]);
    }
    for (int i = 0; i < DEATHS; i++) {
        usleep(150 * 1000); /* in the middle of things */
        redis_server_stop(&server, i % 2 ? SIGTERM : SIGKILL);
        redis_server_go_on(&server);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(in[i].thread, NULL);
    int64_t deadline = mono_us() + WAIT * US_PER_S;
    while (!all_final(in)) {
        assert_true(mono_us() < deadline);
        bool tended = queue_tend(sites[0].q, &e);
        (void)tended;
        usleep(100 * 1000);
    }
    enough = true;
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(out[i].thread, NULL);
    is_whole(&sites[0], in);
    for (int i = 0; i < CLIENTS; i++)
        site_close(&sites[i]);
}

/* ---- a cluster of Redis ---- */

TEST(one_deployment_is_in_one_slot_of_a_cluster)
{
    CLEANUP(redis_cluster_done) struct redis_cluster w = { 0 };
    redis_cluster_start(&w);
    CLEANUP(site_close) struct site x = site_open(w.url, 0, true);
    struct err e;
    char id[TOKEN_TEXT];
    struct job *job = job_made("c", "x");
    job->webhook_url = "https://example.org/";
    admit_job(x.s, job, id);
    assert_string_equal(pull(&x).id, id);
    assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    int64_t swept;
    CLEANUP(record_done) struct record r = load(x.s, id, RECORD_JOB | RECORD_RESULT);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    struct delivery d;
    int count;
    int64_t next;
    MUST(x.s->ops->deliveries->lease(x.s, wall_us(), LEASE, &d, 1, &count, &next, &e));
    assert_int_equal(count, 1);
    MUST(store_archived(x.s, id, r.finished_us, 1, &e));
    MUST(store_sweep(x.s, 2, 10, &swept, &e));
    assert_int_equal(swept, 1);
    assert_false(is_known(x.s, id));
}

/* ---- how large and how long ---- */

TEST(large_jobs_and_results_come_back_whole)
{
    enum { LARGE = 8 * 1024 * 1024 };
    CLEANUP(site_close) struct site x = fresh_site();
    CLEANUP(buf_done) struct buf bytes = { 0 };
    random_bytes(buf_reserve(&bytes, LARGE), LARGE);
    bytes.len = LARGE;
    struct job *job = job_made("c", "x");
    job->tests[0].stdin_data = buf_str(&bytes);
    char id[TOKEN_TEXT];
    admit_job(x.s, job, id);
    CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 0);
    r->tests = arena_array(&r->arena, 1, sizeof *r->tests);
    r->test_count = 1;
    r->tests[0].id = "1";
    r->tests[0].outcome.verdict = VERDICT_ACCEPTED;
    r->tests[0].outcome.out = buf_str(&bytes);
    assert_int_equal(finish_with(x.s, id, r), GOT_ONE);
    CLEANUP(record_done) struct record back = load(x.s, id, RECORD_JOB | RECORD_RESULT);
    assert_true(str_eq(back.job->tests[0].stdin_data, buf_str(&bytes)));
    assert_true(str_eq(back.result->tests[0].outcome.out, buf_str(&bytes)));
}

TEST(what_is_damaged_is_an_error_and_nothing_else)
{
    CLEANUP(site_close) struct site x = fresh_site();
    struct err e;
    char id[TOKEN_TEXT];
    admit(x.s, id);
    redis_say(redis_shared(), "SET {t}:sub:j:%s \001damaged", id);
    CLEANUP(record_done) struct record r = { 0 };
    assert_int_equal(store_load(x.s, id, RECORD_JOB, &r, &e), GOT_FAILED);
    assert_non_null(strstr(e.text, id));
    assert_int_equal(state_of(x.s, id), STATE_QUEUED);
    assert_int_equal(finish(x.s, id, VERDICT_INTERNAL_ERROR), GOT_ONE);
}

/* ---- how long records live ---- */

TEST(without_a_history_records_live_for_a_day_and_with_one_until_it_has_them)
{
    CLEANUP(site_close) struct site x = fresh_site();
    CLEANUP(site_close) struct site y = site_open(redis_shared()->url, 0, true);
    struct err e;
    int64_t day = 24 * 3600 * US_PER_S, swept;
    char alone[TOKEN_TEXT], wanted[TOKEN_TEXT];
    admit(x.s, alone);
    admit(y.s, wanted);
    CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 1000);
    assert_int_equal(finish_with(x.s, wanted, r), GOT_ONE); /* whoever ends it */
    assert_int_equal(finish_with(y.s, alone, r), GOT_ONE);
    MUST(store_sweep(x.s, 1000 + day - 1, 10, &swept, &e));
    assert_int_equal(swept, 0);
    MUST(store_sweep(x.s, 1000 + day, 10, &swept, &e));
    assert_int_equal(swept, 1);
    assert_false(is_known(x.s, alone));
    MUST(store_sweep(x.s, INT64_MAX, 10, &swept, &e));
    assert_int_equal(swept, 0);
    assert_true(is_known(x.s, wanted));
    MUST(store_archived(x.s, wanted, 1000, 2000, &e));
    MUST(store_sweep(x.s, 2000, 10, &swept, &e));
    assert_int_equal(swept, 1);
}

TEST(nothing_is_left_behind)
{
    CLEANUP(site_close) struct site x = fresh_site();
    struct err e;
    char id[TOKEN_TEXT];
    int64_t swept;
    for (int i = 0; i < 250; i++) {
        struct job *job = job_made("c", "x");
        job->webhook_url = i % 2 ? "https://example.org/" : NULL;
        job->callback_url = i % 3 ? "https://example.org/" : NULL;
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(store_admit(x.s, job, key, id, &e), GOT_ONE);
        job_free(job);
        assert_int_equal(finish(x.s, id, VERDICT_ACCEPTED), GOT_ONE);
    }
    struct delivery d[50];
    int count;
    int64_t next;
    MUST(x.s->ops->deliveries->lease(x.s, wall_us(), LEASE, d, 50, &count, &next, &e));
    for (int i = 0; i < count; i++)
        MUST(x.s->ops->deliveries->settle(x.s, &d[i], &(struct delivery_attempt){ .status = 500 },
                                          i % 2 ? DELIVERY_FAILED : DELIVERY_PENDING, 1, &e));
    MUST(store_sweep(x.s, INT64_MAX, 1000, &swept, &e));
    assert_int_equal(swept, 250);
    const char *left =
        redis_say(redis_shared(), "EVAL %s 0", "return#redis.call('keys','{t}:sub:*')");
    assert_string_equal(left, "0");
}

static int site_setup(UNUSED void **state)
{
    if (redis_is_here())
        return 0;
    print_message("no redis-server here\n");
    exit(77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_admission_puts_the_job_in_line),
        T(a_key_that_is_taken_puts_nothing_in_line),
        T(an_end_takes_the_job_out_of_line),
        T(who_comes_back_late_is_fenced_off),
        T(the_first_to_finish_wins_though_another_has_the_lease),
        T(an_internal_error_is_a_dead_letter_until_it_is_retried),
        T(a_dead_letter_that_was_dropped_can_still_be_retried),
        T(a_finish_sent_again_has_won_again),
        T(a_job_costs_three_scripts),
        T(a_clock_set_back_gives_no_seq_twice),
        T(what_another_process_admitted_is_there),
        T(sync_tells_a_thread_of_its_own_failures_only),
        T(when_memory_is_full_jobs_end_and_none_comes_in),
        T(away_is_said_and_nothing_is_lost),
        T(an_answer_that_came_too_late_is_no_second_result),
        T(health_names_what_may_lose_jobs),
        T(nothing_confirmed_is_lost_while_redis_dies_again_and_again),
        T(one_deployment_is_in_one_slot_of_a_cluster),
        T(large_jobs_and_results_come_back_whole),
        T(what_is_damaged_is_an_error_and_nothing_else),
        T(without_a_history_records_live_for_a_day_and_with_one_until_it_has_them),
        T(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, site_setup, NULL);
}
