/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event streams without a server: record and bus are this file's, so that nudges come, are lost or
 * come too fast when the test says.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/place.h"
#include "http/stream.h"
#include "test.h"

enum { TESTS = 200 };

struct service_watch {
    bus_fn fn;
    void *arg;
};

static struct service_watch *ear;
static struct {
    enum job_state state;
    int attempts, result_attempt, tests;
    bool away, gone;
    int loads;
} now;
static pthread_mutex_t now_lock = PTHREAD_MUTEX_INITIALIZER; /* for tests with threads */

struct service_watch *service_watch(UNUSED struct service *s, UNUSED const char *id,
                                    UNUSED service_watch_fn fn, UNUSED void *arg)
{
    fail_msg("nobody waits for an end here");
    return NULL;
}

struct service_watch *service_watch_events(UNUSED struct service *s, UNUSED const char *id,
                                           bus_fn fn, void *arg)
{
    ear = calloc(1, sizeof *ear);
    assert_non_null(ear);
    *ear = (struct service_watch){ fn, arg };
    return ear;
}

void service_unwatch(UNUSED struct service *s, struct service_watch *w)
{
    free(w);
    ear = NULL;
}

static struct result *some_result(void)
{
    struct result *r = result_new();
    r->test_count = (size_t)now.tests;
    r->tests = arena_array(&r->arena, r->test_count, sizeof *r->tests);
    r->verdict = VERDICT_ACCEPTED;
    r->attempt = now.result_attempt;
    for (size_t i = 0; i < r->test_count; i++) {
        r->tests[i].id = arena_printf(&r->arena, "t%zu", i);
        r->tests[i].outcome.verdict = VERDICT_ACCEPTED;
    }
    return r;
}

static struct job *some_job(void)
{
    struct err e;
    struct json *json = json_parse(
        STR("{\"language\":\"bash\",\"source\":\"\",\"tests\":[{\"stdin\":\"x\"}]}"), &e);
    MUST(json);
    struct job *job = job_from_json(json, false, &e);
    json_free(json);
    MUST(job);
    return job;
}

static enum got load_now(const char *id, unsigned parts, struct record *ret, struct err *e)
{
    now.loads++;
    if (now.away) {
        err_set(e, ERR_UNAVAILABLE, "away");
        return GOT_FAILED;
    }
    if (now.gone)
        return GOT_NONE;
    *ret = (struct record){ .state = now.state, .attempts = now.attempts };
    snprintf(ret->id, sizeof ret->id, "%s", id);
    if (parts & RECORD_JOB)
        ret->job = some_job();
    if ((parts & RECORD_RESULT) && now.state == STATE_FINISHED)
        ret->result = some_result();
    return GOT_ONE;
}

enum got service_load(UNUSED struct service *s, const char *id, unsigned parts, struct record *ret,
                      struct err *e)
{
    pthread_mutex_lock(&now_lock);
    enum got got = load_now(id, parts, ret, e);
    pthread_mutex_unlock(&now_lock);
    return got;
}

/* ---- a reader ---- */

static struct waits *waits;
static struct streams all;
static struct stream *stream;
static int64_t clock_us;
static struct buf text;  /* as it came */
static struct buf story; /* ids of it, each with a space behind */
static char last_id[1024];

static int setup(UNUSED void **state)
{
    struct err e;
    memset(&now, 0, sizeof now);
    waits = waits_start(&e);
    all = (struct streams){ .most = 2 };
    clock_us = mono_us();
    last_id[0] = '\0';
    return waits ? 0 : -1;
}

static int teardown(UNUSED void **state)
{
    stream_free(stream);
    stream = NULL;
    waits_stop(waits);
    buf_done(&text);
    buf_done(&story);
    assert_int_equal(atomic_load(&all.open), 0);
    return 0;
}

static enum got open_at(const char *id)
{
    struct err e;
    return stream_open(&all, NULL, "the-token", id, &stream, &e);
}

static void come_back(void)
{
    stream_free(stream);
    stream = NULL;
    assert_int_equal(open_at(last_id), GOT_ONE);
}

/* Everything there is now, in small pieces; false: the end came. */
static bool read_all(void)
{
    char piece[7];
    ssize_t len;
    buf_reset(&text);
    while ((len = stream_read(stream, waits, clock_us, piece, sizeof piece)) > 0)
        buf_add(&text, piece, (size_t)len);
    return len == 0;
}

