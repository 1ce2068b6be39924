/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known only when somebody asks: it is put into the families here, then the page is
 * written. What was learnt too long ago, or not at all, is left out; the queue that many processes
 * share is reported by each of them, the same for all.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/metric.h"
#include "http/measure.h"
#include "http/stream.h"
#include "service/vitals.h"

static const int64_t wait_us = 300 * US_PER_MS; /* for what lies elsewhere */
static const int64_t stuck_us = US_PER_S;       /* a check without an answer counts as failed */
static const int64_t old_us = 5 * US_PER_S;     /* what was learnt longer ago is not shown */
static const int64_t millionths = 1000000;

enum {
    BUILD,
    UP,
    LAYER_UP,
    READY,
    DEPTH,
    LEASED,
    OLDEST,
    SLOTS,
    SATURATION,
    LIMIT,
    PAUSED,
    DEAD,
    EXPIRIES,
    WORKERS,
    RUNNING,
    STREAMS,
    LANES,
    LANES_BUSY,
    LANES_OPEN,
    LANES_WAITING,
    BUSY_RATIO,
    BUSY_SECONDS,
    REBUILDS,
    PROMISED,
    MEMORY_LIMIT,
    CACHE_REQUESTS,
    CACHE_BYTES,
    WEBHOOKS_PENDING,
    DISK_FREE,
    DISK_SIZE,
    SCRAPE,
    FAMILIES,
};

#define GAUGE(which, called, says, ...)                                                            \
    [which] = { .name = called, .help = says, .type = METRIC_GAUGE, __VA_ARGS__ }
#define COUNTER(which, called, says, ...)                                                          \
    [which] = { .name = called, .help = says, .type = METRIC_COUNTER, __VA_ARGS__ }

static const struct metric_info infos[FAMILIES] = {
    GAUGE(BUILD, "evalx_build_info", "1; which evalX this is, and what it does.",
          .labels = { "version", "role" }),
    GAUGE(UP, "evalx_up",
          "1 while that part of /health is well, 0 while it is not or does not answer.",
          .labels = { "dependency" }),
    GAUGE(LAYER_UP, "evalx_sandbox_layer_up", "1 where that layer of the sandbox is there.",
          .labels = { "layer" }),
    GAUGE(READY, "evalx_ready", "1 while traffic may come, as /health/ready says.", ),

    GAUGE(DEPTH, "evalx_queue_depth", "Submissions that wait, delayed ones included. [cluster]",
          .labels = { "priority" }),
    GAUGE(LEASED, "evalx_queue_leased", "Submissions that workers have. [cluster]", ),
    GAUGE(OLDEST, "evalx_queue_oldest_seconds",
          "How long the oldest submission that could run now has waited. [cluster]",
          .unit = METRIC_MICRO),
    GAUGE(SLOTS, "evalx_queue_slots", "Lanes of all live workers. [cluster]", ),
    GAUGE(SATURATION, "evalx_queue_saturation",
          "Submissions that wait or run, per lane: above 1 some wait. [cluster]",
          .unit = METRIC_MICRO),
    GAUGE(LIMIT, "evalx_queue_limit", "EVALX_QUEUE_MAX: where submissions begin to be refused.", ),
    GAUGE(PAUSED, "evalx_queue_paused", "1 while the queue is paused. [cluster]", ),
    GAUGE(DEAD, "evalx_dead_letters", "Submissions that failed every attempt. [cluster]", ),
    COUNTER(EXPIRIES, "evalx_lease_expiries_total",
            "Leases that ran out because a worker fell silent. [cluster]", ),
    GAUGE(WORKERS, "evalx_workers", "Live workers. [cluster]", ),
    GAUGE(RUNNING, "evalx_jobs_running", "Submissions in this process's engine.", ),
    GAUGE(STREAMS, "evalx_event_streams", "Clients that follow a submission's events.", ),

    GAUGE(LANES, "evalx_lanes", "Lanes that may compute at one time.", ),
    GAUGE(LANES_BUSY, "evalx_lanes_busy", "Lanes that compute.", ),
    GAUGE(LANES_OPEN, "evalx_lanes_open", "Lanes with a box, those that wait included.", ),
    GAUGE(LANES_WAITING, "evalx_lanes_waiting", "Lanes whose program sleeps or waits.", ),
    GAUGE(BUSY_RATIO, "evalx_lane_busy_ratio", "Lanes that compute, of those that may.",
          .unit = METRIC_MICRO),
    COUNTER(BUSY_SECONDS, "evalx_lane_busy_seconds_total", "Time lanes spent computing, together.",
            .unit = METRIC_MICRO),
    COUNTER(REBUILDS, "evalx_box_rebuilds_total", "Boxes that had to be built anew.", ),
    GAUGE(PROMISED, "evalx_box_memory_promised_bytes", "Memory limits of what runs, together.", ),
    GAUGE(MEMORY_LIMIT, "evalx_box_memory_limit_bytes", "The most of that.", ),
    COUNTER(CACHE_REQUESTS, "evalx_cache_requests_total", "Lookups in a cache.",
            .labels = { "cache", "result" }),
    GAUGE(CACHE_BYTES, "evalx_cache_bytes", "What a cache of this process holds.",
          .labels = { "cache" }),
    GAUGE(WEBHOOKS_PENDING, "evalx_webhook_pending",
          "Webhooks to be sent, or sent again. [cluster]", ),
    GAUGE(DISK_FREE, "evalx_disk_free_bytes", "Free for this process on the folder's file system.",
          .labels = { "folder" }),
    GAUGE(DISK_SIZE, "evalx_disk_size_bytes", "Size of the folder's file system.",
          .labels = { "folder" }),
    GAUGE(SCRAPE, "evalx_metrics_scrape_seconds", "Time that the page before this one took.",
          .unit = METRIC_MICRO),
};

