/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading records. Two sorted sets by seq are the whole index: what is not final and what is. A
 * list without a filter takes its page from them and its total from their sizes; one with a filter
 * looks at heads, page by page from the newest, until its own page is full, and goes on for the
 * total over at most TOTAL_SCAN more records: beyond that the total is what was found until there.
 * A filter by metadata also unpacks the jobs it looks at.
 */
#include "base/clock.h"
#include "redis/store_redis.h"

enum { PAGE = 200, JOBS_PAGE = 50, SKIP_PAGE = 1000, TOTAL_SCAN = 20000, TENANT_MOST = 256 };

const struct redis_reply *reply_get(const struct redis_reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < redis_count(flat); i += 2)
        if (str_is(redis_text(redis_at(flat, i)), name))
            return redis_at(flat, i + 1);
    return NULL;
}

int64_t reply_get_int(const struct redis_reply *flat, const char *name)
{
    const struct redis_reply *value = reply_get(flat, name);
    return value ? redis_int(value) : 0;
}

static void read_head(const struct redis_reply *head, const char *id, struct record *ret)
{
    *ret = (struct record){ .seq = reply_get_int(head, "q"),
                            .state = (enum job_state)reply_get_int(head, "s"),
                            .attempts = (int)reply_get_int(head, "n"),
                            .cancel_asked = reply_get_int(head, "x") != 0,
                            .created_us = reply_get_int(head, "c"),
                            .started_us = reply_get_int(head, "b"),
                            .finished_us = reply_get_int(head, "f") };
    snprintf(ret->id, sizeof ret->id, "%s", id);
}

/* ---- one ---- */

static bool read_record(struct store_redis *s, const struct redis_reply *reply, const char *id,
                        struct record *ret, struct err *e)
{
    CLEANUP(record_done) struct record r;
    read_head(redis_at(reply, 0), id, &r);
    struct str job = redis_text(redis_at(reply, 1)), result = redis_text(redis_at(reply, 2));
    if (job.ptr && !body_job(s, &r, job, e))
        return false;
    if (result.ptr && !body_result(s, &r, result, e))
        return false;
    *ret = r;
    r.job = NULL;
    r.result = NULL;
    return true;
}

enum got redis_store_load(struct store *store, const char *id, unsigned parts, struct record *ret,
                          struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    struct ask ask;
    ask_init(&ask, s, &script_store_load);
    ask_text(&ask, id);
    ask_int(&ask, (parts & RECORD_JOB) != 0);
    ask_int(&ask, (parts & RECORD_RESULT) != 0);
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_now(s, &ask, e);
    if (!reply)
        return GOT_FAILED;
    if (redis_count(reply) == 0)
        return GOT_NONE;
    return read_record(s, reply, id, ret, e) ? GOT_ONE : GOT_FAILED;
}

/* ---- history ---- */

struct listing {
    struct store_redis *s;
    const struct store_filter *f;
    unsigned parts;
    void (*fn)(void *arg, struct record *r, int64_t seq);
    void *arg;
    bool filtered, counting; /* by more than the cursor; the total is counted on the way */
    int64_t below;           /* seq of the last record seen; 0: none yet */
    int64_t scanned, total, skipped;
    int given;
};

/* A page behind the last one. heads: with what filters and records need. */
static struct redis_reply *ask_page(struct listing *l, int count, bool heads, struct err *e)
{
    int which = 3;
    if (l->f->has_state)
        which = state_final(l->f->state) ? 2 : 1;
    struct ask ask;
    ask_init(&ask, l->s, &script_store_page);
    if (l->below)
        ask_int(&ask, l->below);
    else
        ask_text(&ask, "+inf");
    ask_int(&ask, count);
    ask_int(&ask, which);
    ask_int(&ask, heads);
    return ask_now(l->s, &ask, e);
}

static bool head_matches(const struct redis_reply *head, const struct store_filter *f)
{
    const struct redis_reply *language = reply_get(head, "l");
    int64_t created_us = reply_get_int(head, "c");
    if (f->language && !(language && str_is(redis_text(language), f->language)))
        return false;
    if (f->verdict && reply_get_int(head, "v") != (int64_t)f->verdict)
        return false;
    if (f->has_state && reply_get_int(head, "s") != (int64_t)f->state)
        return false;
    if (f->since_us && created_us < f->since_us)
        return false;
    if (f->until_us && created_us >= f->until_us)
        return false;
    return !f->unarchived || !reply_get_int(head, "a");
}

/*
 * The packed jobs of a page in one answer, for a filter by metadata; where the head already says
 * no, a key that nobody has stands in.
 */
