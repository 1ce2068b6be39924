/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_world.h - stores in front of a real PostgreSQL, for the contract suites: included by
 * ../contract/store_world.h in place of its own table of backends.
 *
 * "settled" makes every look wait until the history has what is final and live has dropped it, so
 * what is seen comes from the history; otherwise it is wherever it is by now.
 */
#ifndef EVALX_TESTS_ARCHIVE_WORLD_H
#define EVALX_TESTS_ARCHIVE_WORLD_H

#include "../postgres_world.h"
#include "store/history.h"
#include "store/store_archive_internal.h"

static struct history *open_history(const struct world *w)
{
    struct err e;
    static char folder[sizeof w->folder], url[400]; /* of this test; a restart finds the same */
    if (strcmp(folder, w->folder) != 0)
        snprintf(url, sizeof url, "%s", postgres_new_url(postgres_shared()));
    memcpy(folder, w->folder, sizeof folder);
    const struct history_config config = { .url = url, .retention_us = retention_us };
    struct history *h = history_postgres_open(&config, &e);
    if (!h)
        fail_msg("%s", e.text);
    return h;
}

static void put_in_front(struct world *w, int64_t keep_us)
{
    struct err e;
    MUST(w->s = store_archive_open(w->s, open_history(w), keep_us, &e));
}

static const int64_t minute_us = 60 * US_PER_S;

/* Nothing of an earlier test in it; where there is no Redis memory takes its place. */
static void redis_archive_connect(struct world *w)
{
    if (!redis_is_here()) {
        memory_open(w);
        return;
    }
    redis_say(redis_shared(), "FLUSHALL");
    redis_world_open(w);
}

/* ---- settled ----
 *
 * Copies are dropped by a sweep long ago, in the first minutes of 1970: nothing else ends there. */

static const int64_t drop_us = 100 * US_PER_S, dropped_us = 900 * US_PER_S;

static void let_settle(struct store *s)
{
    struct err e;
    int64_t dropped;
    assert_true(store_archive_settle(s, 30 * US_PER_S));
    MUST(store_sweep(((struct archive *)s)->live, dropped_us, 1000, &dropped, &e));
}

static enum got settled_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                             struct err *e)
{
    let_settle(s);
    struct archive *a = (struct archive *)s;
    enum got got = store_load(a->live, id, parts, ret, e);
    return got == GOT_NONE ? a->history->ops->load(a->history, id, parts, ret, e) : got;
}

static bool settled_list(struct store *s, const struct store_filter *f, unsigned parts,
                         void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                         int64_t *ret_total, struct err *e)
{
    let_settle(s);
    return archive_list(s, f, parts, fn, arg, ret_total, e);
}

static void make_settled(struct world *w)
{
    put_in_front(w, drop_us - wall_us());
    struct archive *a = (struct archive *)w->s;
    a->ops.load = settled_load;
    a->ops.list = settled_list;
}

static void memory_settled_open(struct world *w)
{
    memory_open(w);
    make_settled(w);
}

static void sqlite_settled_open(struct world *w)
{
    sqlite_open(w);
    make_settled(w);
}

static void redis_settled_open(struct world *w)
{
    redis_archive_connect(w);
    make_settled(w);
}

/* ---- as it comes ---- */

static void memory_archive_open(struct world *w)
{
    memory_open(w);
    put_in_front(w, minute_us);
}

static void sqlite_archive_open(struct world *w)
{
    sqlite_open(w);
    put_in_front(w, minute_us);
}

static void redis_archive_open(struct world *w)
{
    redis_archive_connect(w);
    put_in_front(w, minute_us);
}

UNUSED static const struct backend backends[] = {
    { "memory before postgres", memory_archive_open, memory_close, .archives = true },
    { "memory before postgres, settled", memory_settled_open, memory_close, .archives = true },
    { "sqlite before postgres", sqlite_archive_open, sqlite_close, true, .archives = true },
    { "sqlite before postgres, settled", sqlite_settled_open, sqlite_close, true,
      .archives = true },
    { "redis before postgres", redis_archive_open, redis_world_close, .archives = true },
    { "redis before postgres, settled", redis_settled_open, redis_world_close, .archives = true },
};

__attribute__((constructor)) static void need_postgres(void)
{
    if (!postgres_is_here()) {
        fputs("PostgreSQL is not installed\n", stderr);
        exit(77);
    }
}

#endif
