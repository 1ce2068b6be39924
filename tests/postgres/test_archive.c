/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in front of a real PostgreSQL when things go wrong: the history away, killed, read-only,
 * full, slow; records it refuses; records that change, come back or go while they are on their way.
 * A gate in front of the history closes it, refuses records and calls tests in between.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "../contract/store_world.h"

struct gate {
    struct history history; /* first */
    struct history *inner;
    _Atomic bool closed;
    _Atomic int calls, puts;
    const char *_Atomic poison;             /* an id whose batch is INVALID; "*": every one */
    const char *_Atomic too_slow;           /* an id whose batch takes too long */
    void (*_Atomic before)(struct gate *g); /* a put; once */
    void (*_Atomic after)(struct gate *g);
    struct store *s; /* in front of it */
    char id[TOKEN_TEXT];
};

static bool is_closed(struct gate *g, struct err *e)
{
    g->calls++;
    if (g->closed)
        err_set(e, ERR_UNAVAILABLE, "closed");
    return g->closed;
}

static bool holds(const struct record *records, size_t n, const char *id)
{
    for (size_t i = 0; id && i < n; i++)
        if (strcmp(records[i].id, id) == 0 || strcmp(id, "*") == 0)
            return true;
    return false;
}

static bool gate_put(struct history *h, const struct record *records, size_t n, struct err *e)
{
    struct gate *g = (struct gate *)h;
    if (is_closed(g, e))
        return false;
    if (holds(records, n, g->poison))
        return err_set(e, ERR_INVALID, "poison");
    if (holds(records, n, g->too_slow)) {
        err_set(e, ERR_UNAVAILABLE, "too slow");
        e->sys = ETIMEDOUT;
        return false;
    }
    void (*before)(struct gate *) = atomic_exchange(&g->before, NULL);
    if (before)
        before(g);
    g->puts++;
    bool ok = g->inner->ops->put(g->inner, records, n, e);
    void (*after)(struct gate *) = ok ? atomic_exchange(&g->after, NULL) : NULL;
    if (after)
        after(g);
    return ok;
}

static enum got gate_load(struct history *h, const char *id, unsigned parts, struct record *ret,
                          struct err *e)
{
    struct gate *g = (struct gate *)h;
    return is_closed(g, e) ? GOT_FAILED : g->inner->ops->load(g->inner, id, parts, ret, e);
}

static bool gate_remove(struct history *h, const char *id, struct err *e)
{
    struct gate *g = (struct gate *)h;
    return !is_closed(g, e) && g->inner->ops->remove(g->inner, id, e);
}

static bool gate_list(struct history *h, const struct store_filter *f,
                      const struct history_without *without, unsigned parts,
                      void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                      int64_t *ret_total, struct err *e)
{
    struct gate *g = (struct gate *)h; /* lists go on: tests look at both sides */
    return g->inner->ops->list(g->inner, f, without, parts, fn, arg, ret_total, e);
}

static bool gate_sweep(struct history *h, int64_t now_us, int batch, int64_t *ret, struct err *e)
{
    struct gate *g = (struct gate *)h;
    return !is_closed(g, e) && g->inner->ops->sweep(g->inner, now_us, batch, ret, e);
}

static bool gate_retract(struct history *h, const char *id, struct err *e)
{
    struct gate *g = (struct gate *)h;
    return !is_closed(g, e) && g->inner->ops->retract(g->inner, id, e);
}

static bool gate_check(struct history *h, char *detail, size_t size, struct err *e)
{
    struct gate *g = (struct gate *)h;
    return !is_closed(g, e) && g->inner->ops->check(g->inner, detail, size, e);
}

static void gate_close(struct history *h)
{
    struct gate *g = (struct gate *)h;
    history_close(g->inner);
    free(g);
}

static const struct history_ops gate_ops = {
    .scheme = "gate",
    .put = gate_put,
    .load = gate_load,
    .remove = gate_remove,
    .list = gate_list,
    .sweep = gate_sweep,
    .retract = gate_retract,
    .check = gate_check,
    .close = gate_close,
};

/* ---- words ---- */

/* SQLite, a gate, PostgreSQL. */
struct gated {
    struct world w;
    struct gate *g;
    struct store *s;
};

/* Tries again sooner than it would. */
static void hurry(struct store *s)
{
    struct archive *a = (struct archive *)s;
    pthread_mutex_lock(&a->lock);
    a->retry_us = 100 * US_PER_MS;
    a->slow_again_us = 500 * US_PER_MS;
    pthread_mutex_unlock(&a->lock);
}