static struct redis_reply *ask_jobs(struct listing *l, const struct redis_reply *page,
                                    struct err *e)
{
    enum { JOB_KEY = KEY_TEXT + TOKEN_TEXT + 4 };
    static const struct str command = { "MGET", 4 };
    size_t count = redis_count(page);
    struct str words[JOBS_PAGE + 1] = { command };
    char keys[JOBS_PAGE][JOB_KEY];
    CHECK(count <= JOBS_PAGE);
    for (size_t i = 0; i < count; i++) {
        const struct redis_reply *row = redis_at(page, i);
        bool wanted = head_matches(redis_at(row, 2), l->f);
        int len = snprintf(keys[i], JOB_KEY, "%s:j:%.*s", l->s->key,
                           wanted ? (int)redis_text(redis_at(row, 0)).len : 0,
                           redis_text(redis_at(row, 0)).ptr);
        words[i + 1] = (struct str){ keys[i], (size_t)MIN(len, JOB_KEY - 1) };
    }
    struct redis_call call = { .words = words, .count = count + 1 };
    struct redis_reply *reply = redis_ask(l->s->redis, &call, e);
    if (!reply)
        err_add(e, "store");
    return reply;
}

static enum got metadata_matches(struct listing *l, const char *id, struct str packed,
                                 struct err *e)
{
    CLEANUP(record_done) struct record r = { 0 };
    if (!packed.ptr)
        return GOT_NONE;
    memcpy(r.id, id, sizeof r.id);
    if (!body_job(l->s, &r, packed, e))
        return GOT_FAILED;
    return record_metadata_is(r.job->metadata, l->f->metadata_key, l->f->metadata_value) ? GOT_ONE
                                                                                         : GOT_NONE;
}

/* GOT_NONE: not what the filter wants, or gone meanwhile. job: packed, for a filter by metadata. */
static enum got row_matches(struct listing *l, const char *id, const struct redis_reply *head,
                            struct str job, struct err *e)
{
    if (redis_count(head) == 0 || !head_matches(head, l->f))
        return GOT_NONE;
    return l->f->metadata_key ? metadata_matches(l, id, job, e) : GOT_ONE;
}

static bool give(struct listing *l, const char *id, const struct redis_reply *head, struct err *e)
{
    CLEANUP(record_done) struct record r = { 0 };
    enum got got = GOT_ONE;
    if (l->parts)
        got = redis_store_load(&l->s->store, id, l->parts, &r, e);
    else
        read_head(head, id, &r);
    if (got == GOT_ONE) {
        l->fn(l->arg, &r, r.seq);
        l->given++;
    }
    return got != GOT_FAILED;
}

static bool see_row(struct listing *l, const struct redis_reply *row, struct str job, struct err *e)
{
    char id[TOKEN_TEXT];
    reply_text(redis_at(row, 0), id, sizeof id);
    l->below = redis_int(redis_at(row, 1));
    l->scanned++;
    const struct redis_reply *head = redis_at(row, 2);
    enum got got = row_matches(l, id, head, job, e);
    if (got != GOT_ONE)
        return got == GOT_NONE;
    l->total++;
    if (l->given == l->f->limit || (l->f->before_seq && l->below >= l->f->before_seq) ||
        l->skipped++ < l->f->offset)
        return true;
    return give(l, id, head, e);
}

/* GOT_NONE: that was the last page. */
static enum got see_page(struct listing *l, int count, struct err *e)
{
    CLEANUP(redis_reply_free) struct redis_reply *page = ask_page(l, count, true, e);
    if (!page)
        return GOT_FAILED;
    CLEANUP(redis_reply_free) struct redis_reply *jobs = NULL;
    if (l->f->metadata_key && redis_count(page) && !(jobs = ask_jobs(l, page, e)))
        return GOT_FAILED;
    for (size_t i = 0; i < redis_count(page); i++) {
        if (l->given == l->f->limit && !l->counting)
            return GOT_NONE;
        struct str job = jobs ? redis_text(redis_at(jobs, i)) : STR_NULL;
        if (!see_row(l, redis_at(page, i), job, e))
            return GOT_FAILED;
    }
    return redis_count(page) < (size_t)count ? GOT_NONE : GOT_ONE;
}

/* Without a filter an offset needs no look at what it skips. GOT_NONE: nothing is behind it. */
static enum got skip(struct listing *l, struct err *e)
{
    while (l->skipped < l->f->offset) {
        int count = (int)MIN(SKIP_PAGE, l->f->offset - l->skipped);
        CLEANUP(redis_reply_free) struct redis_reply *page = ask_page(l, count, false, e);
        if (!page)
            return GOT_FAILED;
        size_t got = redis_count(page);
        if (got)
            l->below = redis_int(redis_at(redis_at(page, got - 1), 1));
        l->skipped += (int64_t)got;
        if (got < (size_t)count)
            return GOT_NONE;
    }
    return GOT_ONE;
}

