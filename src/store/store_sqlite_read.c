/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite.h"

#include "base/clock.h"

enum { TENANT_MOST = 256 };

/* What read_row() reads, then the job and the result or NULL. */
#define HEAD                                                                                       \
    "SELECT s.id, s.state, s.attempts, s.cancel_asked, s.created_us, s.started_us,"                \
    " s.finished_us, s.seq, "
#define FROM_SUBMISSIONS " FROM submissions s"
#define JOIN_JOBS        " LEFT JOIN jobs j ON j.seq = s.seq"
#define JOIN_RESULTS     " LEFT JOIN results r ON r.seq = s.seq"

/* By RECORD_... bits: the job and the result of one moment, so they come in one statement. */
static const char *const selects[] = {
    [0] = HEAD "NULL, NULL" FROM_SUBMISSIONS,
    [RECORD_JOB] = HEAD "j.body, NULL" FROM_SUBMISSIONS JOIN_JOBS,
    [RECORD_RESULT] = HEAD "NULL, r.body" FROM_SUBMISSIONS JOIN_RESULTS,
    [RECORD_JOB | RECORD_RESULT] = HEAD "j.body, r.body" FROM_SUBMISSIONS JOIN_JOBS JOIN_RESULTS,
};

static const char *select_for(unsigned parts)
{
    return selects[parts & (RECORD_JOB | RECORD_RESULT)];
}

static bool read_row(struct db_stmt *s, struct record *ret, struct err *e)
{
    CLEANUP(record_done)
    struct record r = {
        .state = (enum job_state)db_int(s, 1),
        .attempts = (int)db_int(s, 2),
        .cancel_asked = db_int(s, 3) != 0,
        .created_us = db_int(s, 4),
        .started_us = db_int(s, 5),
        .finished_us = db_int(s, 6),
        .seq = db_int(s, 7),
    };
    snprintf(r.id, sizeof r.id, "%.*s", STR_FMT(db_blob(s, 0)));

    struct str job = db_blob(s, 8), result = db_blob(s, 9);
    if (job.ptr && !record_read_job(&r, job, e))
        return false;
    if (result.ptr && !record_read_result(&r, result, e))
        return false;
    *ret = r;
    r.job = NULL;
    r.result = NULL;
    return true;
}

/* ---- one ---- */

/* Admitted, not committed yet: the file does not know it. */
static enum got load_arriving(struct store_sqlite *store, const char *id, unsigned parts,
                              struct record *ret, struct err *e)
{
    CLEANUP(buf_done) struct buf job = { 0 };
    CLEANUP(record_done) struct record r = { .state = STATE_QUEUED };

    pthread_mutex_lock(&store->lock);
    const struct admission *a = map_get(&store->arriving, id);
    if (a) {
        memcpy(r.id, a->id, sizeof r.id);
        r.created_us = a->created_us;
        if (parts & RECORD_JOB)
            buf_add_str(&job, buf_str(&a->job));
    }
    pthread_mutex_unlock(&store->lock);

    if (!a)
        return GOT_NONE;
    if ((parts & RECORD_JOB) && !record_read_job(&r, buf_str(&job), e))
        return GOT_FAILED;
    *ret = r;
    r.job = NULL;
    return GOT_ONE;
}

static enum got load_row(struct db_conn *c, const char *id, unsigned parts, struct record *ret,
                         struct err *e)
{
    CLEANUP(buf_done) struct buf sql = { 0 };
    buf_addf(&sql, "%s WHERE s.id = ?", select_for(parts));
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql.ptr, e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, id);
    enum got got = db_step(s, e);
    return got == GOT_ONE && !read_row(s, ret, e) ? GOT_FAILED : got;
}

enum got sqlite_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                     struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    enum got got = load_arriving(store, id, parts, ret, e);
    if (got != GOT_NONE)
        return got;
    struct db_conn *c = db_reader(store->db, e);
    if (!c)
        return GOT_FAILED;
    got = load_row(c, id, parts, ret, e);
    db_reader_done(store->db, c);
    return got;
}

/* ---- history ---- */

/* Parameters keep their numbers, whichever of them a filter uses. */
enum {
    AT_LANGUAGE = 1,
    AT_VERDICT,
    AT_STATE,
    AT_SINCE,
    AT_UNTIL,
    AT_METADATA_KEY,
    AT_METADATA_VALUE,
    AT_BEFORE,
    AT_LIMIT,
    AT_OFFSET,
};

/* A text equals itself, a number or a boolean its JSON text; nothing else can be asked for. */
#define METADATA_IS                                                                                \
    "EXISTS(SELECT 1 FROM json_each(s.metadata) m WHERE m.key = ?6 AND"                            \
    " CASE m.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'object' THEN NULL"       \
    " WHEN 'array' THEN NULL ELSE CAST(m.value AS TEXT) END = ?7)"

static void add_where(struct buf *sql, const struct store_filter *f)
{
    buf_add_text(sql, " WHERE 1");
    if (f->language)
        buf_add_text(sql, " AND s.language = ?1");
    if (f->verdict)
        buf_add_text(sql, " AND s.verdict = ?2");
    if (f->has_state)
        buf_add_text(sql, " AND s.state = ?3");
    if (f->since_us)
        buf_add_text(sql, " AND s.created_us >= ?4");
    if (f->until_us)
        buf_add_text(sql, " AND s.created_us < ?5");
    if (f->metadata_key)
        buf_add_text(sql, " AND " METADATA_IS);
    if (f->unarchived)
        buf_add_text(sql, " AND s.archived <= 0");
}