static int gated_setup(void **state)
{
    struct err e;
    static struct gated x;
    x = (struct gated){ 0 };
    folder_make(x.w.folder);
    sqlite_open(&x.w);
    x.g = calloc(1, sizeof *x.g);
    x.g->history.ops = &gate_ops;
    x.g->inner = open_history(&x.w);
    MUST(x.w.s = store_archive_open(x.w.s, &x.g->history, minute_us, &e));
    x.s = x.g->s = x.w.s;
    hurry(x.s);
    *state = &x;
    return 0;
}

static int gated_teardown(void **state)
{
    struct gated *x = *state;
    postgres_shared()->file_bytes = 0;
    sqlite_close(&x->w);
    folder_remove(x->w.folder);
    return 0;
}

#define GATED(name)                                                                                \
    static void name##_body(struct gated *x, struct gate *g, struct store *s);                     \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct gated *x = *state;                                                                  \
        name##_body(x, x->g, x->s);                                                                \
    }                                                                                              \
    static void name##_body(UNUSED struct gated *x, UNUSED struct gate *g, UNUSED struct store *s)

#define G(name)                                                                                    \
    {                                                                                              \
#name, name, gated_setup, gated_teardown, NULL                                             \
    }

static void settled(struct store *s)
{
    assert_true(store_archive_settle(s, 120 * US_PER_S));
}

static void admit_final(struct store *s, enum verdict verdict, char id[TOKEN_TEXT])
{
    admit(s, id);
    assert_int_equal(finish(s, id, verdict), GOT_ONE);
}

/* As the history has it; GOT_NONE: it does not. */
static enum got in_history(struct gate *g, const char *id, struct record *ret)
{
    struct err e;
    enum got got = g->inner->ops->load(g->inner, id, RECORD_JOB | RECORD_RESULT, ret, &e);
    if (got == GOT_FAILED)
        fail_msg("%s", e.text);
    return got;
}

static bool has(struct gate *g, const char *id)
{
    CLEANUP(record_done) struct record r = { 0 };
    return in_history(g, id, &r) == GOT_ONE;
}

static void see_any(void *arg, struct record *r, int64_t seq)
{
    struct seen *seen = arg;
    assert_true(r->seq == seq);
    assert_true(seen->count < 64);
    memcpy(seen->ids[seen->count], r->id, TOKEN_TEXT);
    seen->seqs[seen->count++] = seq;
}

static int64_t rows_there(struct gate *g)
{
    struct err e;
    int64_t total;
    struct store_filter f = { .limit = 1 };
    struct seen seen = { 0 };
    MUST(g->inner->ops->list(g->inner, &f, NULL, 0, see_any, &seen, &total, &e));
    return total;
}

static bool health(struct store *s, char detail[240])
{
    char fix[160];
    bool ok = store_archive_health(s, detail, 240, fix, sizeof fix);
    assert_int_equal(ok, *fix == '\0');
    return ok;
}

static int unarchived(struct store *s)
{
    struct err e;
    struct store_filter f = { .unarchived = true, .limit = 1 };
    struct seen seen = { 0 };
    int64_t total;
    MUST(store_list(s, &f, 0, see_any, &seen, &total, &e));
    return (int)total;
}

/* ---- away ---- */

