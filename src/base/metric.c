/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells are found through a small hash table of chains that only ever grow at their heads: a reader
 * walks a chain with no lock, while whoever adds a cell holds the family's. Nothing is taken out,
 * so nothing that was found can go away. Beside it lies an array of the same cells in the order in
 * which they are written; it is used and changed under that lock alone.
 *
 * Counting is relaxed: the numbers do not order anything else. A histogram's count is the sum of
 * its buckets, so that both always agree in one page; its sum may be a moment ahead or behind.
 */
#include "base/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { HEADS = 64, CACHE_LINE = 64 };
static const char other[] = "other";
static const char *const no_values[METRIC_LABELS]; /* of a family without labels */

struct metric_cell {
    struct metric_cell *next; /* in its chain; const once it can be found */
    const struct metric *family;
    uint64_t hash;
    char *values[METRIC_LABELS];
    atomic_bool shown;
    atomic_llong sum;       /* the number itself, or a histogram's sum */
    atomic_llong buckets[]; /* of a histogram: one per bound, then +Inf; each value in one alone */
};

struct metric {
    const struct metric_info *info;
    size_t label_count;
    struct metric *next; /* by name; under metrics.lock */
    _Atomic(struct metric_cell *) heads[HEADS];

    pthread_mutex_t lock;
    /* under lock */
    struct metric_cell **sorted;
    size_t count, capacity;
    struct metric_cell *overflow; /* NULL until it is needed */
};

struct metrics {
    pthread_mutex_t lock;
    struct metric *first; /* under lock */
};

/* ---- cells ---- */