static void bind_where(struct db_stmt *s, const struct store_filter *f)
{
    if (f->language)
        db_bind_text(s, AT_LANGUAGE, f->language);
    if (f->verdict)
        db_bind_int(s, AT_VERDICT, f->verdict);
    if (f->has_state)
        db_bind_int(s, AT_STATE, f->state);
    if (f->since_us)
        db_bind_int(s, AT_SINCE, f->since_us);
    if (f->until_us)
        db_bind_int(s, AT_UNTIL, f->until_us);
    if (f->metadata_key) {
        db_bind_text(s, AT_METADATA_KEY, f->metadata_key);
        db_bind_text(s, AT_METADATA_VALUE, f->metadata_value);
    }
}

static bool count(struct db_conn *c, const struct store_filter *f, int64_t *ret, struct err *e)
{
    CLEANUP(buf_done) struct buf sql = { 0 };
    buf_add_text(&sql, "SELECT count(*)" FROM_SUBMISSIONS);
    add_where(&sql, f);
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql.ptr, e);
    if (!s)
        return false;
    bind_where(s, f);
    if (db_step(s, e) != GOT_ONE)
        return false;
    *ret = db_int(s, 0);
    return true;
}

struct listing {
    const struct store_filter *filter;
    unsigned parts;
    void (*fn)(void *arg, struct record *r, int64_t seq);
    void *arg;
};

static struct db_stmt *query_page(struct db_conn *c, const struct listing *l, struct err *e)
{
    const struct store_filter *f = l->filter;
    CLEANUP(buf_done) struct buf sql = { 0 };
    buf_add_text(&sql, select_for(l->parts));
    add_where(&sql, f);
    if (f->before_seq)
        buf_add_text(&sql, " AND s.seq < ?8");
    buf_add_text(&sql, " ORDER BY s.seq DESC LIMIT ?9 OFFSET ?10");

    struct db_stmt *s = db_query(c, sql.ptr, e);
    if (!s)
        return NULL;
    bind_where(s, f);
    if (f->before_seq)
        db_bind_int(s, AT_BEFORE, f->before_seq);
    db_bind_int(s, AT_LIMIT, f->limit);
    db_bind_int(s, AT_OFFSET, f->offset);
    return s;
}

static bool list_page(struct db_conn *c, const struct listing *l, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = query_page(c, l, e);
    if (!s)
        return false;
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        CLEANUP(record_done) struct record r = { 0 };
        if (!read_row(s, &r, e))
            return false;
        l->fn(l->arg, &r, r.seq);
    }
    return got == GOT_NONE;
}

bool sqlite_list(struct store *s, const struct store_filter *f, unsigned parts,
                 void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                 int64_t *ret_total, struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    if (f->unarchived && !db_sync(store->db, e))
        return false;
    struct db_conn *c = db_reader(store->db, e);
    if (!c)
        return false;
    struct listing listing = { f, parts, fn, arg };
    int64_t total = 0;
    bool ok = (!ret_total || count(c, f, &total, e)) && list_page(c, &listing, e);
    db_reader_done(store->db, c);
    if (ok && ret_total)
        *ret_total = total;
    return ok;
}

/* ---- what is not final ---- */

static bool list_unfinished(struct db_conn *c, void (*fn)(void *arg, const struct unfinished *x),
                            void *arg, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "SELECT id, tenant, priority, start_us FROM submissions"
                                 " WHERE state IN (0, 1) ORDER BY seq",
                                 e);
    if (!s)
        return false;
    int64_t now = wall_us();
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        char id[TOKEN_TEXT], tenant[TENANT_MOST];
        sqlite_text(db_blob(s, 0), id, sizeof id);
        sqlite_text(db_blob(s, 1), tenant, sizeof tenant);
        fn(arg, &(struct unfinished){ .id = id,
                                      .tenant = tenant,
                                      .priority = (int)db_int(s, 2),
                                      .delay_us = MAX(0, db_int(s, 3) - now) });
    }
    return got == GOT_NONE;
}

bool sqlite_unfinished(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                       void *arg, struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    struct db_conn *c = db_reader(store->db, e);
    if (!c)
        return false;
    bool ok = list_unfinished(c, fn, arg, e);
    db_reader_done(store->db, c);
    return ok;
}

/* ---- what no history has ---- */

static bool list_unarchived(struct db_conn *c, int max, void (*fn)(void *arg, struct record *r),
                            void *arg, struct err *e)
{
    CLEANUP(buf_done) struct buf sql = { 0 };
    buf_addf(&sql, "%s WHERE s.archived = 0 AND s.state > 1 ORDER BY s.finished_us LIMIT ?",
             select_for(RECORD_JOB | RECORD_RESULT));
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql.ptr, e);
    if (!s)
        return false;
    db_bind_int(s, 1, max);
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        CLEANUP(record_done) struct record r = { 0 };
        if (!read_row(s, &r, e))
            return false;
        fn(arg, &r);
    }
    return got == GOT_NONE;
}

bool sqlite_unarchived(struct store *s, int max, void (*fn)(void *arg, struct record *r), void *arg,
                       struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    if (!db_sync(store->db, e)) /* what archived() wrote for later */
        return false;
    struct db_conn *c = db_reader(store->db, e);
    if (!c)
        return false;
    bool ok = list_unarchived(c, max, fn, arg, e);
    db_reader_done(store->db, c);
    return ok;
}