GATED(what_ends_while_the_history_is_away_follows_when_it_is_back)
{
    struct err e;
    char ids[40][TOKEN_TEXT], detail[240];
    struct postgres *p = postgres_shared();
    admit_final(s, VERDICT_ACCEPTED, ids[0]);
    settled(s);
    assert_true(health(s, detail));
    assert_non_null(strstr(detail, "PostgreSQL 15"));

    postgres_stop(p, SIGQUIT);
    for (int i = 1; i < 40; i++)
        admit_final(s, VERDICT_WRONG_ANSWER, ids[i]);
    for (int i = 0; i < 40; i++)
        assert_true(is_known(s, ids[i]));
    struct store_filter f = { .limit = 10 };
    struct seen seen = { 0 };
    assert_false(store_list(s, &f, 0, see_any, &seen, NULL, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    f.has_state = true; /* what can only be here is listed */
    f.state = STATE_QUEUED;
    MUST(store_list(s, &f, 0, see_any, &seen, NULL, &e));
    assert_false(store_remove(s, ids[0], &e)); /* rather than have it come back */
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_true(is_known(s, ids[0]));
    int64_t swept;
    MUST(store_sweep(s, 0, 100, &swept, &e));
    assert_false(health(s, detail));
    assert_non_null(strstr(detail, "takes nothing since"));

    postgres_go_on(p);
    settled(s);
    assert_int_equal(rows_there(g), 40);
    assert_int_equal(unarchived(s), 0);
    assert_true(health(s, detail));
}

static void *finish_many(void *arg)
{
    struct gated *x = arg;
    char id[TOKEN_TEXT];
    for (int i = 0; i < 400; i++)
        admit_final(x->s, i % 2 ? VERDICT_ACCEPTED : VERDICT_RUNTIME_ERROR, id);
    return NULL;
}

GATED(killed_again_and_again_it_has_everything_once)
{
    struct postgres *p = postgres_shared();
    pthread_t thread = thread_start(finish_many, x);
    for (int i = 0; i < 4; i++) {
        int before = g->puts;
        int64_t deadline = mono_us() + 5 * US_PER_S;
        while (g->puts == before && mono_us() < deadline)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        postgres_stop(p, SIGQUIT);
        postgres_go_on(p);
    }
    pthread_join(thread, NULL);
    settled(s);
    assert_int_equal(rows_there(g), 400);
    assert_int_equal(unarchived(s), 0);
}

GATED(it_may_be_away_when_a_server_starts)
{
    struct err e;
    char id[TOKEN_TEXT];
    struct postgres *p = postgres_shared();
    admit_final(s, VERDICT_ACCEPTED, id);
    settled(s);
    sqlite_close(&x->w);
    postgres_stop(p, SIGQUIT);

    sqlite_open(&x->w);
    put_in_front(&x->w, minute_us);
    char later[TOKEN_TEXT];
    admit_final(x->w.s, VERDICT_ACCEPTED, later);
    assert_true(is_known(x->w.s, id));
    CLEANUP(record_done) struct record r = { 0 };
    assert_int_equal(store_load(x->w.s, "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f", 0, &r, &e),
                     GOT_FAILED);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    postgres_go_on(p);
    settled(x->w.s);
}

GATED(nothing_is_asked_while_nothing_happens)
{
    char id[TOKEN_TEXT];
    admit_final(s, VERDICT_ACCEPTED, id);
    settled(s);
    int calls = g->calls;
    nanosleep(&(struct timespec){ 0, 400000000 }, NULL);
    assert_int_equal(g->calls, calls);
}

/* Wait until it is said. */
static void trouble_is(struct store *s, const char *what)
{
    char detail[240] = "";
    int64_t deadline = mono_us() + 60 * US_PER_S;
    while (health(s, detail) && mono_us() < deadline)
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    if (!strstr(detail, what))
        fail_msg("\"%s\" does not say \"%s\"", detail, what);
}

GATED(a_right_that_is_missing_is_said_and_nothing_lost)
{
    struct postgres *p = postgres_shared();
    char id[TOKEN_TEXT], sql[400];
    admit_final(s, VERDICT_ACCEPTED, id);
    settled(s);
    snprintf(sql, sizeof sql,
             "SET search_path = world%d;"
             "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql"
             " AS 'BEGIN RAISE insufficient_privilege; END';"
             "CREATE TRIGGER no BEFORE INSERT ON evalx_submissions EXECUTE FUNCTION no()",
             p->schemas - 1);
    postgres_sql(p, sql);
    for (int i = 0; i < 5; i++)
        admit_final(s, VERDICT_ACCEPTED, id);
    trouble_is(s, "insufficient_privilege");
    assert_true(is_known(s, id));
    snprintf(sql, sizeof sql, "DROP TRIGGER no ON world%d.evalx_submissions", p->schemas - 1);
    postgres_sql(p, sql);
    settled(s);
    assert_int_equal(rows_there(g), 6);
}

GATED(a_full_disk_is_waited_for)
{
    struct postgres *p = postgres_shared();
    postgres_stop(p, SIGQUIT);
    p->file_bytes = 16 << 20; /* what a file of its log has: as good as a full disk */
    postgres_go_on(p);

    char ids[7][TOKEN_TEXT];
    for (int i = 0; i < 7; i++) {
        CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 0);
        char *noise = arena_get(&r->arena, 3 << 20);
        random_bytes(noise, 3 << 20);
        r->tests = arena_array(&r->arena, 1, sizeof *r->tests);
        r->test_count = 1;
        r->tests[0].id = "1";
        r->tests[0].outcome.out = (struct str){ noise, 3 << 20 };
        admit(s, ids[i]);
        assert_int_equal(finish_with(s, ids[i], r), GOT_ONE);
    }
    trouble_is(s, "File too large");
    postgres_stop(p, SIGQUIT);
    p->file_bytes = 0;
    postgres_go_on(p);
    settled(s);
    for (int i = 0; i < 7; i++)
        assert_true(has(g, ids[i]));
}

/* ---- records it refuses ---- */

GATED(a_record_that_cannot_be_kept_does_not_hold_up_the_others)
{
    struct err e;
    char ids[10][TOKEN_TEXT], detail[240];
    g->closed = true;
    for (int i = 0; i < 10; i++)
        admit_final(s, VERDICT_ACCEPTED, ids[i]);
    g->poison = ids[3];
    g->closed = false;
    settled(s);
    for (int i = 0; i < 10; i++)
        assert_int_equal(has(g, ids[i]), i != 3);
    assert_true(is_known(s, ids[3]));
    assert_false(health(s, detail));
    assert_non_null(strstr(detail, ids[3]));
    assert_non_null(strstr(detail, "poison"));

    /* In lists it is still there, once. */
    struct seen seen = { 0 };
    int64_t total;
    struct store_filter f = { .limit = 50 };
    MUST(store_list(s, &f, 0, see_any, &seen, &total, &e));
    assert_int_equal(total, 10);
    assert_int_equal(seen.count, 10);
    assert_string_equal(seen.ids[6], ids[3]);

    /* Others go on beside it, and it is not tried again and again. */
    int puts = g->puts;
    char id[TOKEN_TEXT];
    admit_final(s, VERDICT_ACCEPTED, id);
    settled(s);
    assert_true(has(g, id));
    assert_int_equal(g->puts, puts + 1);

    /* Another one by now: it gets its chance. */
    g->poison = NULL;
    CLEANUP(record_done) struct record r = load(s, ids[3], 0);
    CLEANUP(result_free) struct result *better = result_made(VERDICT_ACCEPTED, 0);
    assert_int_equal(store_amend(s, ids[3], r.finished_us, better, &e), GOT_ONE);
    settled(s);
    assert_true(has(g, ids[3]));
    assert_true(health(s, detail));
}

GATED(a_misfit_that_is_removed_is_forgotten)
{
    struct err e;
    char id[TOKEN_TEXT], detail[240];
    g->poison = "*";
    admit_final(s, VERDICT_ACCEPTED, id);
    settled(s);
    assert_false(health(s, detail));
    MUST(store_remove(s, id, &e));
    settled(s);
    assert_true(health(s, detail));
}

GATED(a_record_that_takes_too_long_waits_aside)
{
    char ids[3][TOKEN_TEXT], detail[240];
    g->closed = true;
    for (int i = 0; i < 3; i++)
        admit_final(s, VERDICT_ACCEPTED, ids[i]);
    g->too_slow = ids[1];
    g->closed = false;
    settled(s);
    assert_true(has(g, ids[0]) && !has(g, ids[1]) && has(g, ids[2]));
    assert_false(health(s, detail));
    assert_non_null(strstr(detail, ids[1]));

    g->too_slow = NULL; /* it was not the record after all */
    int64_t deadline = mono_us() + 60 * US_PER_S;
    while (!has(g, ids[1]) && mono_us() < deadline)
        settled(s);
    assert_true(has(g, ids[1]));
    assert_true(health(s, detail));
}

/* ---- records that change on their way ---- */

static void amend_it(struct gate *g)
{
    struct err e;
    CLEANUP(record_done) struct record r = load(g->s, g->id, 0);
    CLEANUP(result_free) struct result *better = result_made(VERDICT_WRONG_ANSWER, r.finished_us);
    better->message = "better";
    assert_int_equal(store_amend(g->s, g->id, r.finished_us, better, &e), GOT_ONE);
}

static void has_better(struct gate *g, const char *id)
{
    CLEANUP(record_done) struct record r = { 0 };
    assert_int_equal(in_history(g, id, &r), GOT_ONE);
    assert_string_equal(r.result->message, "better");
}

GATED(a_better_result_reaches_the_history)
{
    admit_final(s, VERDICT_WRONG_ANSWER, g->id);
    settled(s);
    amend_it(g);
    settled(s);
    has_better(g, g->id);
    assert_int_equal(rows_there(g), 1);
}

GATED(a_result_bettered_on_its_way_is_not_forgotten)
{
    g->before = amend_it;
    admit_final(s, VERDICT_WRONG_ANSWER, g->id);
    settled(s);
    has_better(g, g->id);

    g->after = amend_it;
    admit_final(s, VERDICT_WRONG_ANSWER, g->id);
    settled(s);
    has_better(g, g->id);
    assert_int_equal(unarchived(s), 0);
}

static void remove_it(struct gate *g)
{
    struct err e;
    MUST(store_remove(g->s, g->id, &e));
}

GATED(what_is_removed_on_its_way_stays_removed)
{
    for (int when = 0; when < 2; when++) {
        char other[TOKEN_TEXT];
        g->closed = true;
        admit_final(s, VERDICT_ACCEPTED, g->id);
        admit_final(s, VERDICT_ACCEPTED, other);
        *(when ? &g->after : &g->before) = remove_it;
        g->closed = false;
        settled(s);
        assert_false(has(g, g->id));
        assert_false(is_known(s, g->id));
        assert_true(has(g, other));
    }
    assert_int_equal(rows_there(g), 2);
}

static int64_t list_total(struct store *s, struct store_filter f, struct seen *seen)
{
    struct err e;
    int64_t total;
    f.limit = 50;
    seen->count = 0;
    MUST(store_list(s, &f, 0, see_any, seen, &total, &e));
    assert_int_equal(seen->count, total);
    return total;
}

GATED(a_dead_letter_that_is_tried_again_is_no_history_any_more)
{
    for (int away = 0; away < 2; away++) {
        struct err e;
        struct seen seen;
        char id[TOKEN_TEXT];
        const struct store_filter dead = { .verdict = VERDICT_INTERNAL_ERROR };
        admit_final(s, VERDICT_INTERNAL_ERROR, id);
        settled(s);
        assert_int_equal(list_total(s, dead, &seen), 1);

        g->closed = away;
        assert_int_equal(store_reopen(s, id, &e), GOT_ONE);
        assert_int_equal(list_total(s, dead, &seen), 0);
        assert_int_equal(list_total(s, (struct store_filter){ 0 }, &seen), 1 + away);
        g->closed = false;
        settled(s);
        assert_false(has(g, id));

        assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
        settled(s);
        CLEANUP(record_done) struct record r = { 0 };
        assert_int_equal(in_history(g, id, &r), GOT_ONE);
        assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
        assert_int_equal(list_total(s, (struct store_filter){ 0 }, &seen), 1 + away);
    }
}

GATED(dead_letters_stay_at_hand)
{
    struct err e;
    char id[TOKEN_TEXT], dead[TOKEN_TEXT];
    admit_final(s, VERDICT_ACCEPTED, id);
    admit_final(s, VERDICT_INTERNAL_ERROR, dead);
    settled(s);
    int64_t swept;
    struct store *live = ((struct archive *)s)->live;
    MUST(store_sweep(live, wall_us() + 2 * minute_us, 100, &swept, &e));
    assert_int_equal(swept, 1);
    assert_int_equal(store_reopen(s, dead, &e), GOT_ONE);
}

/* ---- one list out of two ---- */

enum { MANY = 24 };

/* Every kind of record there is, mixed: in both, in the history alone, here alone, not final. */
static void make_mixture(struct gate *g, struct store *s, char ids[MANY][TOKEN_TEXT])
{
    struct err e;
    for (int i = 0; i < MANY; i++)
        admit_job(s, job_made(i % 3 ? "c" : "cpp", "x"), ids[i]);
    for (int i = 0; i < MANY; i += 2)
        assert_int_equal(finish(s, ids[i], i % 4 ? VERDICT_ACCEPTED : VERDICT_WRONG_ANSWER),
                         GOT_ONE);
    settled(s);
    struct store *live = ((struct archive *)s)->live;
    for (int i = 0; i < MANY; i += 4) /* as if dropped */
        MUST(store_remove(live, ids[i], &e));
    g->closed = true;
    for (int i = 1; i < MANY; i += 10)
        assert_int_equal(cancel(s, ids[i], STATE_CANCELLED), GOT_ONE);
}

/* What a list should give: indexes into ids, newest first. */
static int wanted(const struct store_filter *f, int out[MANY])
{
    int count = 0;
    for (int i = MANY - 1; i >= 0; i--) {
        bool done = i % 2 == 0, cancelled = i % 10 == 1;
        enum verdict v = done        ? (i % 4 ? VERDICT_ACCEPTED : VERDICT_WRONG_ANSWER)
                         : cancelled ? VERDICT_CANCELLED
                                     : VERDICT_NONE;
        enum job_state state = done ? STATE_FINISHED : cancelled ? STATE_CANCELLED : STATE_QUEUED;
        if ((f->verdict && f->verdict != v) || (f->has_state && f->state != state) ||
            (f->language && strcmp(f->language, i % 3 ? "c" : "cpp") != 0))
            continue;
        out[count++] = i;
    }
    return count;
}

static void page_is(struct store *s, char ids[MANY][TOKEN_TEXT], struct store_filter f)
{
    struct err e;
    struct seen seen = { 0 };
    int64_t total;
    int all[MANY], count = wanted(&f, all);
    MUST(store_list(s, &f, RECORD_JOB, see_any, &seen, &total, &e));
    assert_int_equal(total, count);
    assert_int_equal(seen.count, MIN(MAX(count - f.offset, 0), f.limit));
    for (int i = 0; i < seen.count; i++)
        assert_string_equal(seen.ids[i], ids[all[i + f.offset]]);
}

GATED(a_list_merges_what_is_here_and_there)
{
    char ids[MANY][TOKEN_TEXT];
    const struct store_filter filters[] = {
        { 0 },
        { .language = "cpp" },
        { .verdict = VERDICT_ACCEPTED },
        { .verdict = VERDICT_CANCELLED },
        { .has_state = true, .state = STATE_QUEUED },
        { .has_state = true, .state = STATE_FINISHED },
        { .has_state = true, .state = STATE_CANCELLED, .language = "c" },
    };
    make_mixture(g, s, ids);
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        for (int offset = 0; offset <= MANY + 2; offset++) {
            for (int limit = 1; limit <= MANY + 1; limit += 4) {
                struct store_filter f = filters[i];
                f.offset = offset;
                f.limit = limit;
                page_is(s, ids, f);
            }
        }
    }
    struct store_filter far = { .limit = 3, .offset = INT64_C(1) << 60 };
    page_is(s, ids, far);
}