static struct metric *family(int which)
{
    return metric_family(metrics_here(), &infos[which]);
}

static void set(int which, int64_t value)
{
    metric_set(metric_only(family(which)), value);
}

static void set_if(bool known, int which, int64_t value)
{
    struct metric_cell *c = metric_only(family(which));
    if (known)
        metric_set(c, value);
    else
        metric_hide(c);
}

static bool is_young(int64_t age_us)
{
    return age_us >= 0 && age_us < old_us;
}

/* ---- health ---- */

enum { SEEN_MOST = 2 * HEALTH_MAX };

/* Rows come and go: one that went is hidden. Names are constants. */
static const char *seen[SEEN_MOST]; /* under the page's lock */
static size_t seen_count;

static void remember(const char *name)
{
    for (size_t i = 0; i < seen_count; i++)
        if (strcmp(seen[i], name) == 0)
            return;
    if (seen_count < SEEN_MOST)
        seen[seen_count++] = name;
}

static bool is_well(const struct vital_check *c)
{
    return c->check.ok && c->asking_us < stuck_us;
}

static void set_health(const struct context *c, const struct vitals *v)
{
    bool ready = !service_draining(c->service);
    for (size_t i = 0; i < seen_count; i++)
        metric_hide(metric_at(family(UP), seen[i]));
    for (int i = 0; i < v->count; i++) {
        const struct vital_check *row = &v->checks[i];
        remember(row->check.name);
        ready &= is_well(row) || (row->check.minor && row->asking_us < stuck_us);
        if (row->asking_us >= stuck_us || is_young(row->age_us))
            metric_set(metric_at(family(UP), row->check.name), is_well(row));
    }
    for (size_t i = 0; i < c->config.layer_count; i++) {
        const struct layer *layer = &c->config.layers[i];
        ready &= layer->ok;
        metric_set(metric_at(family(LAYER_UP), layer->name), layer->ok);
    }
    set(READY, ready);
}

