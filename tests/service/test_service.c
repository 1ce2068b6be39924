/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a submission, with an engine that does what the test says. */
#include "../unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "drivers/sqlite.h"
#include "fake_engine.h"
#include "service/service.h"

struct house {
    char folder[32]; /* of the database */
    struct db *db;
    struct engine *engine;
    struct queue *queue;
    struct store *store;
    struct bus *bus;
    struct catalogue *catalogue;
    struct service *service;
};

static void render(const struct test_result *t, size_t index, struct buf *out)
{
    buf_addf(out, "test %s at %zu", t->id, index);
}

static struct service_config config(void)
{
    struct limits most = limits_unset(), defaults = limits_unset();
    for (size_t i = 0; i < limit_count; i++) {
        limit_set(&most, &limit_infos[i], INT64_C(1) << 40);
        limit_set(&defaults, &limit_infos[i], INT64_C(1) << 24);
    }
    return (struct service_config){
        .policy = { .defaults = defaults,
                    .most = most,
                    .tests_max = 100,
                    .files_max = 10,
                    .source_bytes_max = 1 << 20 },
        .queue_max = 3,
        .attempts_max = 3,
        .lease_us = 60 * US_PER_S,
        .drain_us = 200 * US_PER_MS,
        .render_test = render,
    };
}

/* As at the start of a process: the queue is read from the file again. */
static void start_service(struct house *h)
{
    struct err e;
    struct service_config c = config();
    struct queue_config queue_config = { .lease_us = 60 * US_PER_S };
    queue_close(h->queue);
    h->queue = queue_sqlite_open(h->db, &queue_config, &e);
    MUST(h->queue);
    h->service = service_start(&c, h->catalogue, h->engine, h->queue, h->store, h->bus, &e);
    MUST(h->service);
}

static const struct store_ops *whole; /* what ours stands in for */
static struct store_ops refusing;
static atomic_int refusals; /* results still to be refused */

static atomic_bool withhold; /* the next answer, which is then the test's to give */
static store_done_fn late_done;
static void *late_arg;

static void refuse_finish(struct store *s, const char *id, const char *receipt,
                          const struct result *result, store_done_fn done, void *arg)
{
    struct err e;
    err_set(&e, ERR_UNAVAILABLE, "the store is away");
    if (atomic_exchange(&withhold, false)) {
        late_done = done;
        late_arg = arg;
    } else if (atomic_fetch_sub(&refusals, 1) > 0) {
        done(arg, GOT_FAILED, &e);
    } else {
        whole->finish(s, id, receipt, result, done, arg);
    }
}

/* A store that can refuse results; put in place before there are threads to use it. */
static void prepare_refusals(struct store *s)
{
    whole = s->ops;
    refusing = *whole;
    refusing.finish = refuse_finish;
    atomic_store(&refusals, 0);
    s->ops = &refusing;
}

static struct house house_with(const enum fake_answer *answers, size_t count)
{
    struct err e = { 0 };
    struct store_config store_config = { 0 };
    struct house h = {
        .folder = "/tmp/evalx-service-XXXXXX",
        .engine = fake_engine_new(),
        .bus = bus_local_open(),
        .catalogue = catalogue_load(LANGUAGES_DIR, &e),
    };
    MUST(h.catalogue);
    assert_non_null(mkdtemp(h.folder));
    char path[64];
    snprintf(path, sizeof path, "%s/evalx.db", h.folder);
    h.db = db_open(path, &e);
    MUST(h.db);
    h.store = store_sqlite_open(h.db, &store_config, &e);
    MUST(h.store);
    prepare_refusals(h.store);
    fake_engine_script(h.engine, answers, count);
    start_service(&h);
    return h;
}

static void stop_service(struct house *h)
{
    service_drain(h->service);
    engine_stop(h->engine);
    service_stop(h->service);
    h->service = NULL;
}