GATED(cursors_lead_over_the_border)
{
    struct err e;
    char ids[MANY][TOKEN_TEXT];
    make_mixture(g, s, ids);
    for (int limit = 1; limit < 8; limit++) {
        struct seen seen = { 0 };
        struct store_filter f = { .limit = limit };
        int before;
        do {
            before = seen.count;
            MUST(store_list(s, &f, RECORD_JOB | RECORD_RESULT, see_any, &seen, NULL, &e));
            f.before_seq = seen.seqs[seen.count - 1];
            if (limit == 3 && seen.count == 6) { /* while somebody pages, records go over */
                g->closed = false;
                settled(s);
                g->closed = true;
            }
        } while (seen.count > before);
        assert_int_equal(seen.count, MANY);
        for (int i = 0; i < MANY; i++)
            assert_string_equal(seen.ids[i], ids[MANY - 1 - i]);
    }
}

struct pager {
    struct store *s;
    _Atomic bool stop;
    _Atomic int pages, wrong;
};

/* Whatever moves meanwhile: every record once, and the total right. */
static void *page_for_ever(void *arg)
{
    struct pager *p = arg;
    while (!p->stop) {
        struct err e;
        struct seen seen = { 0 };
        int64_t total = 0;
        struct store_filter f = { .limit = 60 };
        if (!store_list(p->s, &f, 0, see_any, &seen, &total, &e) || total != 60 || seen.count != 60)
            p->wrong++;
        for (int i = 0; i < seen.count; i++)
            for (int k = 0; k < i; k++)
                p->wrong += strcmp(seen.ids[i], seen.ids[k]) == 0;
        p->pages++;
    }
    return NULL;
}

