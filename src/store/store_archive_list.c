/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides give their records newest first, so a page is made by merging two sorted lists. A list
 * that begins somewhere (offset) is first turned into one behind a cursor: what stands there is
 * found by counting how many records of either side come before it, without their jobs and results.
 */
#include "store/store_archive_internal.h"

#include "store/record.h"

enum { CHUNK = 1000 }; /* what one list gives at most */

/* Call under view. */
struct sides {
    struct archive *archive;
    struct store_filter filter; /* with unarchived set: as live is asked */
    const char **doubts;
    struct history_without without;
};

static void sides_init(struct sides *s, struct archive *a, const struct store_filter *f)
{
    *s = (struct sides){ .archive = a, .filter = *f };
    s->filter.unarchived = true;
    s->doubts = calloc(a->doubts.count + 1, sizeof *s->doubts);
    CHECK(s->doubts);
    struct doubt *d;
    for (size_t at = 0; (d = map_next(&a->doubts, &at));)
        s->doubts[s->without.count++] = d->id;
    s->without.ids = s->doubts;
}

typedef void (*list_fn)(void *arg, struct record *r, int64_t seq);

static bool list_live(const struct sides *s, const struct store_filter *f, unsigned parts,
                      list_fn fn, void *arg, int64_t *ret_total, struct err *e)
{
    return store_list(s->archive->live, f, parts, fn, arg, ret_total, e);
}

static bool list_history(const struct sides *s, const struct store_filter *f, unsigned parts,
                         list_fn fn, void *arg, int64_t *ret_total, struct err *e)
{
    struct store_filter filter = *f;
    filter.unarchived = false;
    struct history *h = s->archive->history;
    return h->ops->list(h, &filter, &s->without, parts, fn, arg, ret_total, e);
}

/* ---- a page behind a cursor ---- */

struct page {
    list_fn fn;
    void *arg;
    int limit, given;
    struct record *live; /* of live's side, newest first */
    int live_count, live_next;
    struct map ids; /* of those: id -> struct record */
    int64_t twice;  /* the history had them as well */
};

static void page_done(struct page *p)
{
    for (int i = 0; i < p->live_count; i++)
        record_done(&p->live[i]);
    free(p->live);
    map_done(&p->ids);
}
CLEANUP_FOR_STRUCT(struct page, page_done)

static void keep_live(void *arg, struct record *r, UNUSED int64_t seq)
{
    struct page *p = arg;
    CHECK(p->live_count < p->limit);
    p->live[p->live_count] = *r;
    r->job = NULL;
    r->result = NULL;
    map_put(&p->ids, p->live[p->live_count].id, &p->live[p->live_count]);
    p->live_count++;
}

static void give(struct page *p, struct record *r)
{
    if (p->given == p->limit)
        return;
    p->given++;
    p->fn(p->arg, r, r->seq);
}

/* What live has from here on that is newer. */
static void give_newer(struct page *p, int64_t seq)
{
    while (p->live_next < p->live_count && p->live[p->live_next].seq > seq)
        give(p, &p->live[p->live_next++]);
}

static void merge(void *arg, struct record *r, int64_t seq)
{
    struct page *p = arg;
    if (map_get(&p->ids, r->id)) {
        p->twice++;
        return;
    }
    give_newer(p, seq);
    give(p, r);
}

static bool give_page(const struct sides *s, unsigned parts, list_fn fn, void *arg,
                      int64_t *ret_total, struct err *e)
{
    const struct store_filter *f = &s->filter;
    CLEANUP(page_done) struct page p = { .fn = fn, .arg = arg, .limit = f->limit };
    p.live = calloc((size_t)f->limit + 1, sizeof *p.live);
    CHECK(p.live);
    int64_t here = 0, there = 0;
    if (!list_live(s, f, parts, keep_live, &p, ret_total ? &here : NULL, e) ||
        !list_history(s, f, parts, merge, &p, ret_total ? &there : NULL, e))
        return false;
    give_newer(&p, INT64_MIN);
    if (ret_total)
        *ret_total = here + there - p.twice;
    return true;
}

