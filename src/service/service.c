/* SPDX-License-Identifier: Apache-2.0 */
#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

enum { HANDOFF_BYTES = 32 << 20, THREAD_STACK_BYTES = 256 * 1024 };

/* A running job is to end. From the bus: must not block, and the engine only marks it. */
static void on_event(void *arg, const char *id, enum bus_event event)
{
    struct service *s = arg;
    if (event == BUS_CANCEL)
        worker_cancel(s, id);
}

static bool start_thread(pthread_t *thread, void *(*main_fn)(void *), struct service *s,
                         const char *name, struct err *e)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    int why = pthread_create(thread, &attr, main_fn, s);
    pthread_attr_destroy(&attr);
    if (why)
        return err_sysno(e, why, "start the %s thread", name);
    pthread_setname_np(*thread, name);
    return true;
}

struct service *service_start(const struct service_config *config,
                              const struct catalogue *catalogue, struct engine *engine,
                              struct queue *queue, struct store *store, struct bus *bus,
                              struct err *e)
{
    struct service *s = calloc(1, sizeof *s);
    CHECK(s);
    s->config = *config;
    s->catalogue = catalogue;
    s->engine = engine;
    s->queue = queue;
    s->store = store;
    s->bus = bus;
    handoff_init(&s->handoff, HANDOFF_BYTES);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);

    if (engine)
        s->cancels = bus_watch(bus, NULL, on_event, s);
    s->sweeper_started = start_thread(&s->sweeper, sweeper_main, s, "sweeper", e);
    if (s->sweeper_started && engine)
        s->puller_started = start_thread(&s->puller, worker_main, s, "puller", e);
    if (!s->sweeper_started || (engine && !s->puller_started)) {
        service_stop(s);
        return NULL;
    }
    return s;
}

void service_drain(struct service *s)
{
    atomic_store(&s->draining, true);
    queue_wake(s->queue);
    if (s->puller_started)
        pthread_join(s->puller, NULL);
    s->puller_started = false;

    int64_t deadline = mono_us() + s->config.drain_us;
    struct timespec until = us_to_timespec(deadline);
    pthread_mutex_lock(&s->lock);
    int timed_out = 0;
    while (s->active && !timed_out)
        timed_out = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
}

void service_stop(struct service *s)
{
    if (!s)
        return;
    if (s->puller_started)
        service_drain(s);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->sweeper_started)
        pthread_join(s->sweeper, NULL);
    bus_unwatch(s->bus, s->cancels);

    /* Results in flight to the store still point here. What it will never keep runs again. */
    pthread_mutex_lock(&s->lock);
    struct timespec until = us_to_timespec(mono_us() + 5 * US_PER_S);
    int timed_out = 0;
    while (s->active && !timed_out)
        timed_out = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool busy = s->active != NULL;
    pthread_mutex_unlock(&s->lock);
    if (busy) {
        log_error("stop.results_lost", "hint=%s", "they run again after the restart");
        return; /* leaked on purpose: a late callback must find its memory */
    }
    handoff_done(&s->handoff);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
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

struct service_watch {
    struct bus *bus;
    struct bus_watch *watch;
    service_watch_fn fn;
    void *arg;
    atomic_flag told;
};

static void on_end(void *arg, UNUSED const char *id, enum bus_event event)
{
    struct service_watch *w = arg;
    if (event == BUS_FINISHED && !atomic_flag_test_and_set(&w->told))
        w->fn(w->arg);
}

struct service_watch *service_watch(struct service *s, const char *id, service_watch_fn fn,
                                    void *arg)
{
    struct service_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    w->bus = s->bus;
    w->fn = fn;
    w->arg = arg;
    atomic_flag_clear(&w->told);
    w->watch = bus_watch(s->bus, id, on_end, w);
    return w;
}

void service_unwatch(UNUSED struct service *s, struct service_watch *w)
{
    if (!w)
        return;
    bus_unwatch(w->bus, w->watch);
    free(w);
}

bool service_stats(struct service *s, struct service_stats *ret, struct err *e)
{
    struct service_stats stats = { 0 };
    if (!queue_stats(s->queue, &stats.queue, e))
        return false;
    if (s->engine)
        engine_stats(s->engine, &stats.engine);
    stats.accepted = atomic_load(&s->accepted);
    stats.finished = atomic_load(&s->finished);
    *ret = stats;
    return true;
}

static void check(struct health_check *c, const char *name, bool ok, const char *detail,
                  const char *fix)
{
    c->name = name;
    c->ok = ok;
    snprintf(c->detail, sizeof c->detail, "%s", detail);
    snprintf(c->fix, sizeof c->fix, "%s", ok ? "" : fix);
}

int service_health(struct service *s, struct health_check out[HEALTH_MAX])
{
    struct err e = { 0 };
    char detail[240];
    int n = 0;

    bool ok = store_sync(s->store, &e);
    snprintf(detail, sizeof detail, "%s", ok ? s->store->ops->scheme : e.text);
    check(&out[n++], "store", ok, detail, "look at disk space and permissions of the data folder");

    struct queue_stats stats;
    ok = queue_stats(s->queue, &stats, &e);
    if (ok)
        snprintf(detail, sizeof detail, "%s, %lld waiting, %lld running", s->queue->ops->scheme,
                 (long long)(stats.waiting[0] + stats.waiting[1] + stats.waiting[2]),
                 (long long)stats.leased);
    check(&out[n++], "queue", ok, ok ? detail : e.text, "look at the queue's server");

    if (s->engine) {
        struct engine_stats lanes;
        engine_stats(s->engine, &lanes);
        snprintf(detail, sizeof detail, "%d, %d busy, %d more wait, %lld rebuilt", lanes.lanes,
                 lanes.lanes_busy, lanes.lanes_waiting, (long long)lanes.rebuilds);
        check(&out[n++], "lanes", lanes.lanes > 0, detail, "run `evalx doctor`");
    }
    return n;
}
