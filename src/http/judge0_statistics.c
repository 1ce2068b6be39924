/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /statistics: what the history holds, counted by the store and kept for ten minutes, since a long
 * history takes a while to count. One request counts at a time; the others get what was counted
 * last, or wait for the first count.
 *
 * The store counts languages, not Judge0's ids: each is shown under its first id. The size of the
 * database is the store's own business and shown as null.
 */
#include "http/judge0_statistics.h"

#include <pthread.h>

#include "base/clock.h"
#include "http/judge0.h"

enum { DAYS = 30, KEPT_S = 600 };
#define US_PER_DAY (86400 * US_PER_S)

struct statistics {
    pthread_mutex_t counting; /* held by who counts */
    pthread_mutex_t lock;
    /* under lock */
    struct buf text; /* empty: not counted yet */
    int64_t until_us;
};

struct statistics *statistics_new(void)
{
    struct statistics *s = calloc(1, sizeof *s);
    CHECK(s);
    pthread_mutex_init(&s->counting, NULL);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void statistics_free(struct statistics *s)
{
    if (!s)
        return;
    buf_done(&s->text);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->counting);
    free(s);
}

/* ---- counting ---- */

struct row {
    int id;
    const char *name;
    int64_t count;
};

static int by_count(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : x->id - y->id;
}

static void ignore(UNUSED void *arg, UNUSED struct record *record, UNUSED int64_t seq)
{
}

static bool count(struct request *r, struct store_filter filter, int64_t *ret, struct err *e)
{
    filter.limit = 1;
    return service_list(r->context->service, &filter, 0, ignore, NULL, ret, e);
}

static void put_rows(struct json_writer *w, const char *key, const char *what, struct row *rows,
                     size_t n)
{
    qsort(rows, n, sizeof *rows, by_count);
    json_put_key(w, key);
    json_put_array(w);
    for (size_t i = 0; i < n && rows[i].count; i++) {
        json_put_object(w);
        json_put_key(w, what);
        json_put_object(w);
        json_put_key(w, "id");
        json_put_int(w, rows[i].id);
        json_put_key(w, "name");
        json_put_text(w, rows[i].name);
        json_put_object_end(w);
        json_put_key(w, "count");
        json_put_int(w, rows[i].count);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

static bool put_languages(struct request *r, struct json_writer *w, struct err *e)
{
    const struct catalogue *c = r->context->catalogue;
    struct row *rows = arena_array(&r->arena, catalogue_count(c) + 1, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        if (!l->judge0_count)
            continue;
        rows[n] =
            (struct row){ l->judge0[0].id, judge0_language_name(l, &l->judge0[0], &r->arena), 0 };
        if (!count(r, (struct store_filter){ .language = l->id }, &rows[n++].count, e))
            return false;
    }
    put_rows(w, "languages", "language", rows, n);
    return true;
}

static bool put_statuses(struct request *r, struct json_writer *w, struct err *e)
{
    struct row rows[JUDGE0_STATUS_COUNT];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = (struct row){ judge0_statuses[i].id, judge0_statuses[i].description, 0 };
    for (int v = VERDICT_ACCEPTED; v < VERDICT_COUNT; v++) {
        int64_t n = 0;
        if (!count(r, (struct store_filter){ .verdict = (enum verdict)v }, &n, e))
            return false;
        rows[judge0_status_of((enum verdict)v) - 1].count += n;
    }
    static const enum job_state open[] = { STATE_QUEUED, STATE_RUNNING };
    for (size_t i = 0; i < COUNT_OF(open); i++)
        if (!count(r, (struct store_filter){ .has_state = true, .state = open[i] }, &rows[i].count,
                   e))
            return false;
    put_rows(w, "statuses", "status", rows, COUNT_OF(rows));
    return true;
}

static bool put_days(struct request *r, struct json_writer *w, int64_t today_us, struct err *e)
{
    json_put_key(w, "last_30_days");
    json_put_object(w);
    for (int day = 1; day <= DAYS; day++) {
        int64_t n = 0, since_us = today_us - day * US_PER_DAY;
        char date[32];
        if (!count(r,
                   (struct store_filter){ .since_us = since_us, .until_us = since_us + US_PER_DAY },
                   &n, e))
            return false;
        wall_text(since_us, date, sizeof date);
        date[strlen("2026-11-23")] = '\0';
        json_put_key(w, date);
        json_put_int(w, n);
    }
    json_put_object_end(w);
    return true;
}

static bool put_submissions(struct request *r, struct json_writer *w, int64_t now_us, struct err *e)
{
    int64_t total = 0, today = 0, today_us = now_us - now_us % US_PER_DAY;
    if (!count(r, (struct store_filter){ 0 }, &total, e) ||
        !count(r, (struct store_filter){ .since_us = today_us }, &today, e))
        return false;
    json_put_key(w, "submissions");
    json_put_object(w);
    json_put_key(w, "total");
    json_put_int(w, total);
    json_put_key(w, "today");
    json_put_int(w, today);
    if (!put_days(r, w, today_us, e))
        return false;
    json_put_object_end(w);
    return true;
}

/* "2026-11-23T12:46:43.982+00:00": this one endpoint writes UTC so. */
static void put_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[40];
    wall_text(us, text, sizeof text);
    size_t len = strlen(text);
    snprintf(text + len - 1, sizeof text - len, "+00:00");
    json_put_key(w, key);
    json_put_text(w, text);
}

static bool put_all(struct request *r, struct buf *out, int64_t now_us, struct err *e)
{
    struct json_writer w = { .out = out };
    json_put_object(&w);
    put_time(&w, "created_at", now_us);
    put_time(&w, "cached_until", now_us + KEPT_S * US_PER_S);
    if (!put_submissions(r, &w, now_us, e) || !put_languages(r, &w, e) || !put_statuses(r, &w, e))
        return false;
    json_put_key(&w, "database");
    json_put_object(&w);
    json_put_key(&w, "size_pretty");
    json_put_null(&w);
    json_put_key(&w, "size_in_bytes");
    json_put_null(&w);
    json_put_object_end(&w);
    json_put_object_end(&w);
    return true;
}

/* ---- keeping ---- */

/* Reply with what was counted, if it is still good; stale: also if it is not. */
static bool reply_kept(struct request *r, struct statistics *s, bool stale)
{
    pthread_mutex_lock(&s->lock);
    bool good = s->text.len && (stale || s->until_us > wall_us());
    if (good)
        reply_text(r, 200, "application/json; charset=utf-8", buf_str(&s->text));
    pthread_mutex_unlock(&s->lock);
    return good;
}

static void recount(struct request *r, struct statistics *s)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    int64_t now_us = wall_us();
    if (!put_all(r, &text, now_us, &e)) {
        judge0_err(r, &e);
        return;
    }
    pthread_mutex_lock(&s->lock);
    buf_reset(&s->text);
    buf_add_str(&s->text, buf_str(&text));
    s->until_us = now_us + KEPT_S * US_PER_S;
    pthread_mutex_unlock(&s->lock);
    (void)reply_kept(r, s, true);
}

void statistics_show(struct request *r)
{
    struct statistics *s = r->context->statistics;
    const char *invalidate = judge0_param(r, "invalidate_cache");
    bool fresh = invalidate && strcmp(invalidate, "true") == 0;
    if (!fresh && reply_kept(r, s, false))
        return;
    if (pthread_mutex_trylock(&s->counting) != 0) {
        if (!fresh && reply_kept(r, s, true))
            return;
        pthread_mutex_lock(&s->counting);
    }
    recount(r, s);
    pthread_mutex_unlock(&s->counting);
}
