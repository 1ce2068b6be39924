/* SPDX-License-Identifier: Apache-2.0 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/measure.h"
#include "service/parts.h"

enum { HANDOFF_BYTES = 32 << 20, THREAD_STACK_BYTES = 256 * 1024 };
static const int64_t stop_wait_us = 5 * US_PER_S;

/* From the bus: must not block, and the engine only marks what is to end. */
static void on_event(void *arg, const char *id, enum bus_event event, UNUSED struct str data)
{
    struct service *s = arg;
    if (event == BUS_CANCEL && s->engine)
        worker_cancel(s, id);
    if (event != BUS_AGAIN)
        return;
    pthread_mutex_lock(&s->lock);
    s->look_again = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool service_thread(pthread_t *thread, void *(*main_fn)(void *), void *arg, const char *name,
                    struct err *e)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    int why = pthread_create(thread, &attr, main_fn, arg);
    pthread_attr_destroy(&attr);
    if (why)
        return err_sysno(e, why, "start the %s thread", name);
    pthread_setname_np(*thread, name);
    return true;
}

static struct service *service_new(const struct service_config *config, struct catalogue *catalogue,
                                   struct engine *engine, struct queue *queue, struct store *store,
                                   struct bus *bus)
{
    struct service *s = calloc(1, sizeof *s);
    CHECK(s);
    s->config = *config;
    s->catalogue = catalogue;
    s->engine = engine;
    s->queue = queue;
    s->store = store;
    s->bus = bus;
    s->shared = store->ops->is_queue;
    s->started_us = wall_us();
    handoff_init(&s->handoff, HANDOFF_BYTES);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->room_lock, NULL);
    pthread_mutex_init(&s->watch_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

static void service_free(struct service *s)
{
    handoff_done(&s->handoff);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->room_lock);
    pthread_mutex_destroy(&s->watch_lock);
    free(s->languages);
    free(s);
}

struct service *service_start(const struct service_config *config, struct catalogue *catalogue,
                              struct engine *engine, struct queue *queue, struct store *store,
                              struct bus *bus, struct err *e)
{
    struct service *s = service_new(config, catalogue, engine, queue, store, bus);
    if (!engine)
        catalogue_offer(catalogue, NULL, 0);
    crew_describe(s);
    measure_service_start(config, catalogue, engine != NULL);
    if (engine)
        crew_announce(s);
    s->events = bus_watch(bus, NULL, on_event, s);
    bool explains = !engine || !config->llm || explainer_start(s, e);
    s->sweeper_started = explains && vitals_start(s, e) &&
                         service_thread(&s->sweeper, sweeper_main, s, "sweeper", e);
    if (s->sweeper_started && engine)
        s->puller_started = service_thread(&s->puller, worker_main, s, "puller", e);
    if (!s->sweeper_started || (engine && !s->puller_started)) {
        service_stop(s);
        return NULL;
    }
    return s;
}

/* Until nothing is active any more. False: the time is over. */
static bool wait_idle(struct service *s, int64_t wait_us, bool patient)
{
    struct timespec until = us_to_timespec(mono_us() + wait_us);
    pthread_mutex_lock(&s->lock);
    int timed_out = 0;
    while (s->active && !timed_out && (patient || !atomic_load(&s->hurry)))
        timed_out = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool idle = !s->active;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

void service_drain(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->draining, true);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    queue_wake(s->queue);
    if (s->puller_started)
        pthread_join(s->puller, NULL);
    s->puller_started = false;
    wait_idle(s, s->config.drain_us, false);
}

void service_stop(struct service *s)
{
    if (!s)
        return;
    if (s->puller_started)
        service_drain(s);
    /* Results on their way to the store still point here, and what engine_stop() broke off is to be
     * given back. What cannot be said now runs again when its lease is over. */
    atomic_store(&s->draining, true);
    bool idle = wait_idle(s, stop_wait_us, true);
    atomic_store(&s->abandoned, !idle);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->sweeper_started)
        pthread_join(s->sweeper, NULL);
    explainer_stop(s->explainer);
    vitals_stop(s);
    bus_unwatch(s->bus, s->events);
    if (!idle) {
        log_error("stop.results_lost", "hint=%s", "they run again after the restart");
        return; /* leaked on purpose: a late callback must find its memory */
    }
    service_free(s);
}

enum got service_load(struct service *s, const char *id, unsigned parts, struct record *ret,
                      struct err *e)
{
    return store_load(s->store, id, parts, ret, e);
}

bool service_remove(struct service *s, const char *id, struct err *e)
{
    return store_remove(s->store, id, e);
}

bool service_list(struct service *s, const struct store_filter *f, unsigned parts,
                  void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                  int64_t *ret_total, struct err *e)
{
    return store_list(s->store, f, parts, fn, arg, ret_total, e);
}

const struct catalogue *service_catalogue(const struct service *s)
{
    return s->catalogue;
}

const struct job_policy *service_policy(const struct service *s)
{
    return &s->config.policy;
}

bool service_stats(struct service *s, struct service_stats *ret, struct err *e)
{
    struct service_stats stats;
    struct queue_stats queue;
    if (!queue_stats(s->queue, &queue, e))
        return false;
    service_figures(s, &stats);
    stats.queue = queue;
    *ret = stats;
    return true;
}

bool service_figures(struct service *s, struct service_stats *ret)
{
    *ret = (struct service_stats){ 0 };
    if (s->engine)
        engine_stats(s->engine, &ret->engine);
    if (s->config.results)
        result_cache_stats(s->config.results, &ret->results);
    ret->accepted = atomic_load(&s->accepted);
    ret->finished = atomic_load(&s->finished);
    return s->engine != NULL;
}

int64_t service_queue_max(const struct service *s)
{
    return s->config.queue_max;
}

bool service_draining(const struct service *s)
{
    return atomic_load(&s->leaving) || atomic_load(&s->draining);
}

void service_leave(struct service *s)
{
    atomic_store(&s->leaving, true);
}

void service_hurry(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->hurry, true);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}
