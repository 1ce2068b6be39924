/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - the engine from outside: start, stop, hand over, wait, cancel, count. What lanes do
 * with a job is lane.c; lane.h tells how it all hangs together.
 */
#include "engine/engine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "engine/lane.h"

enum { LANE_STACK = 256 * 1024, LANES_MAX = 1024 };
static const int64_t default_cache_bytes = INT64_C(1) << 30;
static const int64_t default_memory_bytes = INT64_C(64) << 20;

static int cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return MAX(CPU_COUNT(&set), 1);
}

/* A quarter of the descriptors this process may have, for builds kept in memory. */
static int64_t descriptors_for_cache(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 256;
    return (int64_t)MIN(files.rlim_cur / 4, (rlim_t)8192);
}

static bool open_cache(struct engine *en, struct err *e)
{
    const struct engine_config *config = &en->config;
    struct cache_config cache = {
        .folder = config->cache_folder,
        .disk_bytes = config->cache_bytes > 0 ? config->cache_bytes : default_cache_bytes,
        .memory_bytes =
            config->cache_memory_bytes > 0 ? config->cache_memory_bytes : default_memory_bytes,
        .memory_files = descriptors_for_cache(),
    };
    en->cache = cache_open(&cache, e);
    return en->cache != NULL;
}

static struct engine *engine_new(const struct engine_config *config, struct keeper *k,
                                 const struct catalogue *catalogue)
{
    struct engine *en = calloc(1, sizeof *en);
    CHECK(en != NULL);
    en->config = *config;
    en->keeper = k;
    en->catalogue = catalogue;
    en->lane_count = MIN(config->lanes > 0 ? config->lanes : cores(), LANES_MAX);
    en->lanes = calloc((size_t)en->lane_count, sizeof *en->lanes);
    CHECK(en->lanes != NULL);
    TAILQ_INIT(&en->all);
    TAILQ_INIT(&en->fresh);
    TAILQ_INIT(&en->begun);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->work, NULL);
    pthread_cond_init(&en->room, &monotonic);
    pthread_cond_init(&en->opened, NULL);
    pthread_cond_init(&en->nudge, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return en;
}

static void engine_free(struct engine *en)
{
    cache_close(en->cache);
    pthread_mutex_destroy(&en->lock);
    pthread_cond_destroy(&en->work);
    pthread_cond_destroy(&en->room);
    pthread_cond_destroy(&en->opened);
    pthread_cond_destroy(&en->nudge);
    free(en->lanes);
    free(en);
}

/* All lanes build their boxes at the same time. */
static bool start_threads(struct engine *en, struct err *e)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LANE_STACK);
    int failed = pthread_create(&en->nudger, &attr, nudge_main, en);
    en->nudger_started = failed == 0;
    for (int i = 0; i < en->lane_count && failed == 0; i++) {
        struct lane *l = &en->lanes[i];
        l->en = en;
        l->index = i;
        failed = pthread_create(&l->thread, &attr, lane_main, l);
        en->lanes_started += failed == 0;
    }
    pthread_attr_destroy(&attr);
    if (failed != 0)
        return err_sysno(e, failed, "start a lane's thread");
    return true;
}

static bool wait_for_boxes(struct engine *en, struct err *e)
{
    pthread_mutex_lock(&en->lock);
    while (en->lanes_opened < en->lanes_started)
        pthread_cond_wait(&en->opened, &en->lock);
    bool ok = en->open_error.kind == ERR_NONE;
    if (!ok)
        *e = en->open_error;
    pthread_mutex_unlock(&en->lock);
    return ok;
}

struct engine *engine_start(const struct engine_config *config, struct keeper *k,
                            const struct catalogue *catalogue, struct err *e)
{
    CLEANUP(engine_stop) struct engine *en = engine_new(config, k, catalogue);
    if (!open_cache(en, e))
        return NULL;
    if (!start_threads(en, e) || !wait_for_boxes(en, e)) {
        err_add(e, "engine");
        return NULL;
    }
    return TAKE(en);
}

/* ---- breaking off ---- */

/*
 * Take a job out of its line or its waiting. When no lane has it, one gets it now to end it. With
 * the lock.
 */