/* ---- where a page begins ---- */

enum { NOWHERE = 1 }; /* a cursor behind everything */

struct seqs {
    int64_t *at; /* newest first */
    int64_t count, room;
};

static void seqs_done(struct seqs *s)
{
    free(s->at);
}
CLEANUP_FOR_STRUCT(struct seqs, seqs_done)

static void keep_seq(void *arg, UNUSED struct record *r, int64_t seq)
{
    struct seqs *s = arg;
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : CHUNK;
        s->at = realloc(s->at, (size_t)s->room * sizeof *s->at);
        CHECK(s->at);
    }
    s->at[s->count++] = seq;
}

typedef bool (*side_fn)(const struct sides *s, const struct store_filter *f, unsigned parts,
                        list_fn fn, void *arg, int64_t *ret_total, struct err *e);

/* At most so many of one side, from its first on. */
static bool read_seqs(const struct sides *s, side_fn side, int64_t first, int64_t most,
                      struct seqs *ret, struct err *e)
{
    struct store_filter f = s->filter;
    int64_t before;
    do {
        before = ret->count;
        f.offset = first + before;
        f.limit = (int)MIN(most - before, CHUNK);
        if (f.limit > 0 && !side(s, &f, 0, keep_seq, ret, NULL, e))
            return false;
    } while (f.limit > 0 && ret->count - before == f.limit);
    return true;
}

static int64_t seq_at(const struct seqs *s, int64_t i)
{
    CHECK(s->at && i >= 0 && i < s->count);
    return s->at[i];
}

/* The last of the first n of both; the history's begin with the one numbered first. */
static int64_t last_of(int64_t n, const struct seqs *live, const struct seqs *history,
                       int64_t first)
{
    int64_t i = 0, k = n - live->count; /* taken of each */
    while (i + k < n) {
        bool more = k - first < history->count;
        if (i == live->count && !more)
            return NOWHERE;
        if (i < live->count && (!more || seq_at(live, i) > seq_at(history, k - first)))
            i++;
        else
            k++;
    }
    if (k > 0 && k - 1 - first >= history->count)
        return NOWHERE;
    int64_t last = i > 0 ? seq_at(live, i - 1) : INT64_MAX;
    return k > 0 ? MIN(last, seq_at(history, k - 1 - first)) : last;
}

/* Of the first n at most as many are live's as it has, so the rest is the history's for sure; of
 * that only the last one has to be looked at, and those behind it. */
static bool find_cursor(const struct sides *s, int64_t n, int64_t *ret, struct err *e)
{
    CLEANUP(seqs_done) struct seqs live = { 0 };
    CLEANUP(seqs_done) struct seqs history = { 0 };
    if (!read_seqs(s, list_live, 0, n, &live, e))
        return false;
    int64_t first = MAX(n - live.count - 1, 0);
    if (!read_seqs(s, list_history, first, n - first, &history, e))
        return false;
    *ret = last_of(n, &live, &history, first);
    return true;
}

static bool list_both(struct sides *s, unsigned parts, list_fn fn, void *arg, int64_t *ret_total,
                      struct err *e)
{
    struct store_filter *f = &s->filter;
    if (f->offset > 0 && !find_cursor(s, f->offset, &f->before_seq, e))
        return false;
    f->offset = 0;
    return give_page(s, parts, fn, arg, ret_total, e);
}

bool archive_list(struct store *s, const struct store_filter *f, unsigned parts,
                  void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                  int64_t *ret_total, struct err *e)
{
    struct archive *a = (struct archive *)s;
    if (f->unarchived || (f->has_state && !state_final(f->state)))
        return store_list(a->live, f, parts, fn, arg, ret_total, e);

    pthread_rwlock_rdlock(&a->view);
    struct sides sides;
    sides_init(&sides, a, f);
    bool ok = list_both(&sides, parts, fn, arg, ret_total, e);
    free(sides.doubts);
    pthread_rwlock_unlock(&a->view);
    return ok;
}
