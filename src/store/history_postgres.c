/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A narrow row of columns per record, for filters and totals, beside a wide one with the stored
 * forms of job and result, which only those touch who ask for them.
 *
 * Not partitioned. Dropping partitions is the cheapest way to forget what is old, but here every
 * record may have a retention of its own, and a unique id, which makes putting twice harmless,
 * cannot be had across partitions by time. So a sweep deletes in batches, found by an index of
 * their end; servers that sweep at one time skip each other's rows.
 *
 * A record that is removed leaves a mark for a day (evalx_removed): an archiver that read it from
 * its live store before, and was held up, would bring it back. Putting and removing take turns by
 * an advisory lock, so a put that began earlier is seen by the remove, and its mark by a later put.
 */
#include "store/history_postgres.h"

#include "base/clock.h"

static const char *const schema[] = {
    "CREATE TABLE evalx_submissions("
    " id uuid PRIMARY KEY,"
    " seq bigint NOT NULL CONSTRAINT evalx_submissions_seq UNIQUE,"
    " state text NOT NULL,"
    " verdict text NOT NULL,"
    " language text,"
    " attempts bigint NOT NULL,"
    " created_us bigint NOT NULL,"
    " started_us bigint NOT NULL,"
    " finished_us bigint NOT NULL,"
    " expires_us bigint,"
    " metadata jsonb);" /* of the job's what can be asked for: texts, by key */
    "CREATE TABLE evalx_bodies(id uuid PRIMARY KEY, job text NOT NULL, result text NOT NULL);"
    "CREATE TABLE evalx_removed(id uuid PRIMARY KEY, at_us bigint NOT NULL);"
    "CREATE INDEX evalx_submissions_state ON evalx_submissions(state, seq);"
    "CREATE INDEX evalx_submissions_verdict ON evalx_submissions(verdict, seq);"
    "CREATE INDEX evalx_submissions_language ON evalx_submissions(language, seq);"
    "CREATE INDEX evalx_submissions_created ON evalx_submissions(created_us);"
    "CREATE INDEX evalx_submissions_expires ON evalx_submissions(expires_us)"
    " WHERE expires_us IS NOT NULL;"
    /* Without a list of pending entries, which every search would have to read through. */
    "CREATE INDEX evalx_submissions_metadata ON evalx_submissions"
    " USING gin (metadata jsonb_path_ops) WITH (fastupdate = off);"
    "CREATE INDEX evalx_removed_at ON evalx_removed(at_us);",
};

static const int64_t removed_us = 24 * 3600 * US_PER_S; /* how long the mark stays */

/* Any two numbers, the same in every server. */
#define PUTS_TOGETHER "SELECT pg_advisory_xact_lock_shared(1702259052, 2)"
#define REMOVES_ALONE "SELECT pg_advisory_xact_lock(1702259052, 2)"

/* ---- metadata ---- */

static bool has_zero(struct str s)
{
    return s.len && memchr(s.ptr, '\0', s.len);
}

/* A text as it is, a number or a boolean as its JSON text; nothing else can be asked for. jsonb
 * takes no zero bytes, and nobody can ask for one. */
static bool put_searchable(const char *key, const struct json *value, void *arg)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    enum json_kind kind = json_kind(value);
    if (kind == JSON_NULL || kind >= JSON_ARRAY)
        return true;
    if (kind != JSON_TEXT)
        json_dump(value, &text);
    struct str s = kind == JSON_TEXT ? json_as_str(value) : buf_str(&text);
    if (!has_zero(s))
        history_put_pair(arg, key, s);
    return true;
}

/* ptr NULL: there is nothing to find it by. */
static struct str searchable(const char *metadata, struct buf *out)
{
    struct err ignored; /* it was checked when it came */
    CLEANUP(json_free) struct json *root = metadata ? json_parse(str_of(metadata), &ignored) : NULL;
    struct json_writer w = { .out = out };
    json_put_object(&w);
    if (root)
        json_each(root, put_searchable, &w);
    json_put_object_end(&w);
    return out->len > 2 ? buf_str(out) : STR_NULL;
}

/* ---- putting ---- */

enum {
    COLUMN_ID,
    COLUMN_SEQ,
    COLUMN_STATE,
    COLUMN_VERDICT,
    COLUMN_LANGUAGE,
    COLUMN_ATTEMPTS,
    COLUMN_CREATED,
    COLUMN_STARTED,
    COLUMN_FINISHED,
    COLUMN_EXPIRES,
    COLUMN_METADATA,
    COLUMN_JOB,
    COLUMN_RESULT,
    COLUMN_COUNT,
};

/* Which of them are numbers. */
static const bool numbers[COLUMN_COUNT] = {
    [COLUMN_SEQ] = true,     [COLUMN_ATTEMPTS] = true, [COLUMN_CREATED] = true,
    [COLUMN_STARTED] = true, [COLUMN_FINISHED] = true, [COLUMN_EXPIRES] = true,
};

