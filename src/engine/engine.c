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
#include "engine/measure.h"
#include "engine/memory.h"

enum { LANE_STACK = 256 * 1024, LANES_PER_CORE = 8, BOX_NUMBERS = 1023 };
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

/*
 * Lane i belongs to core i modulo their number, as do the numbers of boxes. With fewer lanes than
 * cores the others stay free for whoever else needs them.
 */
static void lanes_new(struct engine *en)
{
    int all = cores();
    int ours = cores_for_runs("", en->config.cgroup_root, all); /* a container's may be fewer */
    en->lane_count = MIN(en->config.lanes > 0 ? en->config.lanes : ours, BOX_NUMBERS);
    en->core_count = MIN(en->lane_count, all);
    en->lanes_max =
        en->config.lanes_max > 0 ? en->config.lanes_max : LANES_PER_CORE * en->core_count;
    en->lanes_max = MIN(en->lanes_max, BOX_NUMBERS / all * en->core_count);
    en->lanes_max = MAX(en->lanes_max, en->lane_count);
    en->cores = calloc((size_t)en->core_count, sizeof *en->cores);
    en->lanes = calloc((size_t)en->lanes_max, sizeof *en->lanes);
    CHECK(en->cores != NULL && en->lanes != NULL);
    for (int i = en->lanes_max - 1; i >= 0; i--) {
        struct lane *l = &en->lanes[i];
        l->en = en;
        l->index = i;
        l->core = &en->cores[i % en->core_count];
        l->number = i / en->core_count * all + i % en->core_count;
        pthread_cond_init(&l->go, NULL);
        SLIST_INSERT_HEAD(&l->core->closed, l, rest);
        l->core->closed_count++;
        if (i < en->lane_count) {
            l->core->capacity++;
            lane_state_set(l, LANE_OPENING);
        }
    }
}

static struct engine *engine_new(const struct engine_config *config, struct keeper *k,
                                 const struct catalogue *catalogue)
{
    struct engine *en = calloc(1, sizeof *en);
    CHECK(en != NULL);
    en->config = *config;
    en->keeper = k;
    en->catalogue = catalogue;
    en->memory_total_bytes =
        config->memory_bytes > 0 ? config->memory_bytes : memory_for_runs("", config->cgroup_root);
    lanes_new(en);
    TAILQ_INIT(&en->memory_line);
    TAILQ_INIT(&en->all);
    TAILQ_INIT(&en->fresh);
    TAILQ_INIT(&en->begun);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&en->lock, NULL);
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
    pthread_cond_destroy(&en->room);
    pthread_cond_destroy(&en->opened);
    pthread_cond_destroy(&en->nudge);
    for (int i = 0; i < en->lanes_max; i++)
        pthread_cond_destroy(&en->lanes[i].go);
    free(en->lanes);
    free(en->cores);
    free(en);
}

/* The first lanes build their boxes now, all at the same time; the others wait to be needed. */
static bool start_threads(struct engine *en, struct err *e)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LANE_STACK);
    int failed = pthread_create(&en->nudger, &attr, nudge_main, en);
    en->nudger_started = failed == 0;
    for (int i = 0; i < en->lanes_max && failed == 0; i++) {
        failed = pthread_create(&en->lanes[i].thread, &attr, lane_main, &en->lanes[i]);
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
    while (en->lanes_opened < en->lane_count)
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
    measure_engine_start();
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
        en->parked--;
        nobody_has_it = true;
    } else if (a->in_fresh) {
        TAILQ_REMOVE(&en->fresh, a, line);
        TAILQ_INSERT_HEAD(&en->fresh, a, line);
    }
    if (nobody_has_it)
        active_line_up(en, a, true);
    engine_schedule(en);
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
    engine_wake_all(en);
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
    engine_schedule(en);
    pthread_mutex_unlock(&en->lock);
}

int engine_wait_room(struct engine *en, int64_t wait_us)
{
    struct timespec until = deadline(wait_us);
    pthread_mutex_lock(&en->lock);
    int timed_out = 0;
    int64_t room;
    while ((room = engine_room(en)) <= 0 && !en->stopping && timed_out == 0)
        timed_out = pthread_cond_timedwait(&en->room, &en->lock, &until);
    pthread_mutex_unlock(&en->lock);
    return (int)MAX(room, 0);
}

void engine_stats(struct engine *en, struct engine_stats *ret)
{
    struct cache_stats cache;
    cache_stats(en->cache, &cache);
    pthread_mutex_lock(&en->lock);
    int64_t now = mono_us();
    *ret = en->stats;
    ret->lanes = en->lane_count;
    ret->lanes_max = en->lanes_max;
    ret->memory_bytes = en->memory_bytes;
    ret->memory_total_bytes = en->memory_total_bytes;
    for (int i = 0; i < en->lanes_max; i++) {
        enum lane_state state = en->lanes[i].state;
        ret->lanes_open += state >= LANE_IDLE;
        ret->lanes_waiting += state == LANE_LENDING;
        ret->lanes_busy += state == LANE_COMPUTING;
        if (state == LANE_COMPUTING)
            ret->busy_us += now - en->lanes[i].busy_at_us;
    }
    ret->lanes_busy = MIN(ret->lanes_busy, ret->lanes); /* more for a while when some wake up */
    pthread_mutex_unlock(&en->lock);
    ret->cache_bytes = en->config.cache_folder ? cache.disk_bytes : cache.memory_bytes;
}

void engine_cache_clear(struct engine *en)
{
    cache_clear(en->cache);
}