static void house_done(struct house *h)
{
    if (h->service)
        stop_service(h);
    bus_close(h->bus);
    queue_close(h->queue);
    store_close(h->store);
    db_close(h->db);
    CLEANUP(fd_close) int dir = open(h->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    static const char *const files[] = { "evalx.db", "evalx.db-wal", "evalx.db-shm",
                                         "evalx.db.lock" };
    for (size_t i = 0; i < COUNT_OF(files); i++)
        unlinkat(dir, files[i], 0);
    rmdir(h->folder);
    catalogue_free(h->catalogue);
    fake_engine_free(h->engine);
}

static struct job *hello(void)
{
    struct err e;
    struct json *json = json_parse(STR("{\"language\":\"bash\",\"source\":\"echo hi\"}"), &e);
    MUST(json);
    struct job *job = job_from_json(json, false, &e);
    MUST(job);
    json_free(json);
    return job;
}

static void accept_hello(struct house *h, char id[TOKEN_TEXT])
{
    struct err e;
    if (service_accept(h->service, hello(), NULL, true, id, &e) != GOT_ONE)
        fail_msg("accept: %s", e.text);
}

struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int count;
};

static void ring(void *arg)
{
    struct bell *b = arg;
    pthread_mutex_lock(&b->lock);
    b->count++;
    pthread_cond_signal(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

/* Wait for the end of a job as the HTTP face does: watch, look, wait. */
static void wait_final(struct house *h, const char *id, struct record *r)
{
    struct err e;
    struct bell bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    struct service_watch *w = service_watch(h->service, id, ring, &bell);
    assert_int_equal(service_load(h->service, id, RECORD_RESULT, r, &e), GOT_ONE);
    if (r->state != STATE_FINISHED && r->state != STATE_CANCELLED) {
        record_done(r);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 10;
        pthread_mutex_lock(&bell.lock);
        while (!bell.count)
            if (pthread_cond_timedwait(&bell.rung, &bell.lock, &until))
                fail_msg("%s", "the end of the job was never announced");
        pthread_mutex_unlock(&bell.lock);
        *r = (struct record){ 0 };
        assert_int_equal(service_load(h->service, id, RECORD_RESULT, r, &e), GOT_ONE);
    }
    service_unwatch(h->service, w);
}

TEST(an_accepted_job_ends_with_its_verdict)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.state, STATE_FINISHED);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.result->attempt, 1);
    record_done(&r);
    house_done(&h);
}

TEST(trouble_of_ours_is_tried_again_and_is_no_verdict)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_TROUBLE, FAKE_ACCEPTED }, 2);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.result->attempt, 2);
    record_done(&r);
    house_done(&h);
}

TEST(after_the_last_attempt_it_is_an_internal_error_with_the_reason)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_TROUBLE }, 1);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_INTERNAL_ERROR);
    assert_int_equal(r.result->attempt, 3);
    assert_string_equal(r.result->message, "lane broke");
    record_done(&r);
    house_done(&h);
}

TEST(a_running_job_can_be_cancelled)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG }, 1);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    enum job_state now;
    struct err e;
    MUST(service_cancel(h.service, id, &now, &e));
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.state, STATE_CANCELLED);
    record_done(&r);
    /* Again: nothing more happens, no error. */
    MUST(service_cancel(h.service, id, &now, &e));
    assert_int_equal(now, STATE_CANCELLED);
    house_done(&h);
}

static void cancel_now(void *arg, const char *id)
{
    struct err e;
    enum job_state now;
    MUST(service_cancel(arg, id, &now, &e));
}

TEST(a_cancel_between_the_queue_and_the_engine_is_not_lost)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG }, 1);
    fake_engine_before_submit(h.engine, cancel_now, h.service);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    /* Nothing is left to run: without that the drain would have to wait for the hanging job. */
    int64_t start = mono_us();
    struct service_stats stats;
    struct err e;
    do
        MUST(service_stats(h.service, &stats, &e));
    while (stats.finished < 1 && mono_us() < start + 5 * US_PER_S);
    assert_int_equal(stats.finished, 1);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.state, STATE_CANCELLED);
    record_done(&r);
    house_done(&h);
}