/* Many records, a column at a time. */
struct columns {
    struct pg_list at[COLUMN_COUNT];
};

static void columns_done(struct columns *c)
{
    for (size_t i = 0; i < COUNT_OF(c->at); i++)
        pg_list_done(&c->at[i]);
}
CLEANUP_FOR_STRUCT(struct columns, columns_done)

static void add_record(struct columns *c, const struct record *r, int64_t seq, int64_t retention_us)
{
    CLEANUP(buf_done) struct buf metadata = { 0 };
    CLEANUP(buf_done) struct buf job = { 0 };
    CLEANUP(buf_done) struct buf result = { 0 };
    job_to_json(r->job, &job);
    result_to_json(r->result, &result);

    struct pg_list *at = c->at;
    pg_list_text(&at[COLUMN_ID], str_of(r->id));
    pg_list_int(&at[COLUMN_SEQ], seq);
    pg_list_text(&at[COLUMN_STATE], str_of(state_name(r->state)));
    pg_list_text(&at[COLUMN_VERDICT], str_of(verdict_name(r->result->verdict)));
    pg_list_text(&at[COLUMN_LANGUAGE], str_of(r->job->language));
    pg_list_int(&at[COLUMN_ATTEMPTS], r->attempts);
    pg_list_int(&at[COLUMN_CREATED], r->created_us);
    pg_list_int(&at[COLUMN_STARTED], r->started_us);
    pg_list_int(&at[COLUMN_FINISHED], r->finished_us);
    pg_list_int(&at[COLUMN_EXPIRES],
                record_expires(r->finished_us, r->job->retention_us, retention_us));
    pg_list_text(&at[COLUMN_METADATA], searchable(r->job->metadata, &metadata));
    pg_list_text(&at[COLUMN_JOB], buf_str(&job));
    pg_list_text(&at[COLUMN_RESULT], buf_str(&result));
}

#define PUT_HEADS                                                                                  \
    "INSERT INTO evalx_submissions AS h(id, seq, state, verdict, language, attempts, created_us,"  \
    "  started_us, finished_us, expires_us, metadata)"                                             \
    " SELECT id::uuid, seq, state, verdict, language, attempts, created_us, started_us,"           \
    "  finished_us, nullif(expires_us, 0), metadata::jsonb"                                        \
    " FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[],"     \
    "  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[])"                      \
    "  AS c(id, seq, state, verdict, language, attempts, created_us, started_us, finished_us,"     \
    "  expires_us, metadata)"                                                                      \
    " WHERE NOT EXISTS(SELECT 1 FROM evalx_removed r WHERE r.id = c.id::uuid)"                     \
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, verdict = excluded.verdict,"          \
    "  language = excluded.language, attempts = excluded.attempts,"                                \
    "  created_us = excluded.created_us, started_us = excluded.started_us,"                        \
    "  finished_us = excluded.finished_us, expires_us = excluded.expires_us,"                      \
    "  metadata = excluded.metadata WHERE h.finished_us <= excluded.finished_us"

/*
 * Of those whose head is ours by now. unnest() stands in front, not behind FROM, and the head is
 * asked for by each row, not joined: both would write all of it into a temporary file first.
 */
#define PUT_BODIES                                                                                 \
    "INSERT INTO evalx_bodies(id, job, result)"                                                    \
    " SELECT c.id::uuid, c.job, c.result FROM (SELECT unnest($1::text[]) AS id,"                   \
    "  unnest($2::bigint[]) AS finished_us, unnest($3::text[]) AS job,"                            \
    "  unnest($4::text[]) AS result) c"                                                            \
    " WHERE (SELECT h.finished_us FROM evalx_submissions h WHERE h.id = c.id::uuid)"               \
    "  = c.finished_us"                                                                            \
    " ON CONFLICT (id) DO UPDATE SET job = excluded.job, result = excluded.result"

struct put {
    const struct history_postgres *h;
    const struct record **records; /* by id, each once */
    size_t n;
};

enum { LARGE = 1 << 20 };

/* Large ones are given more time. */
static bool have_patience(struct pg_conn *c, const struct columns *columns, struct err *e)
{
    size_t bytes = columns->at[COLUMN_JOB].bytes.len + columns->at[COLUMN_RESULT].bytes.len;
    return bytes < LARGE || pg_patience(c, (int64_t)bytes, e);
}