static bool scan(struct listing *l, struct err *e)
{
    enum got got = l->filtered ? GOT_ONE : skip(l, e);
    int64_t full_at = -1; /* scanned when the page was full */
    while (got == GOT_ONE) {
        int count = l->f->metadata_key ? JOBS_PAGE : PAGE;
        if (!l->filtered)
            count = MIN(count, l->f->limit - l->given);
        got = see_page(l, count, e);
        if (l->given < l->f->limit)
            continue;
        if (full_at < 0)
            full_at = l->scanned;
        if (!l->counting || l->scanned - full_at >= TOTAL_SCAN)
            break;
    }
    return got != GOT_FAILED;
}

/* Both sets' sizes. */
static bool count_all(struct store_redis *s, int64_t *ret, struct err *e)
{
    int64_t total = 0;
    static const char *const sets[] = { "open", "done" };
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        char key[KEY_TEXT + 8];
        snprintf(key, sizeof key, "%s:%s", s->key, sets[i]);
        CLEANUP(redis_reply_free)
        struct redis_reply *reply = redis_words(s->redis, e, "ZCARD", key);
        if (!reply)
            return err_add(e, "store");
        total += redis_int(reply);
    }
    *ret = total;
    return true;
}

bool redis_store_list(struct store *store, const struct store_filter *f, unsigned parts,
                      void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                      int64_t *ret_total, struct err *e)
{
    struct listing l = { .s = (struct store_redis *)store,
                         .f = f,
                         .parts = parts & (RECORD_JOB | RECORD_RESULT),
                         .fn = fn,
                         .arg = arg };
    l.filtered = f->language || f->verdict || f->has_state || f->since_us || f->until_us ||
                 f->metadata_key || f->unarchived;
    l.counting = ret_total && l.filtered;
    l.below = l.counting ? 0 : f->before_seq;
    int64_t all = 0;
    if ((ret_total && !l.filtered && !count_all(l.s, &all, e)) || !scan(&l, e))
        return false;
    if (ret_total)
        *ret_total = l.filtered ? l.total : all;
    return true;
}

/* ---- what is not final ---- */

static void see_unfinished(const struct redis_reply *row,
                           void (*fn)(void *arg, const struct unfinished *x), void *arg)
{
    char id[TOKEN_TEXT], tenant[TENANT_MOST];
    reply_text(redis_at(row, 0), id, sizeof id);
    reply_text(redis_at(row, 3), tenant, sizeof tenant);
    int64_t start_us = redis_int(redis_at(row, 4));
    fn(arg, &(struct unfinished){ .id = id,
                                  .priority = (int)redis_int(redis_at(row, 2)),
                                  .tenant = tenant,
                                  .delay_us = MAX(0, start_us - wall_us()) });
}

bool redis_store_unfinished(struct store *store, void (*fn)(void *arg, const struct unfinished *x),
                            void *arg, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    int64_t above = 0;
    for (size_t got = PAGE; got == PAGE;) {
        struct ask ask;
        ask_init(&ask, s, &script_store_unfinished);
        ask_int(&ask, above);
        ask_int(&ask, PAGE);
        CLEANUP(redis_reply_free) struct redis_reply *page = ask_now(s, &ask, e);
        if (!page)
            return false;
        got = redis_count(page);
        for (size_t i = 0; i < got; i++)
            see_unfinished(redis_at(page, i), fn, arg);
        if (got)
            above = redis_int(redis_at(redis_at(page, got - 1), 1));
    }
    return true;
}

/* ---- what no history has ---- */

bool redis_store_unarchived(struct store *store, int max, void (*fn)(void *arg, struct record *r),
                            void *arg, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    char key[KEY_TEXT + 8], last[24];
    snprintf(key, sizeof key, "%s:fresh", s->key);
    snprintf(last, sizeof last, "%d", max - 1);
    CLEANUP(redis_reply_free)
    struct redis_reply *ids = redis_words(s->redis, e, "ZRANGE", key, "0", last);
    if (!ids)
        return err_add(e, "store");
    for (size_t i = 0; i < redis_count(ids); i++) {
        CLEANUP(record_done) struct record r = { 0 };
        char id[TOKEN_TEXT];
        reply_text(redis_at(ids, i), id, sizeof id);
        enum got got = redis_store_load(store, id, RECORD_JOB | RECORD_RESULT, &r, e);
        if (got == GOT_FAILED)
            return false;
        if (got == GOT_ONE && r.job && r.result)
            fn(arg, &r);
    }
    return true;
}