GATED(a_list_is_right_at_every_moment)
{
    char ids[60][TOKEN_TEXT];
    for (int i = 0; i < 60; i++)
        admit(s, ids[i]);
    struct pager p = { .s = s };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start(page_for_ever, &p);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(finish(s, ids[i], VERDICT_WRONG_ANSWER), GOT_ONE);
        if (i % 6 == 0)
            settled(s);
        if (i % 10 == 5) {
            memcpy(g->id, ids[i], TOKEN_TEXT);
            amend_it(g);
        }
    }
    settled(s);
    p.stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(p.wrong, 0);
    assert_true(p.pages > 0);
}

/* ---- the history alone ---- */

static struct record record_made(const char *language, int64_t seq, int64_t finished_us)
{
    struct record r = { .seq = seq, .state = STATE_FINISHED, .finished_us = finished_us };
    r.job = job_made(language, "x");
    memcpy(r.id, r.job->id, sizeof r.id);
    r.result = result_made(VERDICT_ACCEPTED, finished_us);
    return r;
}

GATED(a_place_that_is_taken_is_left_to_who_has_it)
{
    struct err e;
    struct record r[4];
    for (int i = 0; i < 4; i++)
        r[i] = record_made("c", 1000 + (i == 3), 5);
    struct history *h = g->inner;
    MUST(h->ops->put(h, r, 1, &e));
    MUST(h->ops->put(h, r, 4, &e)); /* three servers in one microsecond, one after it, twice */
    MUST(h->ops->put(h, r, 4, &e));
    struct seen seen = { 0 };
    int64_t total;
    struct store_filter f = { .limit = 10 };
    MUST(h->ops->list(h, &f, NULL, 0, see_any, &seen, &total, &e));
    assert_int_equal(total, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen.seqs[i], 1003 - i);
    for (int i = 0; i < 4; i++)
        record_done(&r[i]);
}