static const char *read_ids(void)
{
    bool more = read_all();
    buf_reset(&story);
    for (const char *at = text.ptr; at && (at = strstr(at, "\nid: ")); at += 5) {
        size_t len = strcspn(at + 5, "\n");
        snprintf(last_id, sizeof last_id, "%.*s", (int)len, at + 5);
        buf_addf(&story, "%s ", last_id);
    }
    if (!more)
        buf_add_text(&story, "end");
    return story.len ? story.ptr : "";
}

static void hear(enum bus_event event, const char *data)
{
    ear->fn(ear->arg, "the-token", event, str_of(data));
}

static void hear_test(int attempt, int test, size_t bytes)
{
    CLEANUP(buf_done) struct buf data = { 0 };
    buf_addf(&data, "%d %d {\"index\":%d,\"stdout\":\"", attempt, test, test);
    for (size_t i = 0; i < bytes; i++)
        buf_add_char(&data, 'x');
    buf_add_text(&data, "\"}");
    hear(BUS_TEST, data.ptr);
}

static void finish(int attempt, int tests)
{
    now.state = STATE_FINISHED;
    now.attempts = now.result_attempt = attempt;
    now.tests = tests;
}

/* ---- the story ---- */

TEST(events_come_in_the_order_they_happen_and_end_with_the_record)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    assert_string_equal(read_ids(), "queued ");
    assert_int_equal(strncmp(text.ptr, "retry: 2000\n\n", 13), 0);
    hear(BUS_CHANGED, "1");
    hear_test(1, 1, 5);
    hear_test(1, 0, 5);
    assert_string_equal(read_ids(), "running.1 tests.1.1 tests.1.0-1 ");
    assert_null(strstr(text.ptr, "retry"));
    finish(1, 2);
    hear(BUS_FINISHED, "");
    assert_string_equal(read_ids(), "finished end");
    assert_non_null(strstr(text.ptr, "\"verdict\":\"accepted\""));
}

TEST(tests_that_were_not_heard_of_are_sent_before_the_end)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    hear_test(1, 1, 5);
    hear(BUS_TEST, "");
    finish(1, 4);
    hear(BUS_FINISHED, "");
    assert_string_equal(read_ids(),
                        "queued tests.1.1 tests.1.0-1 tests.1.0-2 tests.1.0-3 finished end");
}

TEST(the_buffer_of_a_reader_who_does_not_read_is_bounded)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    (void)read_ids();
    for (int i = 0; i < TESTS; i++)
        hear_test(1, i, 30000);
    assert_string_equal(read_ids(), "running.1 tests.1.0 tests.1.0-1 tests.1.0-2 tests.1.0-3 ");
    hear_test(1, 10, 10); /* there is room again */
    assert_string_equal(read_ids(), "tests.1.0-3,10 ");
    finish(1, 12);
    hear(BUS_FINISHED, "");
    assert_string_equal(read_ids(), "tests.1.0-4,10 tests.1.0-5,10 tests.1.0-6,10 tests.1.0-7,10 "
                                    "tests.1.0-8,10 tests.1.0-10 tests.1.0-11 finished end");
}

TEST(a_reader_who_comes_back_gets_what_it_has_not)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    hear_test(1, 2, 5);
    hear_test(1, 0, 5);
    assert_string_equal(read_ids(), "queued running.1 tests.1.2 tests.1.0,2 ");
    now.state = STATE_RUNNING;
    now.attempts = 1;
    come_back();
    hear_test(1, 0, 5);
    assert_string_equal(read_ids(), "");
    hear_test(1, 3, 5);
    assert_string_equal(read_ids(), "tests.1.0,2-3 ");
    finish(1, 5);
    come_back();
    assert_string_equal(read_ids(), "tests.1.0-3 tests.1.0-4 finished end");
    come_back();
    assert_true(stream_had_all(stream));
}

TEST(another_attempt_runs_all_tests_again)
{
    now.state = STATE_RUNNING;
    now.attempts = 1;
    assert_int_equal(open_at("tests.1.0-3"), GOT_ONE);
    hear(BUS_CHANGED, "2");
    hear_test(1, 4, 5); /* of the worker that lost it */
    hear_test(2, 0, 5);
    assert_string_equal(read_ids(), "running.2 tests.2.0 ");
    finish(3, 2); /* the second one was lost as well, and nobody heard of the third */
    hear(BUS_AGAIN, "");
    assert_string_equal(read_ids(), "tests.3.0 tests.3.0-1 finished end");
}

TEST(a_submission_that_is_run_anew_is_told_from_its_beginning)
{
    assert_int_equal(open_at("finished"), GOT_ONE);
    assert_false(stream_had_all(stream));
    assert_string_equal(read_ids(), "queued ");
}