static bool put_columns(struct pg_conn *c, struct columns *columns, struct err *e)
{
    struct pg_args heads = { 0 }, wide = { 0 };
    struct pg_list *at = columns->at;
    for (size_t i = 0; i < COLUMN_JOB; i++)
        (numbers[i] ? pg_add_ints : pg_add_texts)(&heads, &at[i]);
    pg_add_texts(&wide, &at[COLUMN_ID]);
    pg_add_ints(&wide, &at[COLUMN_FINISHED]);
    pg_add_texts(&wide, &at[COLUMN_JOB]);
    pg_add_texts(&wide, &at[COLUMN_RESULT]);
    return have_patience(c, columns, e) && pg_exec(c, PUT_HEADS, &heads, e) &&
           pg_exec(c, PUT_BODIES, &wide, e);
}

/* An import says so: what was removed may come back. */
static bool forget_removed(struct pg_conn *c, struct columns *columns, struct err *e)
{
    struct pg_args args = { 0 };
    pg_add_texts(&args, &columns->at[COLUMN_ID]);
    return pg_exec(c, "DELETE FROM evalx_removed WHERE id = ANY($1::text[]::uuid[])", &args, e);
}

static bool put_all(struct pg_conn *c, void *arg, struct err *e)
{
    const struct put *p = arg;
    CLEANUP(columns_done) struct columns columns = { 0 };
    for (size_t i = 0; i < p->n; i++)
        add_record(&columns, p->records[i], p->records[i]->seq, p->h->retention_us);
    return pg_exec(c, PUTS_TOGETHER, NULL, e) &&
           (!p->h->restore || forget_removed(c, &columns, e)) && put_columns(c, &columns, e);
}

static bool is_seq_conflict(const struct err *e)
{
    return e->kind == ERR_CONFLICT && strcmp(e->field, "evalx_submissions_seq") == 0;
}

enum { SEQ_TRIES = 1000 };

static bool put_one(struct pg_conn *c, const struct put *p, const struct record *r, struct err *e)
{
    for (int64_t seq = r->seq; seq < r->seq + SEQ_TRIES; seq++) {
        CLEANUP(columns_done) struct columns columns = { 0 };
        add_record(&columns, r, seq, p->h->retention_us);
        if (!pg_script(c, "SAVEPOINT one", e))
            return false;
        if ((!p->h->restore || forget_removed(c, &columns, e)) && put_columns(c, &columns, e))
            return pg_script(c, "RELEASE one", e);
        struct err undo;
        if (!is_seq_conflict(e) || !pg_script(c, "ROLLBACK TO one", &undo))
            return false;
    }
    return err_set(e, ERR_INVALID, "no place free behind seq %lld", (long long)r->seq);
}

/* Two stores admitted something in the same microsecond: rare, so it may be slow. */
static bool put_singly(struct pg_conn *c, void *arg, struct err *e)
{
    const struct put *p = arg;
    if (!pg_exec(c, PUTS_TOGETHER, NULL, e))
        return false;
    for (size_t i = 0; i < p->n; i++)
        if (!put_one(c, p, p->records[i], e))
            return err_add(e, "%s", p->records[i]->id);
    return true;
}

/* Of one id the later end first. */
static int compare(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a;
    const struct record *y = *(const struct record *const *)b;
    int order = strcmp(x->id, y->id);
    if (order)
        return order;
    return (x->finished_us < y->finished_us) - (x->finished_us > y->finished_us);
}

