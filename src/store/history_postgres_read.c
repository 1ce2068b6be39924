/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_postgres.h"

/* What read_row() reads, then the job and the result or null. */
#define HEAD        "SELECT s.id, s.seq, s.state, s.attempts, s.created_us, s.started_us, s.finished_us, "
#define JOIN_BODIES " LEFT JOIN evalx_bodies b ON b.id = s.id"

/* By RECORD_... bits. */
static const char *const bodies[] = {
    [0] = "NULL, NULL",
    [RECORD_JOB] = "b.job, NULL",
    [RECORD_RESULT] = "NULL, b.result",
    [RECORD_JOB | RECORD_RESULT] = "b.job, b.result",
};

static bool read_state(struct str name, enum job_state *ret, struct err *e)
{
    for (int s = STATE_FINISHED; s <= STATE_CANCELLED; s++) {
        if (str_is(name, state_name((enum job_state)s))) {
            *ret = (enum job_state)s;
            return true;
        }
    }
    return err_set(e, ERR_BUG, "a record in state %.*s", STR_FMT(name));
}

static bool read_row(const struct pg_conn *c, struct record *ret, struct err *e)
{
    CLEANUP(record_done)
    struct record r = {
        .seq = pg_int(c, 1),
        .attempts = (int)pg_int(c, 3),
        .created_us = pg_int(c, 4),
        .started_us = pg_int(c, 5),
        .finished_us = pg_int(c, 6),
    };
    snprintf(r.id, sizeof r.id, "%.*s", STR_FMT(pg_text(c, 0)));
    struct str job = pg_text(c, 7), result = pg_text(c, 8);
    if (!read_state(pg_text(c, 2), &r.state, e) || (job.ptr && !record_read_job(&r, job, e)) ||
        (result.ptr && !record_read_result(&r, result, e)))
        return false;
    *ret = r;
    r.job = NULL;
    r.result = NULL;
    return true;
}

struct load {
    const char *id;
    unsigned parts;
    struct record *ret;
    enum got got;
};

static bool load_row(struct pg_conn *c, void *arg, struct err *e)
{
    static const char *const texts[] = {
        [0] = HEAD "NULL, NULL FROM evalx_submissions s WHERE s.id = $1::uuid",
        [RECORD_JOB] =
            HEAD "b.job, NULL FROM evalx_submissions s" JOIN_BODIES " WHERE s.id = $1::uuid",
        [RECORD_RESULT] =
            HEAD "NULL, b.result FROM evalx_submissions s" JOIN_BODIES " WHERE s.id = $1::uuid",
        [RECORD_JOB | RECORD_RESULT] =
            HEAD "b.job, b.result FROM evalx_submissions s" JOIN_BODIES " WHERE s.id = $1::uuid",
    };
    struct load *l = arg;
    struct pg_args args = { 0 };
    pg_add_text(&args, str_of(l->id));
    if (!pg_ask(c, texts[l->parts & (RECORD_JOB | RECORD_RESULT)], &args, e))
        return false;
    l->got = pg_step(c, e);
    return l->got == GOT_NONE || (l->got == GOT_ONE && read_row(c, l->ret, e));
}

enum got history_postgres_load(struct history *h, const char *id, unsigned parts,
                               struct record *ret, struct err *e)
{
    if (!token_valid(str_of(id))) /* no uuid: the server would call it an error */
        return GOT_NONE;
    struct load l = { id, parts, ret, GOT_FAILED };
    if (pg_run(history_pool(h), PG_PLAIN, load_row, &l, e))
        return l.got;
    err_add(e, "load %s", id);
    return GOT_FAILED;
}

/* ---- lists ---- */

struct listing {
    const struct store_filter *filter;
    const struct history_without *without;
    unsigned parts;
    void (*fn)(void *arg, struct record *r, int64_t seq);
    void *arg;
    int64_t *ret_total; /* NULL: not asked for */
};

/* What a question is made of while it grows: its text, its values, and what they borrow. */
struct question {
    struct buf sql, pair;
    struct pg_list without;
    struct pg_args args;
};

static void question_done(struct question *q)
{
    buf_done(&q->sql);
    buf_done(&q->pair);
    pg_list_done(&q->without);
}
CLEANUP_FOR_STRUCT(struct question, question_done)