TEST(an_id_that_is_not_ours_says_nothing)
{
    finish(1, 1);
    assert_int_equal(open_at("tests.1.0-"), GOT_ONE);
    assert_string_equal(read_ids(), "tests.1.0 finished end");
}

/* ---- when nothing happens ---- */

TEST(an_idle_stream_beats_and_looks_at_the_record_with_every_fourth_beat)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    (void)read_ids();
    for (int beat = 1; beat <= 4; beat++) {
        assert_int_equal(now.loads, 1);
        assert_string_equal(read_ids(), "");
        assert_int_equal(text.len, 0);
        clock_us += (STREAM_BEAT_S + 1) * US_PER_S;
        if (beat == 4)
            finish(1, 0);
        (void)read_ids();
        assert_int_equal(strncmp(text.ptr, ":\n\n", 3), 0);
    }
    assert_string_equal(story.ptr, "finished end");
}

TEST(a_store_that_is_away_is_asked_again_with_the_next_beat)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    (void)read_ids();
    now.away = true;
    finish(1, 1);
    hear(BUS_FINISHED, "");
    assert_string_equal(read_ids(), "");
    now.away = false;
    clock_us += (STREAM_BEAT_S + 1) * US_PER_S;
    assert_string_equal(read_ids(), "tests.1.0 finished end");
}

static atomic_int woken;

static void on_wake(UNUSED void *arg)
{
    atomic_fetch_add(&woken, 1);
}

TEST(news_between_reading_and_parking_wake_at_once_and_each_parking_once)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    atomic_store(&woken, 0);
    (void)read_ids();
    hear(BUS_CANCEL, "");
    stream_park(stream, waits, on_wake, NULL);
    assert_int_equal(atomic_load(&woken), 0);
    hear_test(1, 0, 1);
    hear_test(1, 1, 1);
    assert_int_equal(atomic_load(&woken), 1);
    assert_string_equal(read_ids(), "running.1 tests.1.0 tests.1.0-1 ");
    hear_test(1, 2, 1);
    stream_park(stream, waits, on_wake, NULL);
    assert_int_equal(atomic_load(&woken), 2);
    assert_string_equal(read_ids(), "tests.1.0-2 ");
    stream_park(stream, waits, on_wake, NULL); /* what was read wakes nobody any more */
    assert_int_equal(atomic_load(&woken), 2);
}

/* ---- all at one time ---- */

enum { STORM_TESTS = 4000, STORM_THREADS = 2 };

static pthread_mutex_t storm_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t storm_changed = PTHREAD_COND_INITIALIZER;
static bool storm_woken; /* under storm_lock */

static void wake_reader(UNUSED void *arg)
{
    pthread_mutex_lock(&storm_lock);
    storm_woken = true;
    pthread_cond_signal(&storm_changed);
    pthread_mutex_unlock(&storm_lock);
}

static void sleep_parked(void)
{
    stream_park(stream, waits, wake_reader, NULL);
    pthread_mutex_lock(&storm_lock);
    while (!storm_woken)
        pthread_cond_wait(&storm_changed, &storm_lock);
    storm_woken = false;
    pthread_mutex_unlock(&storm_lock);
}

static void *tell_of_tests(void *arg)
{
    for (int i = (int)(intptr_t)arg; i < STORM_TESTS; i += STORM_THREADS)
        hear_test(1, i, 50);
    return NULL;
}

static void *tell_the_end(UNUSED void *arg)
{
    pthread_t threads[STORM_THREADS];
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_create(&threads[i], NULL, tell_of_tests, (void *)(intptr_t)i);
    for (int i = 0; i < STORM_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&now_lock);
    finish(1, STORM_TESTS);
    pthread_mutex_unlock(&now_lock);
    hear(BUS_FINISHED, "");
    return NULL;
}

TEST(a_reader_sleeps_and_is_woken_while_events_storm_in_and_has_each_once)
{
    pthread_t thread;
    int seen = 0;
    assert_int_equal(open_at(NULL), GOT_ONE);
    pthread_create(&thread, NULL, tell_the_end, NULL);
    for (bool more = true; more;) {
        more = read_all();
        for (const char *at = text.len ? text.ptr : NULL; at && (at = strstr(at, "event: test\n"));
             at++)
            seen++;
        if (more)
            sleep_parked();
    }
    pthread_join(thread, NULL);
    assert_int_equal(seen, STORM_TESTS);
    assert_non_null(strstr(text.ptr, "event: finished\n"));
}

TEST(a_stopping_server_ends_its_streams)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    (void)read_ids();
    atomic_store(&woken, 0);
    stream_park(stream, waits, on_wake, NULL);
    waits_release(waits);
    assert_int_equal(atomic_load(&woken), 1);
    assert_string_equal(read_ids(), "end");
}