/* In the order of ids two archivers with the same records wait for each other, never both ways. */
static const struct record **sort(const struct record *records, size_t n, size_t *ret_n)
{
    const struct record **sorted = calloc(n + 1, sizeof *sorted);
    CHECK(sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &records[i];
    qsort(sorted, n, sizeof *sorted, compare);
    *ret_n = 0;
    for (size_t i = 0; i < n; i++)
        if (*ret_n == 0 || strcmp(sorted[*ret_n - 1]->id, sorted[i]->id) != 0)
            sorted[(*ret_n)++] = sorted[i];
    return sorted;
}

static bool postgres_put(struct history *h, const struct record *records, size_t n, struct err *e)
{
    struct put p = { .h = (struct history_postgres *)h };
    p.records = sort(records, n, &p.n);
    bool ok = pg_run(history_pool(h), PG_WRITE, put_all, &p, e);
    if (!ok && is_seq_conflict(e))
        ok = pg_run(history_pool(h), PG_WRITE, put_singly, &p, e);
    free(p.records);
    if (!ok && e->kind == ERR_CONFLICT)
        e->kind = ERR_INVALID;
    return ok || err_add(e, "put");
}

/* ---- removing ---- */

struct removal {
    const char *id;
    int64_t at_us;
    bool mark, found;
};

#define DELETE_ONE                                                                                 \
    "WITH gone AS (DELETE FROM evalx_submissions WHERE id = $1::uuid RETURNING id)"                \
    " DELETE FROM evalx_bodies b USING gone WHERE b.id = gone.id"

static bool remove_row(struct pg_conn *c, void *arg, struct err *e)
{
    struct removal *r = arg;
    struct pg_args args = { 0 };
    pg_add_text(&args, str_of(r->id));
    if (!pg_exec(c, REMOVES_ALONE, NULL, e) || !pg_exec(c, DELETE_ONE, &args, e))
        return false;
    r->found = pg_changes(c) > 0;
    pg_add_int(&args, r->at_us);
    return !r->mark || pg_exec(c,
                               "INSERT INTO evalx_removed(id, at_us) VALUES($1::uuid, $2)"
                               " ON CONFLICT (id) DO UPDATE SET at_us = $2",
                               &args, e);
}

static bool remove_one(struct history *h, struct removal *r, struct err *e)
{
    if (token_valid(str_of(r->id)) && !pg_run(history_pool(h), PG_WRITE, remove_row, r, e))
        return err_add(e, "remove %s", r->id);
    return true;
}

static bool postgres_remove(struct history *h, const char *id, struct err *e)
{
    struct removal r = { .id = id, .at_us = wall_us(), .mark = true };
    if (!remove_one(h, &r, e))
        return false;
    return r.found || err_set(e, ERR_NOT_FOUND, "no submission %s", id);
}

static bool postgres_retract(struct history *h, const char *id, struct err *e)
{
    return remove_one(h, &(struct removal){ .id = id }, e);
}

struct sweep {
    int64_t now_us;
    int batch;
    int64_t swept;
};

static bool sweep_rows(struct pg_conn *c, void *arg, struct err *e)
{
    struct sweep *s = arg;
    struct pg_args args = { 0 };
    pg_add_int(&args, s->now_us);
    pg_add_int(&args, s->batch);
    if (!pg_exec(c,
                 "WITH gone AS (DELETE FROM evalx_submissions WHERE id IN"
                 "  (SELECT id FROM evalx_submissions WHERE expires_us <= $1"
                 "   ORDER BY expires_us LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id)"
                 " DELETE FROM evalx_bodies b USING gone WHERE b.id = gone.id",
                 &args, e))
        return false;
    s->swept = pg_changes(c);
    args = (struct pg_args){ 0 };
    pg_add_int(&args, wall_us() - removed_us);
    return pg_exec(c, "DELETE FROM evalx_removed WHERE at_us < $1", &args, e);
}

static bool postgres_sweep(struct history *h, int64_t now_us, int batch, int64_t *ret,
                           struct err *e)
{
    struct sweep s = { now_us, batch, 0 };
    if (!pg_run(history_pool(h), PG_WRITE, sweep_rows, &s, e))
        return err_add(e, "sweep");
    *ret = s.swept;
    return true;
}

/* ---- the rest ---- */

struct size {
    int64_t rows, bytes;
};

/* Rows as the planner knows them: counting them all would take as long as there are many. */
static bool read_size(struct pg_conn *c, void *arg, struct err *e)
{
    struct size *s = arg;
    if (!pg_ask(c,
                "SELECT greatest(reltuples, 0)::bigint,"
                " pg_total_relation_size('evalx_submissions') +"
                " pg_total_relation_size('evalx_bodies')"
                " FROM pg_class WHERE oid = 'evalx_submissions'::regclass",
                NULL, e) ||
        pg_step(c, e) != GOT_ONE)
        return false;
    s->rows = pg_int(c, 0);
    s->bytes = pg_int(c, 1);
    return true;
}

static bool postgres_check(struct history *h, char *detail, size_t size, struct err *e)
{
    struct size s = { 0 };
    char version[64];
    if (!pg_run(history_pool(h), PG_PLAIN, read_size, &s, e))
        return false;
    pg_version(history_pool(h), version, sizeof version);
    snprintf(detail, size, "%s, about %lld records, %.1f MB", version, (long long)s.rows,
             (double)s.bytes / 1e6);
    return true;
}

static void postgres_close(struct history *h)
{
    pg_close(history_pool(h));
    free(h);
}

static const struct history_ops ops = {
    .scheme = "postgres",
    .put = postgres_put,
    .load = history_postgres_load,
    .remove = postgres_remove,
    .list = history_postgres_list,
    .sweep = postgres_sweep,
    .retract = postgres_retract,
    .check = postgres_check,
    .close = postgres_close,
};

struct history *history_postgres_open(const struct history_config *config, struct err *e)
{
    const struct pg_config pg = {
        .url = config->url,
        .connections = config->connections,
        .timeout_us = config->timeout_us,
        .part = "history",
        .scripts = schema,
        .script_count = COUNT_OF(schema),
    };
    struct history_postgres *h = calloc(1, sizeof *h);
    CHECK(h);
    h->history.ops = &ops;
    h->retention_us = config->retention_us;
    h->restore = config->restore;
    h->pg = pg_open(&pg, e);
    if (!h->pg) {
        free(h);
        return NULL;
    }
    return &h->history;
}