static void and_text(struct question *q, const char *condition, const char *value)
{
    pg_add_text(&q->args, str_of(value));
    buf_addf(&q->sql, " AND s.%s $%d", condition, q->args.count);
}

static void and_int(struct question *q, const char *condition, int64_t value)
{
    pg_add_int(&q->args, value);
    buf_addf(&q->sql, " AND s.%s $%d", condition, q->args.count);
}

static void and_metadata(struct question *q, const struct store_filter *f)
{
    struct json_writer w = { .out = &q->pair };
    json_put_object(&w);
    history_put_pair(&w, f->metadata_key, str_of(f->metadata_value));
    json_put_object_end(&w);
    and_text(q, "metadata @>", q->pair.ptr);
    buf_add_text(&q->sql, "::jsonb");
}

static void add_where(struct question *q, const struct listing *l)
{
    const struct store_filter *f = l->filter;
    buf_add_text(&q->sql, " FROM evalx_submissions s WHERE true");
    if (f->language)
        and_text(q, "language =", f->language);
    if (f->verdict)
        and_text(q, "verdict =", verdict_name(f->verdict));
    if (f->has_state)
        and_text(q, "state =", state_name(f->state));
    if (f->since_us)
        and_int(q, "created_us >=", f->since_us);
    if (f->until_us)
        and_int(q, "created_us <", f->until_us);
    if (f->metadata_key)
        and_metadata(q, f);
    if (l->without && l->without->count) {
        for (int i = 0; i < l->without->count; i++)
            pg_list_text(&q->without, str_of(l->without->ids[i]));
        pg_add_texts(&q->args, &q->without);
        buf_addf(&q->sql, " AND s.id <> ALL($%d::text[]::uuid[])", q->args.count);
    }
}

static bool count(struct pg_conn *c, const struct listing *l, struct err *e)
{
    CLEANUP(question_done) struct question q = { 0 };
    buf_add_text(&q.sql, "SELECT count(*)");
    add_where(&q, l);
    if (!pg_ask_once(c, q.sql.ptr, &q.args, e) || pg_step(c, e) != GOT_ONE)
        return false;
    *l->ret_total = pg_int(c, 0);
    return true;
}

/* The page is found in the narrow rows alone, then their wide ones are fetched. */
static bool ask_page(struct pg_conn *c, const struct listing *l, struct err *e)
{
    CLEANUP(question_done) struct question q = { 0 };
    unsigned parts = l->parts & (RECORD_JOB | RECORD_RESULT);
    buf_addf(&q.sql, HEAD "%s FROM (SELECT s.*", bodies[parts]);
    add_where(&q, l);
    if (l->filter->before_seq)
        and_int(&q, "seq <", l->filter->before_seq);
    pg_add_int(&q.args, l->filter->limit);
    buf_addf(&q.sql, " ORDER BY s.seq DESC LIMIT $%d", q.args.count);
    pg_add_int(&q.args, l->filter->offset);
    buf_addf(&q.sql, " OFFSET $%d) s%s ORDER BY s.seq DESC", q.args.count,
             parts ? JOIN_BODIES : "");
    return pg_ask_once(c, q.sql.ptr, &q.args, e);
}

static bool list_rows(struct pg_conn *c, void *arg, struct err *e)
{
    const struct listing *l = arg;
    if (l->ret_total && !count(c, l, e))
        return false;
    if (!ask_page(c, l, e))
        return false;
    enum got got;
    while ((got = pg_step(c, e)) == GOT_ONE) {
        CLEANUP(record_done) struct record r = { 0 };
        if (!read_row(c, &r, e))
            return false;
        l->fn(l->arg, &r, r.seq);
    }
    return got == GOT_NONE;
}

bool history_postgres_list(struct history *h, const struct store_filter *f,
                           const struct history_without *without, unsigned parts,
                           void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                           int64_t *ret_total, struct err *e)
{
    int64_t total = 0;
    struct listing l = { f, without, parts, fn, arg, ret_total ? &total : NULL };
    if (!pg_run(history_pool(h), ret_total ? PG_READ : PG_PLAIN, list_rows, &l, e))
        return err_add(e, "list");
    if (ret_total)
        *ret_total = total;
    return true;
}