TEST(a_stopping_server_gives_back_what_runs_and_the_attempt_with_it)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG, FAKE_ACCEPTED }, 2);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    stop_service(&h);
    start_service(&h);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.result->attempt, 1);
    record_done(&r);
    house_done(&h);
}

TEST(a_record_without_a_place_in_line_is_pushed_at_the_next_start)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    struct err e;
    stop_service(&h);
    /* As a crash between store_admit() and queue_push() leaves it. */
    struct job *job = hello();
    struct service_config c = config();
    MUST(job_check(job, h.catalogue, &c.policy, &e));
    char id[TOKEN_TEXT];
    assert_int_equal(store_admit(h.store, job, NULL, id, &e), GOT_ONE);
    job_free(job);
    start_service(&h);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    record_done(&r);
    house_done(&h);
}

TEST(a_full_queue_refuses_and_says_so)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    stop_service(&h); /* nobody pulls any more, but accepting goes on */
    struct engine *engine = h.engine;
    h.engine = NULL;
    start_service(&h);
    char id[TOKEN_TEXT];
    for (int i = 0; i < 3; i++)
        accept_hello(&h, id);
    struct err e;
    assert_int_equal(service_accept(h.service, hello(), NULL, true, id, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_LIMIT);
    service_stop(h.service);
    h.service = NULL;
    h.engine = engine;
    house_done(&h);
}

TEST(an_idempotency_key_names_the_first_job)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    struct err e;
    char first[TOKEN_TEXT], second[TOKEN_TEXT];
    assert_int_equal(service_accept(h.service, hello(), "k", true, first, &e), GOT_ONE);
    assert_int_equal(service_accept(h.service, hello(), "k", true, second, &e), GOT_NONE);
    assert_string_equal(first, second);
    house_done(&h);
}

/* ---- a store that refuses ---- */

TEST(a_result_the_store_refuses_waits_and_is_kept_in_the_end)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    atomic_store(&refusals, 3);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.result->attempt, 1); /* kept, not run again */
    record_done(&r);
    house_done(&h);
}

TEST(nothing_is_pulled_while_results_cannot_be_kept)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    atomic_store(&refusals, 3);
    char first[TOKEN_TEXT], second[TOKEN_TEXT];
    accept_hello(&h, first);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    while (atomic_load(&refusals) > 2) /* the first result was refused */
        sched_yield();
    accept_hello(&h, second);
    struct health_check checks[HEALTH_MAX];
    int count = service_health(h.service, checks);
    assert_string_equal(checks[count - 1].name, "results");
    assert_true(checks[count - 1].minor);
    struct record r = { 0 };
    wait_final(&h, first, &r);
    assert_true(atomic_load(&refusals) <= 0); /* all of them were the first one's */
    record_done(&r);
    wait_final(&h, second, &r);
    assert_int_equal(r.result->attempt, 1);
    record_done(&r);
    assert_int_equal(service_health(h.service, checks), count - 1);
    house_done(&h);
}

/* Takes the five seconds a stop waits for it. */
TEST(an_answer_of_the_store_that_comes_after_the_stop_touches_nothing)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    atomic_store(&withhold, true);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    stop_service(&h);
    house_done(&h); /* the bus, the queue and the store are gone */
    late_done(late_arg, GOT_ONE, NULL);
}

/* ---- dead letters ---- */

static bool wait_place(struct house *h, const char *id, enum queue_place place,
                       struct queue_view *ret)
{
    struct err e;
    int64_t end = mono_us() + 5 * US_PER_S;
    while (mono_us() < end)
        if (queue_look(service_queue(h->service), id, ret, &e) == GOT_ONE && ret->place == place)
            return true;
    return false;
}