/* ---- the queue ---- */

static void set_depth(const struct queue_stats *q, bool known)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        struct metric_cell *c = metric_at(family(DEPTH), priority_name((enum priority)p));
        if (known)
            metric_set(c, q->waiting[p]);
        else
            metric_hide(c);
    }
}

static void set_queue(const struct context *c, const struct vitals *v)
{
    const struct queue_stats *q = &v->queue;
    bool known = is_young(v->queue_age_us), crew = is_young(v->workers_age_us);
    int64_t all = q->leased;
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        all += q->waiting[p];
    set_depth(q, known);
    set_if(known, LEASED, q->leased);
    set_if(known, OLDEST, q->oldest_us ? MAX(wall_us() - q->oldest_us, 0) : 0);
    set_if(known, PAUSED, q->paused);
    set_if(known, DEAD, q->dead);
    set_if(known, EXPIRIES, q->lease_expiries);
    set_if(crew, SLOTS, v->slots);
    set_if(crew, WORKERS, v->workers);
    set_if(known && crew, SATURATION, all * millionths / MAX(v->slots, 1));
    set(LIMIT, service_queue_max(c->service));
    set_if(is_young(v->deliveries_age_us), WEBHOOKS_PENDING, v->deliveries.pending);
}

/* ---- the engine and its caches ---- */

static void set_cache(const char *cache, int64_t hits, int64_t misses)
{
    metric_set(metric_at(family(CACHE_REQUESTS), cache, "hit"), hits);
    metric_set(metric_at(family(CACHE_REQUESTS), cache, "miss"), misses);
}

static void set_engine(const struct context *c)
{
    struct service_stats s;
    if (!service_figures(c->service, &s))
        return; /* this process runs nothing */
    const struct engine_stats *e = &s.engine;
    set(RUNNING, e->jobs_running);
    set(LANES, e->lanes);
    set(LANES_BUSY, e->lanes_busy);
    set(LANES_OPEN, e->lanes_open);
    set(LANES_WAITING, e->lanes_waiting);
    set(BUSY_RATIO, e->lanes_busy * millionths / MAX(e->lanes, 1));
    set(BUSY_SECONDS, e->busy_us);
    set(REBUILDS, e->rebuilds);
    set(PROMISED, e->memory_bytes);
    set(MEMORY_LIMIT, e->memory_total_bytes);
    set_cache("build", e->cache_hits, e->cache_misses);
    set_cache("shared", e->shared_hits, e->shared_misses);
    set_cache("result", s.results.hits, s.results.misses);
    metric_set(metric_at(family(CACHE_BYTES), "build"), e->cache_bytes);
    metric_set(metric_at(family(CACHE_BYTES), "result"), s.results.bytes);
}

static void set_disk(const char *folder)
{
    struct statvfs fs;
    if (!folder || statvfs(folder, &fs) != 0)
        return;
    metric_set(metric_at(family(DISK_FREE), "data"), (int64_t)(fs.f_bavail * fs.f_frsize));
    metric_set(metric_at(family(DISK_SIZE), "data"), (int64_t)(fs.f_blocks * fs.f_frsize));
}

/* ---- the page ---- */

void measure_page(const struct context *c, struct buf *out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what one sets no other hides */
    int64_t began = mono_us();
    struct vitals v;
    service_vitals(c->service, wait_us, &v);

    pthread_mutex_lock(&lock);
    metric_set(metric_at(family(BUILD), c->config.version, c->config.role ? c->config.role : "all"),
               1);
    set_health(c, &v);
    set_queue(c, &v);
    set_engine(c);
    set_disk(c->config.data_dir);
    set(STREAMS, atomic_load(&c->streams->open));
    measure_process();
    metric_add(metric_only(family(SCRAPE)), 0); /* on the first page, too */
    metrics_write(metrics_here(), out);
    set(SCRAPE, mono_us() - began);
    pthread_mutex_unlock(&lock);
}