TEST(a_deleted_submission_ends_its_stream)
{
    assert_int_equal(open_at(NULL), GOT_ONE);
    (void)read_ids();
    now.gone = true;
    hear(BUS_AGAIN, "");
    assert_string_equal(read_ids(), "end");
}

TEST(streams_are_counted_and_bounded)
{
    struct stream *more[2] = { 0 };
    struct err e;
    for (int i = 0; i < 2; i++)
        assert_int_equal(stream_open(&all, NULL, "id", NULL, &more[i], &e), GOT_ONE);
    assert_int_equal(open_at(NULL), GOT_FAILED);
    now.gone = true;
    stream_free(more[0]);
    assert_int_equal(open_at(NULL), GOT_NONE);
    now.gone = false;
    assert_int_equal(open_at(NULL), GOT_ONE);
    stream_free(more[1]);
}

/* ---- ids ---- */

TEST(an_id_is_read_as_it_was_written_and_nothing_else_is)
{
    static const char *const good[] = { "queued",    "finished",      "running.1",
                                        "tests.1.0", "tests.2.0-5,7", "tests.12.3,5-6,999999999" };
    static const char *const bad[] = {
        "",           "queued ",     "running",       "running.",
        "running.0",  "running.01",  "running.-1",    "tests.1",
        "tests.1.",   "tests.1.0-",  "tests.1.0-0",   "tests.1.1-0",
        "tests.1.0,", "tests.1.0,1", "tests.1.0-3,4", "tests.1.5,3",
        "tests.1.00", "tests.0.1",   "tests.1.0 ",    "running.1.0",
        "test-3",     "Queued",      "tests.1.+1",    "tests.1.1000000000",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct place p;
        CLEANUP(buf_done) struct buf out = { 0 };
        assert_true(place_read(str_of(good[i]), &p));
        place_write(&p, &out);
        assert_string_equal(out.ptr, good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct place p, none = { 0 };
        assert_false(place_read(str_of(bad[i]), &p));
        assert_memory_equal(&p, &none, sizeof p);
    }
}

TEST(a_place_has_what_was_added_in_whatever_order)
{
    struct place p = { .attempt = 1 };
    bool model[TESTS] = { 0 };
    for (int i = 0, test = 0; i < TESTS; i++, test = (test + 71) % TESTS) {
        bool fits = place_add(&p, test);
        model[test] = fits;
        CLEANUP(buf_done) struct buf id = { 0 };
        struct place back;
        place_write(&p, &id);
        assert_true(place_read(buf_str(&id), &back));
        for (int t = 0; t < TESTS; t++) {
            assert_int_equal(place_has(&p, t), model[t]);
            assert_int_equal(place_has(&back, t), model[t]);
        }
    }
}

TEST(an_id_never_gets_too_long_and_the_next_test_always_fits)
{
    struct place p = { .attempt = 1 };
    int added = 0;
    for (int test = 2; test < 2 * TESTS; test += 2)
        added += place_add(&p, test);
    assert_int_equal(added, PLACE_RANGES);
    for (int next = 0; next < 2 * TESTS; next++) {
        if (place_next(&p) == next)
            assert_true(place_add(&p, next));
        assert_true(place_has(&p, next));
    }
    assert_int_equal(p.count, 1);
}

#define TW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

RUN_TESTS(TW(events_come_in_the_order_they_happen_and_end_with_the_record),
          TW(tests_that_were_not_heard_of_are_sent_before_the_end),
          TW(the_buffer_of_a_reader_who_does_not_read_is_bounded),
          TW(a_reader_who_comes_back_gets_what_it_has_not),
          TW(another_attempt_runs_all_tests_again),
          TW(a_submission_that_is_run_anew_is_told_from_its_beginning),
          TW(an_id_that_is_not_ours_says_nothing),
          TW(an_idle_stream_beats_and_looks_at_the_record_with_every_fourth_beat),
          TW(a_store_that_is_away_is_asked_again_with_the_next_beat),
          TW(news_between_reading_and_parking_wake_at_once_and_each_parking_once),
          TW(a_reader_sleeps_and_is_woken_while_events_storm_in_and_has_each_once),
          TW(a_stopping_server_ends_its_streams), TW(a_deleted_submission_ends_its_stream),
          TW(streams_are_counted_and_bounded),
          T(an_id_is_read_as_it_was_written_and_nothing_else_is),
          T(a_place_has_what_was_added_in_whatever_order),
          T(an_id_never_gets_too_long_and_the_next_test_always_fits))