TEST(what_failed_every_attempt_is_a_dead_letter_with_its_reason_and_can_run_again)
{
    struct house h = house_with(
        (enum fake_answer[]){ FAKE_TROUBLE, FAKE_TROUBLE, FAKE_TROUBLE, FAKE_ACCEPTED }, 4);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_INTERNAL_ERROR);
    record_done(&r);
    struct queue_view view;
    assert_true(wait_place(&h, id, PLACED_DEAD, &view));
    assert_string_equal(view.reason, "lane broke");
    assert_int_equal(view.attempt, 3);

    struct err e;
    assert_int_equal(service_retry(h.service, id, &e), GOT_ONE);
    wait_final(&h, id, &r);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.result->attempt, 1);
    record_done(&r);
    assert_int_equal(service_retry(h.service, id, &e), GOT_NONE);
    house_done(&h);
}

TEST(a_dropped_dead_letter_leaves_its_record)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_TROUBLE }, 1);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    record_done(&r);
    struct queue_view view;
    struct err e;
    assert_true(wait_place(&h, id, PLACED_DEAD, &view));
    assert_int_equal(service_drop(h.service, id, &e), GOT_ONE);
    assert_int_equal(queue_look(service_queue(h.service), id, &view, &e), GOT_NONE);
    assert_int_equal(service_drop(h.service, id, &e), GOT_NONE);
    assert_int_equal(service_load(h.service, id, RECORD_RESULT, &r, &e), GOT_ONE);
    assert_int_equal(r.result->verdict, VERDICT_INTERNAL_ERROR);
    record_done(&r);
    house_done(&h);
}

TEST(draining_cancels_what_waits_and_leaves_what_runs)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG }, 1);
    struct err e;
    char running[TOKEN_TEXT], waiting[2][TOKEN_TEXT];
    accept_hello(&h, running);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    MUST(queue_pause(service_queue(h.service), true, &e));
    for (int i = 0; i < 2; i++)
        accept_hello(&h, waiting[i]);
    int64_t cancelled, left;
    MUST(service_drain_queue(h.service, &cancelled, &left, &e));
    assert_int_equal(cancelled, 2);
    assert_int_equal(left, 0);
    struct record r = { 0 };
    wait_final(&h, waiting[1], &r);
    assert_int_equal(r.state, STATE_CANCELLED);
    record_done(&r);
    assert_int_equal(service_load(h.service, running, 0, &r, &e), GOT_ONE);
    assert_int_equal(r.state, STATE_RUNNING);
    record_done(&r);
    house_done(&h);
}

TEST(a_scheduled_job_does_not_run_before_its_time)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_ACCEPTED }, 1);
    struct err e;
    struct job *job = hello();
    char id[TOKEN_TEXT];
    int64_t start = job->start_us = wall_us() + 200 * US_PER_MS;
    assert_int_equal(service_accept(h.service, job, NULL, true, id, &e), GOT_ONE);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    assert_true(r.result->started_us >= start);
    record_done(&r);
    house_done(&h);
}

/* What the bus said of one job, in order. */
struct story {
    pthread_mutex_t lock;
    char text[200];
};

static void note(void *arg, UNUSED const char *id, enum bus_event event, struct str data)
{
    static const char *const names[] = {
        [BUS_FINISHED] = "finished", [BUS_CHANGED] = "changed", [BUS_TEST] = "test",
        [BUS_CANCEL] = "cancel",     [BUS_AGAIN] = "again",
    };
    struct story *story = arg;
    pthread_mutex_lock(&story->lock);
    size_t len = strlen(story->text);
    snprintf(story->text + len, sizeof story->text - len, "%s(%.*s) ", names[event], STR_FMT(data));
    pthread_mutex_unlock(&story->lock);
}

static void assert_story(const char *body, const char *expected)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_TROUBLE, FAKE_ACCEPTED }, 2);
    struct err e;
    struct json *json = json_parse(str_of(body), &e);
    MUST(json);
    struct job *job = job_from_json(json, false, &e);
    json_free(json);
    MUST(job);
    struct story story = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct bus_watch *w = bus_watch(h.bus, job->id, note, &story);
    char id[TOKEN_TEXT];
    assert_int_equal(service_accept(h.service, job, NULL, true, id, &e), GOT_ONE);
    struct record r = { 0 };
    wait_final(&h, id, &r);
    record_done(&r);
    bus_unwatch(h.bus, w);
    assert_string_equal(story.text, expected);
    house_done(&h);
}

