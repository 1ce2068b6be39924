/* SPDX-License-Identifier: Apache-2.0 */
#include "main/storage.h"

#include "base/clock.h"
#include "base/metric.h"
#include "drivers/blobs.h"
#include "drivers/redis.h"
#include "drivers/sqlite.h"
#include "redis/cluster.h"
#include "store/history.h"
#include "store/store_archive.h"

static bool open_embedded(struct storage *v, const struct settings *s, struct err *e)
{
    const struct queue_config queue_config = { .lease_us = s->lease_us };
    const struct store_config store_config = { .retention_us = s->retention_us,
                                               .has_history = s->database_url != NULL };
    v->bus = bus_local_open();
    if (s->store == STORE_MEMORY) {
        v->queue = queue_memory_open(&queue_config);
        v->store = store_memory_open(&store_config);
        return true;
    }
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/evalx.db", s->data_dir) >= sizeof path)
        return err_set(e, ERR_INVALID, "EVALX_DATA_DIR is too long");
    return (v->db = db_open(path, e)) && (v->store = store_sqlite_open(v->db, &store_config, e)) &&
           (v->queue = queue_sqlite_open(v->db, &queue_config, e));
}

enum { BLOB_MAX = 16 << 20 }; /* compressed; above it a build is only kept where it was made */
static const int64_t blob_unused_us = INT64_C(7) * 86400 * US_PER_S;

static struct blobs *open_cache(struct redis *r, const struct settings *s, const char *kind)
{
    const struct blobs_config config = {
        .prefix = s->redis_prefix,
        .kind = kind,
        .bytes_max = s->shared_cache_bytes,
        .blob_max = BLOB_MAX,
        .ttl_us = blob_unused_us,
    };
    return s->shared_cache_bytes > 0 ? blobs_open(r, &config) : NULL;
}

static bool open_shared(struct storage *v, const struct settings *s, struct err *e)
{
    const struct redis_config redis = { .url = s->redis_url, .replicas = (int)s->redis_replicas };
    const struct queue_config queue_config = { .lease_us = s->lease_us };
    const struct store_config store_config = { .retention_us = s->retention_us,
                                               .has_history = s->database_url != NULL };
    v->redis = redis_open(&redis, e);
    if (!v->redis)
        return err_add(e, "EVALX_REDIS_URL");
    v->builds = open_cache(v->redis, s, "artifact");
    v->results = open_cache(v->redis, s, "result");
    return (v->queue = queue_redis_open(v->redis, s->redis_prefix, &queue_config, e)) &&
           (v->store = store_redis_open(v->redis, s->redis_prefix, &store_config, e)) &&
           (v->bus = bus_redis_open(v->redis, s->redis_prefix, e));
}

/* The history goes behind the store: from here on they are one. */
static bool open_history(struct storage *v, const struct settings *s, struct err *e)
{
    const struct history_config config = {
        .url = s->database_url,
        .connections = (int)s->database_connections,
        .retention_us = s->retention_us,
    };
    CLEANUP(history_close) struct history *history = history_postgres_open(&config, e);
    if (!history)
        return err_add(e, "EVALX_DATABASE_URL");
    struct store *both = store_archive_open(v->store, history, s->live_keep_us, e);
    if (!both)
        return false;
    history = NULL;
    v->store = both;
    v->has_history = true;
    return true;
}

bool storage_open(struct storage *ret, const struct settings *s, struct err *e)
{
    return (s->redis_url ? open_shared(ret, s, e) : open_embedded(ret, s, e)) &&
           (!s->database_url || open_history(ret, s, e));
}

void storage_close(struct storage *s)
{
    bus_close(s->bus);
    queue_close(s->queue);
    store_close(s->store);
    blobs_close(s->builds);
    blobs_close(s->results);
    redis_close(s->redis);
    db_close(s->db);
    *s = (struct storage){ 0 };
}

/* What a Redis must be like to keep what was accepted; the first thing that is wrong. */
static const char *fault_of(const struct redis_state *r, const char **fix)
{
    static const struct {
        const char *fault, *fix;
    } faults[] = {
        { "too old: scripts that must also run when its memory is full need Redis 7",
          "install Redis 7 or later" },
        { "no append-only file: what was accepted is lost with the server",
          "appendonly yes in redis.conf" },
        { "its memory policy evicts keys, and with them submissions",
          "maxmemory-policy noeviction in redis.conf" },
        { "nearly out of memory: new submissions are about to be refused",
          "a larger maxmemory, or a shorter EVALX_RETENTION" },
    };
    bool evicts = r->policy[0] && strcmp(r->policy, "noeviction") != 0;
    bool full = r->memory_max_bytes > 0 && r->memory_bytes > r->memory_max_bytes / 10 * 9;
    const char *version = strstr(r->server, "Redis ");
    bool old = version && version[6] >= '0' && version[6] < '7' && version[7] == '.';
    int which = old ? 0 : !r->append_only ? 1 : evicts ? 2 : full ? 3 : -1;
    if (which < 0)
        return NULL;
    *fix = faults[which].fix;
    return faults[which].fault;
}

/* What a Redis without its append-only file would lose is worth an alarm of its own. */
static void tell_persistent(bool known, const struct redis_state *r)
{
    static const struct metric_info info = {
        .name = "evalx_redis_persistent",
        .help = "1 while Redis keeps an append-only file. [cluster]",
        .type = METRIC_GAUGE,
    };
    struct metric_cell *c = metric_only(metric_family(metrics_here(), &info));
    if (known)
        metric_set(c, r->append_only);
    else
        metric_hide(c);
}

void storage_check_redis(void *storage, struct health_check *c)
{
    const struct storage *v = storage;
    struct redis_state state;
    struct err e;
    const char *fix = "";
    c->ok = redis_state(v->redis, &state, &e);
    tell_persistent(c->ok, &state);
    if (!c->ok) {
        snprintf(c->detail, sizeof c->detail, "%s", e.text);
        snprintf(c->fix, sizeof c->fix, "%s", "look at the server EVALX_REDIS_URL names");
        return;
    }
    const char *fault = fault_of(&state, &fix);
    c->ok = !fault;
    c->minor = true;
    snprintf(c->detail, sizeof c->detail, "%.60s, %lld MiB, %s%s%s", state.server,
             (long long)(state.memory_bytes >> 20),
             state.fsync_always  ? "fsync of every write"
             : state.append_only ? "fsync every second: a crash may take the last one"
                                 : "in memory alone",
             fault ? "; " : "", fault ? fault : "");
    snprintf(c->fix, sizeof c->fix, "%s", fix);
}

void storage_check_history(void *storage, struct health_check *c)
{
    const struct storage *v = storage;
    c->minor = true;
    c->ok = store_archive_health(v->store, c->detail, sizeof c->detail, c->fix, sizeof c->fix);
}