GATED(an_older_result_never_takes_the_place_of_a_later_one)
{
    struct err e;
    struct history *h = g->inner;
    CLEANUP(record_done) struct record r = record_made("c", 1000, 500);
    r.result->message = "late";
    MUST(h->ops->put(h, &r, 1, &e));
    r.finished_us = 499;
    r.result->message = "early";
    MUST(h->ops->put(h, &r, 1, &e));
    CLEANUP(record_done) struct record there = { 0 };
    assert_int_equal(in_history(g, r.id, &there), GOT_ONE);
    assert_string_equal(there.result->message, "late");
}

GATED(only_an_import_brings_back_what_was_removed)
{
    struct err e;
    struct history *h = g->inner;
    CLEANUP(record_done) struct record r = record_made("c", 1000, 500);
    MUST(h->ops->put(h, &r, 1, &e));
    MUST(h->ops->remove(h, r.id, &e));
    assert_false(h->ops->remove(h, r.id, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    MUST(h->ops->put(h, &r, 1, &e));
    assert_false(has(g, r.id));

    char url[400];
    snprintf(url, sizeof url, "%s", postgres_shared()->url);
    CLEANUP(history_close)
    struct history *import =
        history_postgres_open(&(struct history_config){ .url = url, .restore = true }, &e);
    MUST(import->ops->put(import, &r, 1, &e));
    assert_true(has(g, r.id));
}

struct sweeper {
    struct history *h;
    int64_t swept;
};

static void *sweep_all(void *arg)
{
    struct sweeper *x = arg;
    struct err e;
    int64_t n = 0, rounds = 0;
    do {
        if (!x->h->ops->sweep(x->h, 1000 * US_PER_S + 10, 7, &n, &e))
            return NULL;
        x->swept += n;
    } while (n > 0 || rounds++ < 3);
    return NULL;
}

GATED(servers_that_sweep_together_sweep_each_record_once)
{
    struct err e;
    struct history *h = g->inner;
    for (int i = 0; i < 100; i++) {
        CLEANUP(record_done) struct record r = record_made("c", 1000 + i, i < 80 ? 10 : 11);
        if (i >= 90)
            r.job->retention_us = 5;
        MUST(h->ops->put(h, &r, 1, &e));
    }
    struct sweeper all[4] = { { h, 0 }, { h, 0 }, { h, 0 }, { h, 0 } };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start(sweep_all, &all[i]);
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += all[i].swept;
    }
    assert_int_equal(sum, 90);
    assert_int_equal(rows_there(g), 10);
}

/* ---- many ---- */

/* What a list had to look at: entries of indexes, and rows of the table one after the other. */
static int64_t looked_at(struct gate *g, struct store_filter f)
{
    struct err e;
    char before[32], after[32];
    static const char sql[] = "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables) +"
                              " (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)";
    struct postgres *p = postgres_shared();
    char url[400];
    snprintf(url, sizeof url, "%s", p->url);
    postgres_ask(p, sql, before, sizeof before);
    struct seen seen = { 0 };
    CLEANUP(history_close)
    struct history *h = history_postgres_open(&(struct history_config){ .url = url }, &e);
    f.limit = 50;
    MUST(h->ops->list(h, &f, NULL, RECORD_JOB, see_any, &seen, NULL, &e));
    assert_int_equal(seen.count, 50);
    history_close(TAKE(h)); /* a connection that ends tells its counts */
    int64_t deadline = mono_us() + 10 * US_PER_S;
    do {
        postgres_ask(p, sql, after, sizeof after);
    } while (strcmp(before, after) == 0 && mono_us() < deadline);
    (void)g;
    return strtoll(after, NULL, 10) - strtoll(before, NULL, 10);
}

GATED(a_page_of_many_costs_what_a_page_costs)
{
    struct err e;
    struct postgres *p = postgres_shared();
    CLEANUP(record_done) struct record r = record_made("c", 1, 5);
    MUST(g->inner->ops->put(g->inner, &r, 1, &e));
    char sql[2000];
    snprintf(sql, sizeof sql,
             "SET search_path = world%d;"
             "INSERT INTO evalx_submissions SELECT gen_random_uuid(), 1000000 + n * 10, 'finished',"
             " CASE WHEN n %% 4 = 0 THEN 'wrong_answer' ELSE 'accepted' END,"
             " CASE WHEN n %% 10 = 0 THEN 'cpp' ELSE 'c' END, 1, 1000000 + n * 10, 1, 1, NULL,"
             " jsonb_build_object('user', 'u' || n %% 1000, 'course', 'all')"
             " FROM generate_series(1, 100000) n;"
             "INSERT INTO evalx_bodies SELECT s.id, b.job, b.result FROM evalx_submissions s,"
             " evalx_bodies b WHERE s.seq > 1 ON CONFLICT DO NOTHING;"
             "ANALYZE evalx_submissions, evalx_bodies",
             p->schemas - 1);
    postgres_sql(p, sql);
    /* What the inserting itself looked at is told a moment after its connection ended. */
    char told[32];
    snprintf(sql, sizeof sql,
             "SELECT n_tup_ins >= 100000 FROM pg_stat_user_tables"
             " WHERE relname = 'evalx_bodies' AND schemaname = 'world%d'",
             p->schemas - 1);
    int64_t deadline = mono_us() + 30 * US_PER_S;
    do
        postgres_ask(p, sql, told, sizeof told);
    while (strcmp(told, "t") != 0 && mono_us() < deadline);
    assert_string_equal(told, "t");
    const struct store_filter filters[] = {
        { 0 },
        { .before_seq = 1500000 },
        { .language = "cpp" },
        { .language = "cpp", .before_seq = 1500000 },
        { .verdict = VERDICT_WRONG_ANSWER },
        { .verdict = VERDICT_WRONG_ANSWER, .language = "cpp" },
        { .has_state = true, .state = STATE_FINISHED },
        { .since_us = 1900000 },
        { .since_us = 1200000, .until_us = 1201000 },
        { .metadata_key = "user", .metadata_value = "u77" },
        { .metadata_key = "course", .metadata_value = "all" },
    };
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        int64_t n = looked_at(g, filters[i]);
        assert_true(n < 3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        G(what_ends_while_the_history_is_away_follows_when_it_is_back),
        G(killed_again_and_again_it_has_everything_once),
        G(it_may_be_away_when_a_server_starts),
        G(nothing_is_asked_while_nothing_happens),
        G(a_right_that_is_missing_is_said_and_nothing_lost),
        G(a_full_disk_is_waited_for),
        G(a_record_that_cannot_be_kept_does_not_hold_up_the_others),
        G(a_misfit_that_is_removed_is_forgotten),
        G(a_record_that_takes_too_long_waits_aside),
        G(a_better_result_reaches_the_history),
        G(a_result_bettered_on_its_way_is_not_forgotten),
        G(what_is_removed_on_its_way_stays_removed),
        G(a_dead_letter_that_is_tried_again_is_no_history_any_more),
        G(dead_letters_stay_at_hand),
        G(a_list_merges_what_is_here_and_there),
        G(cursors_lead_over_the_border),
        G(a_list_is_right_at_every_moment),
        G(a_place_that_is_taken_is_left_to_who_has_it),
        G(an_older_result_never_takes_the_place_of_a_later_one),
        G(only_an_import_brings_back_what_was_removed),
        G(servers_that_sweep_together_sweep_each_record_once),
        G(a_page_of_many_costs_what_a_page_costs),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
