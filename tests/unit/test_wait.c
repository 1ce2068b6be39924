/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting requests without a server: the service's watch is this file's, so that an end comes when
 * the test says.
 */
#include <pthread.h>

#include "base/clock.h"
#include "http/wait.h"
#include "test.h"

struct service_watch {
    service_watch_fn fn;
    void *arg;
};

static struct service_watch *last_watch;
static bool ends_at_once; /* the job is final before the watch is even returned */
static int watches;

struct service_watch *service_watch(UNUSED struct service *s, UNUSED const char *id,
                                    service_watch_fn fn, void *arg)
{
    struct service_watch *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *w = (struct service_watch){ fn, arg };
    watches++;
    last_watch = w;
    if (ends_at_once)
        fn(arg);
    return w;
}

void service_unwatch(UNUSED struct service *s, struct service_watch *w)
{
    watches--;
    free(w);
}

/* ---- who is woken ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int order[256], woken; /* under lock */

static void on_wake(void *arg)
{
    pthread_mutex_lock(&lock);
    order[woken++] = (int)(intptr_t)arg;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int woken_now(void)
{
    pthread_mutex_lock(&lock);
    int n = woken;
    pthread_mutex_unlock(&lock);
    return n;
}

static void wait_woken(int count)
{
    pthread_mutex_lock(&lock);
    while (woken < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static struct waits *start(void)
{
    struct err e;
    woken = 0;
    ends_at_once = false;
    struct waits *ws = waits_start(&e);
    MUST(ws);
    return ws;
}

static int64_t far(void)
{
    return mono_us() + 3600 * US_PER_S;
}

static struct wait *park(struct waits *ws, int64_t until_us, int number)
{
    struct wait *w = wait_new(NULL, "id");
    wait_park(w, ws, until_us, on_wake, (void *)(intptr_t)number);
    return w;
}

TEST(the_end_of_the_job_wakes_once)
{
    struct waits *ws = start();
    struct wait *w = park(ws, far(), 1);
    assert_int_equal(woken_now(), 0);
    last_watch->fn(last_watch->arg);
    last_watch->fn(last_watch->arg);
    waits_release(ws);
    assert_int_equal(woken_now(), 1);
    wait_free(w);
    waits_stop(ws);
    assert_int_equal(watches, 0);
}

TEST(an_end_before_parking_is_not_missed)
{
    struct waits *ws = start();
    ends_at_once = true;
    struct wait *w = park(ws, far(), 1);
    assert_int_equal(woken_now(), 1);
    wait_free(w);
    waits_stop(ws);
}

TEST(the_deadline_wakes)
{
    struct waits *ws = start();
    struct wait *late = park(ws, far(), 2);
    struct wait *w = park(ws, mono_us() + 1000, 1);
    wait_woken(1);
    assert_int_equal(order[0], 1);
    last_watch->fn(last_watch->arg);
    assert_int_equal(woken_now(), 1);
    assert_int_equal(waits_parked(ws), 1);
    wait_free(w);
    wait_free(late);
    assert_int_equal(waits_parked(ws), 0);
    waits_stop(ws);
}

TEST(a_stopping_server_wakes_all_and_parks_nobody)
{
    struct waits *ws = start();
    struct wait *first = park(ws, far(), 1), *second = park(ws, far(), 2);
    waits_release(ws);
    assert_int_equal(woken_now(), 2);
    struct wait *third = park(ws, far(), 3);
    assert_int_equal(woken_now(), 3);
    wait_free(first);
    wait_free(second);
    wait_free(third);
    waits_stop(ws);
}

TEST(deadlines_come_in_their_order_whoever_left_before)
{
    enum { COUNT = 200 };
    struct waits *ws = start();
    struct wait *all[COUNT];
    int64_t base = far();
    unsigned seed = 7;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 1103515245 + 12345;
        int number = (int)(seed >> 16 & 0x7fff);
        all[i] = park(ws, base + number, number);
    }
    for (int i = 0; i < COUNT; i += 2) {
        wait_free(all[i]);
        all[i] = NULL;
    }
    waits_release(ws);
    assert_int_equal(woken_now(), COUNT / 2);
    for (int i = 1; i < COUNT / 2; i++)
        assert_true(order[i - 1] <= order[i]);
    for (int i = 0; i < COUNT; i++)
        wait_free(all[i]);
    waits_stop(ws);
    assert_int_equal(watches, 0);
}

TEST(a_wait_that_never_parked_is_freed)
{
    struct waits *ws = start();
    struct wait *w = wait_new(NULL, "id");
    last_watch->fn(last_watch->arg);
    wait_free(w);
    wait_free(NULL);
    waits_stop(ws);
    assert_int_equal(woken_now(), 0);
}

RUN_TESTS(T(the_end_of_the_job_wakes_once), T(an_end_before_parking_is_not_missed),
          T(the_deadline_wakes), T(a_stopping_server_wakes_all_and_parks_nobody),
          T(deadlines_come_in_their_order_whoever_left_before),
          T(a_wait_that_never_parked_is_freed))
