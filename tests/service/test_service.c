/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a submission, with an engine that does what the test says. */
#include "../unit/test.h"

#include <fcntl.h>
#include <pthread.h>
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
