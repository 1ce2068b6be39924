/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks how it is waits for nobody, and many who ask cost one look. */
#include "../unit/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "service/vitals.h"

/* A dependency that answers when the test lets it. */
static atomic_int asked;
static atomic_bool holds;
static sem_t entered, go_on;

static void check_slow(UNUSED void *arg, struct health_check *c)
{
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&holds)) {
        sem_post(&entered);
        while (sem_wait(&go_on) != 0)
            ;
    }
    c->ok = true;
    snprintf(c->detail, sizeof c->detail, "asked %d times", atomic_load(&asked));
}

static const struct health_source sources[] = { { "slow", check_slow, NULL }, { 0 } };

struct house {
    struct queue *queue;
    struct store *store;
    struct bus *bus;
    struct catalogue *catalogue;
    struct service *service;
};

static struct house house_new(void)
{
    struct err e;
    struct queue_config queue_config = { .lease_us = 60 * US_PER_S };
    struct store_config store_config = { 0 };
    struct service_config config = { .queue_max = 3, .attempts_max = 3, .lease_us = 60 * US_PER_S };
    atomic_store(&asked, 0);
    atomic_store(&holds, false);
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    config.sources = sources;
    struct house h = { .queue = queue_memory_open(&queue_config),
                       .store = store_memory_open(&store_config),
                       .bus = bus_local_open(),
                       .catalogue = catalogue_describe(LANGUAGES_DIR, &e) };
    MUST(h.catalogue);
    h.service = service_start(&config, h.catalogue, NULL, h.queue, h.store, h.bus, &e);
    MUST(h.service);
    return h;
}

static void house_done(struct house *h)
{
    service_stop(h->service);
    bus_close(h->bus);
    queue_close(h->queue);
    store_close(h->store);
    catalogue_free(h->catalogue);
    sem_destroy(&entered);
    sem_destroy(&go_on);
}

static const struct vital_check *row(const struct vitals *v, const char *name)
{
    for (int i = 0; i < v->count; i++)
        if (strcmp(v->checks[i].check.name, name) == 0)
            return &v->checks[i];
    return NULL;
}

TEST(nothing_is_asked_before_somebody_wants_to_know)
{
    struct house h = house_new();
    struct vitals v;
    service_vitals(h.service, 0, &v);
    assert_int_equal(v.count, 0);
    assert_int_equal(v.queue_age_us, -1);
    assert_int_equal(v.workers_age_us, -1);
    assert_int_equal(v.deliveries_age_us, -1);
    assert_int_equal(atomic_load(&asked), 0);
    house_done(&h);
}

TEST(a_look_brings_every_row_and_the_numbers_that_lie_elsewhere)
{
    struct house h = house_new();
    struct vitals v;
    struct err e;
    struct queue_entry x = { "00000000-0000-4000-8000-000000000001", 2, NULL, 0 };
    assert_true(queue_push(h.queue, &x, &e));
    service_vitals(h.service, 20 * US_PER_S, &v);
    static const char *const names[] = { "slow", "store", "queue" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_non_null(row(&v, names[i]));
        assert_true(row(&v, names[i])->check.ok);
        assert_true(row(&v, names[i])->age_us >= 0 && row(&v, names[i])->asking_us == 0);
    }
    assert_string_equal(row(&v, "slow")->check.detail, "asked 1 times");
    assert_true(v.queue_age_us >= 0 && v.workers_age_us >= 0 && v.deliveries_age_us >= 0);
    assert_int_equal(v.queue.waiting[2], 1);
    assert_int_equal(v.workers, 0); /* it has no engine */
    assert_int_equal(v.slots, 0);
    house_done(&h);
}

static void *ask(void *service)
{
    struct vitals v;
    service_vitals(service, 20 * US_PER_S, &v);
    return row(&v, "slow") && row(&v, "slow")->age_us >= 0 ? service : NULL;
}

TEST(many_who_ask_at_one_time_share_one_look)
{
    enum { READERS = 8 };
    struct house h = house_new();
    pthread_t readers[READERS];
    atomic_store(&holds, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, ask, h.service), 0);
    assert_int_equal(sem_wait(&entered), 0);
    atomic_store(&holds, false);
    sem_post(&go_on);
    for (int i = 0; i < READERS; i++) {
        void *well;
        pthread_join(readers[i], &well);
        assert_non_null(well);
    }
    assert_in_range(atomic_load(&asked), 1, 2); /* one of them may have slept for a second */
    house_done(&h);
}

TEST(a_reader_waits_as_long_as_it_said_and_sees_what_hangs)
{
    struct house h = house_new();
    struct vitals v;
    atomic_store(&holds, true);
    int64_t began = mono_us();
    service_vitals(h.service, 20 * US_PER_MS, &v);
    assert_true(mono_us() - began < 10 * US_PER_S);
    assert_int_equal(sem_wait(&entered), 0);
    service_vitals(h.service, 20 * US_PER_MS, &v);
    assert_int_equal(atomic_load(&asked), 1);
    assert_non_null(row(&v, "slow"));
    assert_true(row(&v, "slow")->asking_us >= 20 * US_PER_MS);
    assert_int_equal(row(&v, "slow")->age_us, -1); /* it never answered */
    assert_non_null(row(&v, "queue"));             /* asked before those that may hang */
    assert_true(v.queue_age_us >= 0);              /* and its numbers came along */
    assert_false(v.complete);                      /* which is not all there is */
    atomic_store(&holds, false);
    sem_post(&go_on);
    service_vitals(h.service, 20 * US_PER_S, &v);
    assert_true(row(&v, "slow")->age_us >= 0);
    assert_non_null(row(&v, "queue"));
    house_done(&h);
}

RUN_TESTS(T(nothing_is_asked_before_somebody_wants_to_know),
          T(a_look_brings_every_row_and_the_numbers_that_lie_elsewhere),
          T(many_who_ask_at_one_time_share_one_look),
          T(a_reader_waits_as_long_as_it_said_and_sees_what_hangs))