static void bring_to_its_end(struct engine *en, struct active *a)
{
    bool nobody_has_it = a->in_begun && a->out == 0;
    active_drop_waiting(en, a);
    if (a->in_parked) {
        TAILQ_REMOVE(&a->in_parked->parked, a, line);
        a->in_parked = NULL;
        nobody_has_it = true;
    } else if (a->in_fresh) {
        TAILQ_REMOVE(&en->fresh, a, line);
        TAILQ_INSERT_HEAD(&en->fresh, a, line);
    }
    if (nobody_has_it)
        active_line_up(en, a, true);
}

static struct timespec deadline(int64_t us)
{
    int64_t now = mono_us();
    return us_to_timespec(us > INT64_MAX - now ? INT64_MAX : now + us);
}

static void stop_nudger(struct engine *en)
{
    if (!en->nudger_started)
        return;
    pthread_mutex_lock(&en->lock);
    en->nudge_ends = true;
    pthread_cond_signal(&en->nudge);
    pthread_mutex_unlock(&en->lock);
    pthread_join(en->nudger, NULL);
}

void engine_stop(struct engine *en)
{
    if (!en)
        return;
    pthread_mutex_lock(&en->lock);
    en->stopping = true;
    struct active *a;
    for (a = TAILQ_FIRST(&en->all); a; a = TAILQ_NEXT(a, all)) {
        if (a->trouble.kind == ERR_NONE)
            err_set(&a->trouble, ERR_UNAVAILABLE, "stopping");
        bring_to_its_end(en, a);
    }
    pthread_cond_broadcast(&en->work);
    pthread_cond_broadcast(&en->room);
    engine_break_off(en);
    pthread_mutex_unlock(&en->lock);

    for (int i = 0; i < en->lanes_started; i++)
        pthread_join(en->lanes[i].thread, NULL);
    stop_nudger(en);
    engine_free(en);
}

void engine_cancel(struct engine *en, const char *id)
{
    pthread_mutex_lock(&en->lock);
    struct active *a;
    for (a = TAILQ_FIRST(&en->all); a; a = TAILQ_NEXT(a, all))
        if (strcmp(a->job->id, id) == 0)
            break;
    if (a && !a->cancelled && a->trouble.kind == ERR_NONE) {
        a->cancelled = true;
        bring_to_its_end(en, a);
        engine_break_off(en);
    }
    pthread_mutex_unlock(&en->lock);
}

/* ---- handing over ---- */

static struct active *active_new(const struct job *job, int attempt, struct engine_sink sink)
{
    struct active *a = calloc(1, sizeof *a);
    CHECK(a != NULL);
    a->job = job;
    a->attempt = attempt;
    a->sink = sink;
    a->first_failed = SIZE_MAX;
    TAILQ_INIT(&a->parked);
    pthread_mutex_init(&a->telling, NULL);
    return a;
}

void engine_submit(struct engine *en, const struct job *job, int attempt, struct engine_sink sink)
{
    struct active *a = active_new(job, attempt, sink);
    pthread_mutex_lock(&en->lock);
    if (en->stopping)
        err_set(&a->trouble, ERR_UNAVAILABLE, "stopping");
    TAILQ_INSERT_TAIL(&en->all, a, all);
    en->stats.jobs_running++;
    active_line_up(en, a, false);
    pthread_mutex_unlock(&en->lock);
}

bool engine_wait_room(struct engine *en, int64_t wait_us)
{
    struct timespec until = deadline(wait_us);
    pthread_mutex_lock(&en->lock);
    int timed_out = 0;
    while (!en->stopping && en->lanes_idle <= en->waiting && timed_out == 0)
        timed_out = pthread_cond_timedwait(&en->room, &en->lock, &until);
    bool room = !en->stopping && en->lanes_idle > en->waiting;
    pthread_mutex_unlock(&en->lock);
    return room;
}

void engine_stats(struct engine *en, struct engine_stats *ret)
{
    struct cache_stats cache;
    cache_stats(en->cache, &cache);
    pthread_mutex_lock(&en->lock);
    *ret = en->stats;
    ret->lanes = en->lane_count;
    ret->lanes_busy = en->lane_count - en->lanes_idle;
    pthread_mutex_unlock(&en->lock);
    ret->cache_bytes = en->config.cache_folder ? cache.disk_bytes : cache.memory_bytes;
}

void engine_cache_clear(struct engine *en)
{
    cache_clear(en->cache);
}