TEST(the_bus_tells_how_a_job_goes_on)
{
    assert_story("{\"language\":\"bash\",\"source\":\"\",\"tests\":[{\"stdin\":\"x\"}]}",
                 "changed(1) changed() changed(2) test(2 0 test 1 at 0) finished() ");
    /* With one run the end says it all. */
    assert_story("{\"language\":\"bash\",\"source\":\"\"}",
                 "changed(1) changed() changed(2) finished() ");
}

static void await_bell(struct bell *bell, const char *otherwise)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&bell->lock);
    while (!bell->count)
        if (pthread_cond_timedwait(&bell->rung, &bell->lock, &until))
            fail_msg("%s", otherwise);
    assert_int_equal(bell->count, 1);
    pthread_mutex_unlock(&bell->lock);
}

/* What happens in another process, whose nudge is lost. */
static void cancel_unheard(struct house *h, const char *id)
{
    struct err e;
    enum job_state now;
    assert_int_not_equal(store_cancel(h->store, id, &now, &e), GOT_FAILED);
}

TEST(after_a_gap_in_the_nudges_every_watch_looks_again)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG }, 1);
    struct err e;
    char id[TOKEN_TEXT];
    MUST(queue_pause(service_queue(h.service), true, &e));
    accept_hello(&h, id);
    struct bell bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    struct service_watch *w = service_watch(h.service, id, ring, &bell);
    cancel_unheard(&h, id);
    bus_announce(h.bus, "", BUS_AGAIN);
    await_bell(&bell, "the watch did not look again");
    service_unwatch(h.service, w);
    house_done(&h);
}

TEST(after_a_gap_in_the_nudges_a_worker_looks_for_cancels)
{
    struct house h = house_with((enum fake_answer[]){ FAKE_HANG }, 1);
    char id[TOKEN_TEXT];
    accept_hello(&h, id);
    assert_true(fake_engine_wait_submitted(h.engine, 1));
    struct bell bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    struct service_watch *w = service_watch(h.service, id, ring, &bell);
    cancel_unheard(&h, id);
    bus_announce(h.bus, "", BUS_AGAIN);
    await_bell(&bell, "the worker did not look again");
    service_unwatch(h.service, w);
    house_done(&h);
}

int main(void)
{
    log_setup(LOG_ERROR + 1, LOG_TEXT); /* the trouble here is made on purpose */
    const struct CMUnitTest tests[] = {
        T(an_accepted_job_ends_with_its_verdict),
        T(trouble_of_ours_is_tried_again_and_is_no_verdict),
        T(after_the_last_attempt_it_is_an_internal_error_with_the_reason),
        T(a_running_job_can_be_cancelled),
        T(a_cancel_between_the_queue_and_the_engine_is_not_lost),
        T(a_stopping_server_gives_back_what_runs_and_the_attempt_with_it),
        T(a_record_without_a_place_in_line_is_pushed_at_the_next_start),
        T(a_full_queue_refuses_and_says_so),
        T(an_idempotency_key_names_the_first_job),
        T(a_result_the_store_refuses_waits_and_is_kept_in_the_end),
        T(nothing_is_pulled_while_results_cannot_be_kept),
        T(an_answer_of_the_store_that_comes_after_the_stop_touches_nothing),
        T(what_failed_every_attempt_is_a_dead_letter_with_its_reason_and_can_run_again),
        T(a_dropped_dead_letter_leaves_its_record),
        T(draining_cancels_what_waits_and_leaves_what_runs),
        T(a_scheduled_job_does_not_run_before_its_time),
        T(the_bus_tells_how_a_job_goes_on),
        T(after_a_gap_in_the_nudges_every_watch_looks_again),
        T(after_a_gap_in_the_nudges_a_worker_looks_for_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