static uint64_t hash_of(const char *const *values, size_t count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: the values are ours, not clients' */
    for (size_t i = 0; i < count; i++) {
        for (const char *c = values[i] ? values[i] : ""; *c; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        hash = (hash ^ 0xff) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int compare(const struct metric_cell *c, const char *const *values, size_t count)
{
    int order = 0;
    for (size_t i = 0; i < count && order == 0; i++)
        order = strcmp(c->values[i], values[i] ? values[i] : "");
    return order;
}

static struct metric_cell *find(const struct metric *m, const char *const *values, uint64_t hash)
{
    struct metric_cell *c = atomic_load_explicit(&m->heads[hash % HEADS], memory_order_acquire);
    while (c && (c->hash != hash || compare(c, values, m->label_count) != 0))
        c = c->next;
    return c;
}

static size_t bytes_of(const struct metric *m)
{
    bool histogram = m->info->type == METRIC_HISTOGRAM;
    size_t bytes = sizeof(struct metric_cell) +
                   (histogram ? (m->info->bound_count + 1) * sizeof(atomic_llong) : 0);
    return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE; /* neighbours do not disturb it */
}

static struct metric_cell *cell_new(const struct metric *m, const char *const *values)
{
    struct metric_cell *c = aligned_alloc(CACHE_LINE, bytes_of(m));
    CHECK(c);
    memset(c, 0, bytes_of(m));
    c->family = m;
    c->hash = hash_of(values, m->label_count);
    for (size_t i = 0; i < m->label_count; i++) {
        c->values[i] = strdup(values[i] ? values[i] : "");
        CHECK(c->values[i]);
    }
    atomic_store(&c->shown, m->info->type != METRIC_GAUGE);
    return c;
}

static void insert_sorted(struct metric *m, struct metric_cell *c)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 4;
        m->sorted = realloc(m->sorted, m->capacity * sizeof(struct metric_cell *));
        CHECK(m->sorted);
    }
    size_t at = m->count++;
    const char *const *values = (const char *const *)c->values;
    for (; at > 0 && compare(m->sorted[at - 1], values, m->label_count) > 0; at--)
        m->sorted[at] = m->sorted[at - 1];
    m->sorted[at] = c;
}

static struct metric_cell *insert(struct metric *m, const char *const *values)
{
    struct metric_cell *c = cell_new(m, values);
    _Atomic(struct metric_cell *) *head = &m->heads[c->hash % HEADS];
    insert_sorted(m, c);
    c->next = atomic_load_explicit(head, memory_order_relaxed);
    atomic_store_explicit(head, c, memory_order_release);
    return c;
}

/* Under the lock: a new one; or what all share for which there is no room. */
static struct metric_cell *make(struct metric *m, const char *const *values)
{
    static const char *const others[METRIC_LABELS] = { other, other, other, other };
    size_t most = m->info->cells_most ? m->info->cells_most : METRIC_CELLS;
    if (m->count - (m->overflow != NULL) < most)
        return insert(m, values);
    if (!m->overflow) {
        m->overflow = find(m, others, hash_of(others, m->label_count));
        if (!m->overflow)
            m->overflow = insert(m, others);
    }
    return m->overflow;
}

struct metric_cell *metric_cell(struct metric *m, const char *const *values, size_t count)
{
    CHECK(count == m->label_count);
    uint64_t hash = hash_of(values, count);
    struct metric_cell *c = find(m, values, hash);
    if (c)
        return c;
    pthread_mutex_lock(&m->lock);
    c = find(m, values, hash);
    if (!c)
        c = make(m, values);
    pthread_mutex_unlock(&m->lock);
    return c;
}

struct metric_cell *metric_only(struct metric *m)
{
    return metric_cell(m, no_values, 0);
}

/* ---- families ---- */

static struct metric *family_new(const struct metric_info *info)
{
    struct metric *m = calloc(1, sizeof *m);
    CHECK(m && info->bound_count <= METRIC_BOUNDS);
    m->info = info;
    while (m->label_count < METRIC_LABELS && info->labels[m->label_count])
        m->label_count++;
    pthread_mutex_init(&m->lock, NULL);
    if (m->label_count == 0)
        insert(m, no_values);
    return m;
}

struct metric *metric_family(struct metrics *all, const struct metric_info *info)
{
    pthread_mutex_lock(&all->lock);
    struct metric **link = &all->first;
    while (*link && strcmp((*link)->info->name, info->name) < 0)
        link = &(*link)->next;
    struct metric *m = *link;
    if (!m || strcmp(m->info->name, info->name) != 0) {
        m = family_new(info);
        m->next = *link;
        *link = m;
    }
    pthread_mutex_unlock(&all->lock);
    CHECK(m->info->type == info->type && m->info->unit == info->unit);
    return m;
}

struct metrics *metrics_here(void)
{
    static struct metrics here = { .lock = PTHREAD_MUTEX_INITIALIZER };
    return &here;
}

struct metrics *metrics_new(void)
{
    struct metrics *all = calloc(1, sizeof *all);
    CHECK(all);
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void family_free(struct metric *m)
{
    for (size_t i = 0; i < m->count; i++) {
        for (size_t v = 0; v < m->label_count; v++)
            free(m->sorted[i]->values[v]);
        free(m->sorted[i]);
    }
    free(m->sorted);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void metrics_free(struct metrics *all)
{
    if (!all)
        return;
    for (struct metric *m; (m = all->first);) {
        all->first = m->next;
        family_free(m);
    }
    pthread_mutex_destroy(&all->lock);
    free(all);
}

void metrics_each(struct metrics *all, bool (*fn)(void *arg, const struct metric_info *info),
                  void *arg)
{
    pthread_mutex_lock(&all->lock);
    for (struct metric *m = all->first; m && fn(arg, m->info); m = m->next)
        ;
    pthread_mutex_unlock(&all->lock);
}

/* ---- counting ---- */

void metric_add(struct metric_cell *c, int64_t by)
{
    CHECK(c->family->info->type == METRIC_GAUGE || by >= 0);
    atomic_fetch_add_explicit(&c->sum, by, memory_order_relaxed);
    if (!atomic_load_explicit(&c->shown, memory_order_relaxed))
        atomic_store_explicit(&c->shown, true, memory_order_relaxed);
}

void metric_set(struct metric_cell *c, int64_t value)
{
    atomic_store_explicit(&c->sum, value, memory_order_relaxed);
    atomic_store_explicit(&c->shown, true, memory_order_relaxed);
}

void metric_hide(struct metric_cell *c)
{
    atomic_store_explicit(&c->shown, false, memory_order_relaxed);
}

/* The first bound that is not below the value. */
static size_t bucket_of(const struct metric_info *info, int64_t value)
{
    size_t from = 0, to = info->bound_count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (info->bounds[middle] < value)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void metric_observe(struct metric_cell *c, int64_t value)
{
    const struct metric_info *info = c->family->info;
    CHECK(info->type == METRIC_HISTOGRAM);
    value = MAX(value, 0);
    atomic_fetch_add_explicit(&c->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->buckets[bucket_of(info, value)], 1, memory_order_relaxed);
}

int64_t metric_read(const struct metric_cell *c)
{
    const struct metric_info *info = c->family->info;
    if (info->type != METRIC_HISTOGRAM)
        return atomic_load_explicit(&c->sum, memory_order_relaxed);
    int64_t count = 0;
    for (size_t i = 0; i <= info->bound_count; i++)
        count += atomic_load_explicit(&c->buckets[i], memory_order_relaxed);
    return count;
}

/* ---- the page ---- */

/* 1500000 millionths are 1.5: all digits there are, and no zero behind them. */
static void add_number(struct buf *out, enum metric_unit unit, int64_t value)
{
    if (unit == METRIC_WHOLE) {
        buf_addf(out, "%lld", (long long)value);
        return;
    }
    uint64_t all = value < 0 ? -(uint64_t)value : (uint64_t)value;
    buf_addf(out, "%s%llu", value < 0 ? "-" : "", (unsigned long long)(all / 1000000));
    if (all % 1000000 == 0)
        return;
    buf_addf(out, ".%06llu", (unsigned long long)(all % 1000000));
    while (out->ptr[out->len - 1] == '0')
        out->len--;
    out->ptr[out->len] = '\0';
}

/* A bound as Go and Python write a float, which is what other exporters do: 0.005, but 1e-05. */
static void add_bound(struct buf *out, enum metric_unit unit, int64_t bound)
{
    if (unit == METRIC_WHOLE || bound >= 100 || bound <= 0)
        add_number(out, unit, bound);
    else if (bound >= 10 && bound % 10)
        buf_addf(out, "%d.%de-05", (int)bound / 10, (int)bound % 10);
    else
        buf_addf(out, "%de-0%d", (int)(bound >= 10 ? bound / 10 : bound), bound >= 10 ? 5 : 6);
}

/* Help escapes backslash and line feed, a label value the quote too. What is no UTF-8 is mended. */
static void add_escaped(struct buf *out, const char *text, bool quotes)
{
    CLEANUP(buf_done) struct buf mended = { 0 };
    utf8_add_repaired(&mended, str_of(text));
    for (size_t i = 0; i < mended.len; i++) {
        char c = mended.ptr[i];
        if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\\' || (c == '"' && quotes))
            buf_addf(out, "\\%c", c);
        else
            buf_add_char(out, c);
    }
}

/* name_suffix{label="value",le="..."}: everything but the number. */
static void add_name(struct buf *out, const struct metric_cell *c, const char *suffix,
                     const char *le)
{
    const struct metric *m = c->family;
    buf_add_text(out, m->info->name);
    buf_add_text(out, suffix);
    for (size_t i = 0; i < m->label_count; i++) {
        buf_addf(out, "%s%s=\"", i ? "," : "{", m->info->labels[i]);
        add_escaped(out, c->values[i], true);
        buf_add_char(out, '"');
    }
    if (le)
        buf_addf(out, "%sle=\"%s\"", m->label_count ? "," : "{", le);
    buf_add_text(out, m->label_count || le ? "} " : " ");
}

static void add_line(struct buf *out, const struct metric_cell *c, const char *suffix,
                     const char *le, enum metric_unit unit, int64_t value)
{
    add_name(out, c, suffix, le);
    add_number(out, unit, value);
    buf_add_char(out, '\n');
}

static void add_histogram(struct buf *out, const struct metric_cell *c)
{
    const struct metric_info *info = c->family->info;
    CLEANUP(buf_done) struct buf le = { 0 };
    int64_t count = 0;
    int64_t sum = atomic_load_explicit(&c->sum, memory_order_relaxed);
    for (size_t i = 0; i < info->bound_count; i++) {
        count += atomic_load_explicit(&c->buckets[i], memory_order_relaxed);
        buf_reset(&le);
        add_bound(&le, info->unit, info->bounds[i]);
        add_line(out, c, "_bucket", le.ptr, METRIC_WHOLE, count);
    }
    count += atomic_load_explicit(&c->buckets[info->bound_count], memory_order_relaxed);
    add_line(out, c, "_bucket", "+Inf", METRIC_WHOLE, count);
    add_line(out, c, "_sum", NULL, info->unit, sum);
    add_line(out, c, "_count", NULL, METRIC_WHOLE, count);
}

static void add_cell(struct buf *out, const struct metric_cell *c)
{
    const struct metric_info *info = c->family->info;
    if (!atomic_load_explicit(&c->shown, memory_order_relaxed))
        return;
    if (info->type == METRIC_HISTOGRAM)
        add_histogram(out, c);
    else
        add_line(out, c, "", NULL, info->unit, metric_read(c));
}

static void add_family(struct buf *out, struct metric *m)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    buf_addf(out, "# HELP %s ", m->info->name);
    add_escaped(out, m->info->help, false);
    buf_addf(out, "\n# TYPE %s %s\n", m->info->name, types[m->info->type]);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count; i++)
        add_cell(out, m->sorted[i]);
    pthread_mutex_unlock(&m->lock);
}

void metrics_write(struct metrics *all, struct buf *out)
{
    pthread_mutex_lock(&all->lock);
    struct metric *m = all->first;
    pthread_mutex_unlock(&all->lock);
    while (m) {
        add_family(out, m);
        pthread_mutex_lock(&all->lock); /* a new family may come behind this one */
        m = m->next;
        pthread_mutex_unlock(&all->lock);
    }
}
