/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store promises, held against every backend.
 *
 * Durability is tried for real: this program starts itself as a child ("--admit FOLDER"), which
 * admits, syncs, says the id, and is killed with SIGKILL while it goes on.
 */
#include "store_world.h"

#include "store/record.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* ---- admitting ---- */

STORE(an_admitted_job_is_queued_and_comes_back_whole)
{
    struct job *job = job_made("c", "int main(){}");
    job->created_us = 1234567;
    job->priority = PRIORITY_HIGH;
    job->metadata = "{\"user\":\"ann\"}";
    char id[TOKEN_TEXT];
    admit_job(s, job, id);

    CLEANUP(record_done) struct record r = load(s, id, RECORD_JOB | RECORD_RESULT);
    assert_int_equal(r.state, STATE_QUEUED);
    assert_int_equal(r.attempts, 0);
    assert_false(r.cancel_asked);
    assert_int_equal(r.created_us, 1234567);
    assert_int_equal(r.started_us, 0);
    assert_int_equal(r.finished_us, 0);
    assert_null(r.result);
    assert_string_equal(r.job->id, id);
    assert_int_equal(r.job->created_us, 1234567);
    assert_string_equal(r.job->language, "c");
    assert_int_equal(r.job->priority, PRIORITY_HIGH);
    assert_string_equal(r.job->metadata, "{\"user\":\"ann\"}");
    assert_true(str_is(r.job->files[0].content, "int main(){}"));
}

STORE(a_job_can_be_loaded_before_it_is_durable)
{
    struct err e;
    for (int i = 0; i < 200; i++) {
        CLEANUP(job_free) struct job *job = job_made("c", "x");
        char id[TOKEN_TEXT];
        assert_int_equal(store_admit(s, job, NULL, id, &e), GOT_ONE);
        CLEANUP(record_done) struct record r = load(s, id, RECORD_JOB);
        assert_int_equal(r.state, STATE_QUEUED);
        assert_int_equal(r.created_us, job->created_us);
        assert_string_equal(r.job->id, id);
    }
    MUST(store_sync(s, &e));
}

STORE(bytes_survive_nul_and_invalid_utf8_included)
{
    char bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    struct job *job = job_made("c", "x");
    job->files[0].content = (struct str){ bytes, sizeof bytes };
    job->tests[0].stdin_data = (struct str){ "\0\xff\xfe\xc3\x28", 5 };
    job->tests[0].expected = STR("\xed\xa0\x80");
    char id[TOKEN_TEXT];
    admit_job(s, job, id);

    CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, 0);
    result->tests = arena_array(&result->arena, 1, sizeof *result->tests);
    result->test_count = 1;
    result->tests[0].id = "1";
    result->tests[0].outcome.verdict = VERDICT_ACCEPTED;
    result->tests[0].outcome.out = (struct str){ bytes, sizeof bytes };
    assert_int_equal(finish_with(s, id, result), GOT_ONE);

    CLEANUP(record_done) struct record r = load(s, id, RECORD_JOB | RECORD_RESULT);
    assert_true(str_eq(r.job->files[0].content, (struct str){ bytes, sizeof bytes }));
    assert_true(str_eq(r.job->tests[0].stdin_data, (struct str){ "\0\xff\xfe\xc3\x28", 5 }));
    assert_true(str_eq(r.job->tests[0].expected, STR("\xed\xa0\x80")));
    assert_true(str_eq(r.result->tests[0].outcome.out, (struct str){ bytes, sizeof bytes }));
}

STORE(an_unknown_id_is_not_there)
{
    assert_false(is_known(s, "00000000-0000-4000-8000-000000000000"));
    assert_false(is_known(s, ""));
    assert_false(is_known(s, "' OR 1=1 --"));
}

STORE(the_same_id_twice_is_a_conflict)
{
    struct err e;
    CLEANUP(job_free) struct job *job = job_made("c", "first");
    CLEANUP(job_free) struct job *twin = job_made("c", "second");
    memcpy(twin->id, job->id, sizeof twin->id);
    char id[TOKEN_TEXT];
    assert_int_equal(store_admit(s, job, NULL, id, &e), GOT_ONE);
    MUST(store_sync(s, &e));

    /* Said at once, or by the sync that would have confirmed it. */
    bool ok = store_admit(s, twin, NULL, id, &e) == GOT_ONE && store_sync(s, &e);
    assert_false(ok);
    assert_int_equal(e.kind, ERR_CONFLICT);
    CLEANUP(record_done) struct record r = load(s, job->id, RECORD_JOB);
    assert_true(str_is(r.job->files[0].content, "first"));
    MUST(store_sync(s, &e));
}

/* ---- idempotency keys ---- */

STORE(a_key_admits_one_job)
{
    struct err e;
    CLEANUP(job_free) struct job *first = job_made("c", "1");
    CLEANUP(job_free) struct job *second = job_made("c", "1");
    CLEANUP(job_free) struct job *third = job_made("c", "1");
    char id[TOKEN_TEXT];
    assert_int_equal(store_admit(s, first, "key", id, &e), GOT_ONE);
    assert_string_equal(id, first->id);
    assert_int_equal(store_admit(s, second, "key", id, &e), GOT_NONE);
    assert_string_equal(id, first->id);
    assert_int_equal(store_admit(s, third, "Key", id, &e), GOT_ONE);
    assert_string_equal(id, third->id);
    MUST(store_sync(s, &e));
    assert_true(is_known(s, first->id));
    assert_false(is_known(s, second->id));
}

STORE(a_key_with_another_job_is_a_conflict)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *first = job_made("c", "1");
    CLEANUP(job_free) struct job *other = job_made("c", "2");
    CLEANUP(job_free) struct job *delayed = job_made("c", "1");
    delayed->start_us = delayed->created_us + US_PER_S;
    char id[TOKEN_TEXT];
    assert_int_equal(store_admit(s, first, "key", id, &e), GOT_ONE);
    assert_int_equal(store_admit(s, other, "key", id, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_string_equal(e.field, "Idempotency-Key");
    assert_int_equal(store_admit(s, delayed, "key", id, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_CONFLICT);
    MUST(store_sync(s, &e));
    assert_false(is_known(s, other->id));
    assert_true(is_known(s, first->id));
}

STORE(a_key_is_free_again_when_its_record_is_removed)
{
    struct err e;
    CLEANUP(job_free) struct job *first = job_made("c", "1");
    CLEANUP(job_free) struct job *second = job_made("c", "2");
    char id[TOKEN_TEXT];
    assert_int_equal(store_admit(s, first, "key", id, &e), GOT_ONE);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    MUST(store_remove(s, id, &e));
    assert_int_equal(store_admit(s, second, "key", id, &e), GOT_ONE);
}

enum { KEYS = 40, RIVALS = 4 };

struct rivalry {
    struct store *s;
    char ids[KEYS][TOKEN_TEXT];
    int won;
};

static void *admit_every_key(void *arg)
{
    struct rivalry *r = arg;
    struct err e;
    for (int i = 0; i < KEYS; i++) {
        struct job *job = job_made("c", "x");
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        enum got got = store_admit(r->s, job, key, r->ids[i], &e);
        job_free(job);
        if (got == GOT_FAILED)
            abort();
        r->won += got == GOT_ONE;
    }
    return NULL;
}

STORE(rivals_for_a_key_all_get_the_same_id)
{
    struct rivalry rivals[RIVALS];
    pthread_t threads[RIVALS];
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = (struct rivalry){ .s = s };
        threads[i] = thread_start(admit_every_key, &rivals[i]);
    }
    int won = 0;
    for (int i = 0; i < RIVALS; i++) {
        pthread_join(threads[i], NULL);
        won += rivals[i].won;
    }
    assert_int_equal(won, KEYS);
    for (int i = 1; i < RIVALS; i++)
        for (int k = 0; k < KEYS; k++)
            assert_string_equal(rivals[i].ids[k], rivals[0].ids[k]);
}

/* ---- running and finishing ---- */

STORE(a_started_job_is_running)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    start(s, id, 2);
    CLEANUP(record_done) struct record r = load(s, id, 0);
    assert_int_equal(r.state, STATE_RUNNING);
    assert_int_equal(r.attempts, 2);
    assert_int_equal(r.started_us, 777);
}

STORE(a_result_is_kept)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    start(s, id, 1);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_WRONG_ANSWER, 888);
    result->message = "no";
    assert_int_equal(finish_with(s, id, result), GOT_ONE);

    CLEANUP(record_done) struct record r = load(s, id, RECORD_RESULT);
    assert_int_equal(r.state, STATE_FINISHED);
    assert_int_equal(r.attempts, 1);
    assert_int_equal(r.started_us, 777);
    assert_int_equal(r.finished_us, 888);
    assert_int_equal(r.result->verdict, VERDICT_WRONG_ANSWER);
    assert_string_equal(r.result->message, "no");
    assert_null(r.job);
}

STORE(a_job_may_finish_without_having_started)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(finish(s, id, VERDICT_INTERNAL_ERROR), GOT_ONE);
    assert_int_equal(state_of(s, id), STATE_FINISHED);
}

STORE(the_first_result_stands)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(finish(s, id, VERDICT_WRONG_ANSWER), GOT_NONE);
    assert_int_equal(finish(s, id, VERDICT_CANCELLED), GOT_NONE);
    start(s, id, 9);
    CLEANUP(record_done) struct record r = load(s, id, RECORD_RESULT);
    assert_int_equal(r.state, STATE_FINISHED);
    assert_int_equal(r.attempts, 1);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
}

STORE(finishing_an_unknown_id_wins_nothing)
{
    assert_int_equal(finish(s, "unknown", VERDICT_ACCEPTED), GOT_NONE);
    store_start(s, "unknown", 1, 1);
}

enum { CONTESTED = 100 };

struct finisher {
    struct store *s;
    char (*ids)[TOKEN_TEXT];
    enum verdict verdict;
    bool won[CONTESTED];
};

static void *finish_every_id(void *arg)
{
    struct finisher *f = arg;
    for (int i = 0; i < CONTESTED; i++)
        f->won[i] = finish(f->s, f->ids[i], f->verdict) == GOT_ONE;
    return NULL;
}

STORE(of_two_finishers_at_once_one_wins)
{
    static char ids[CONTESTED][TOKEN_TEXT];
    for (int i = 0; i < CONTESTED; i++)
        admit(s, ids[i]);
    struct finisher a = { s, ids, VERDICT_ACCEPTED, { 0 } };
    struct finisher b = { s, ids, VERDICT_WRONG_ANSWER, { 0 } };
    pthread_t ta = thread_start(finish_every_id, &a), tb = thread_start(finish_every_id, &b);
    pthread_join(ta, NULL);
    pthread_join(tb, NULL);
    for (int i = 0; i < CONTESTED; i++) {
        assert_int_equal(a.won[i] + b.won[i], 1);
        CLEANUP(record_done) struct record r = load(s, ids[i], RECORD_RESULT);
        assert_int_equal(r.result->verdict, a.won[i] ? a.verdict : b.verdict);
    }
}

/* ---- second thoughts about a result ---- */

STORE(a_better_result_takes_the_place_of_the_one_it_is_about)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(s, id);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_WRONG_ANSWER, 888);
    assert_int_equal(store_amend(s, id, 888, result, &e), GOT_NONE); /* not final */
    assert_int_equal(finish_with(s, id, result), GOT_ONE);

    result->message = "better";
    assert_int_equal(store_amend(s, id, 889, result, &e), GOT_NONE); /* about another one */
    assert_int_equal(store_amend(s, "unknown", 888, result, &e), GOT_NONE);
    assert_int_equal(store_amend(s, id, 888, result, &e), GOT_ONE);
    CLEANUP(record_done) struct record r = load(s, id, RECORD_RESULT);
    assert_int_equal(r.state, STATE_FINISHED);
    assert_int_equal(r.finished_us, 889);
    assert_string_equal(r.result->message, "better");
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_NONE);
}

STORE(an_internal_error_can_be_queued_again)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(s, id);
    start(s, id, 3);
    assert_int_equal(store_reopen(s, id, &e), GOT_NONE); /* running */
    assert_int_equal(finish(s, id, VERDICT_INTERNAL_ERROR), GOT_ONE);
    assert_int_equal(store_reopen(s, id, &e), GOT_ONE);
    {
        CLEANUP(record_done) struct record r = load(s, id, RECORD_JOB | RECORD_RESULT);
        assert_int_equal(r.state, STATE_QUEUED);
        assert_int_equal(r.attempts, 0);
        assert_int_equal(r.finished_us, 0);
        assert_int_equal(r.started_us, 0);
        assert_null(r.result);
        assert_non_null(r.job);
    }
    assert_int_equal(store_reopen(s, id, &e), GOT_NONE); /* queued */
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(store_reopen(s, id, &e), GOT_NONE); /* another verdict */
    assert_int_equal(store_reopen(s, "unknown", &e), GOT_NONE);
    CLEANUP(record_done) struct record r = load(s, id, RECORD_RESULT);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
}

/* ---- cancelling and removing ---- */

STORE(a_queued_job_is_cancelled_at_once)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(cancel(s, id, STATE_CANCELLED), GOT_ONE);
    assert_int_equal(cancel(s, id, STATE_CANCELLED), GOT_NONE);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_NONE);
    start(s, id, 1);
    CLEANUP(record_done) struct record r = load(s, id, RECORD_RESULT);
    assert_int_equal(r.state, STATE_CANCELLED);
    assert_true(r.finished_us > 0);
    assert_int_equal(r.result->verdict, VERDICT_CANCELLED);
}

STORE(a_running_job_is_marked_for_its_worker)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    start(s, id, 1);
    assert_int_equal(cancel(s, id, STATE_RUNNING), GOT_NONE);
    {
        CLEANUP(record_done) struct record r = load(s, id, 0);
        assert_true(r.cancel_asked);
    }
    assert_int_equal(finish(s, id, VERDICT_CANCELLED), GOT_ONE);
    assert_int_equal(state_of(s, id), STATE_CANCELLED);
}

STORE(a_finished_job_stays_finished)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(cancel(s, id, STATE_FINISHED), GOT_NONE);
}

STORE(cancelling_an_unknown_id_is_an_error)
{
    struct err e;
    enum job_state state;
    assert_int_equal(store_cancel(s, "unknown", &state, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

STORE(only_final_records_can_be_removed)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_false(store_remove(s, id, &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
    start(s, id, 1);
    assert_false(store_remove(s, id, &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    MUST(store_remove(s, id, &e));
    assert_false(is_known(s, id));
    assert_false(store_remove(s, id, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_NONE);
}

/* ---- what is not final; what has lived long enough ---- */

static void see_unfinished(void *arg, const struct unfinished *x)
{
    struct seen *seen = arg;
    if (seen->count == 64)
        abort();
    snprintf(seen->ids[seen->count], TOKEN_TEXT, "%s", x->id);
    snprintf(seen->tenants[seen->count], sizeof seen->tenants[0], "%s", x->tenant);
    seen->delays[seen->count] = x->delay_us;
    seen->priorities[seen->count++] = x->priority;
}

STORE(unfinished_are_listed_oldest_first)
{
    struct err e;
    char ids[5][TOKEN_TEXT];
    for (int i = 0; i < 5; i++) {
        struct job *job = job_made("c", "x");
        job->priority = (enum priority)(i % PRIORITY_COUNT);
        admit_job(s, job, ids[i]);
    }
    start(s, ids[3], 1);
    assert_int_equal(finish(s, ids[1], VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(cancel(s, ids[2], STATE_CANCELLED), GOT_ONE);

    struct seen seen = { 0 };
    MUST(store_unfinished(s, see_unfinished, &seen, &e));
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.ids[0], ids[0]);
    assert_string_equal(seen.ids[1], ids[3]);
    assert_string_equal(seen.ids[2], ids[4]);
    assert_int_equal(seen.priorities[0], 0);
    assert_int_equal(seen.priorities[1], 0);
    assert_int_equal(seen.priorities[2], 1);
}

static void see_in_order(void *arg, const struct unfinished *x)
{
    char(*next)[TOKEN_TEXT] = *(char(**)[TOKEN_TEXT])arg;
    assert_string_equal(x->id, *next);
    *(char(**)[TOKEN_TEXT])arg = next + 1;
}

STORE(many_unfinished_are_all_listed)
{
    static char ids[450][TOKEN_TEXT];
    struct err e;
    for (int i = 0; i < 450; i++) {
        CLEANUP(job_free) struct job *job = job_made("c", "x");
        assert_int_equal(store_admit(s, job, NULL, ids[i], &e), GOT_ONE);
    }
    MUST(store_sync(s, &e));
    char(*next)[TOKEN_TEXT] = ids;
    MUST(store_unfinished(s, see_in_order, &next, &e));
    assert_int_equal(next - ids, 450);
}

STORE(unfinished_know_whose_they_are_and_how_long_to_wait)
{
    struct err e;
    char plain[TOKEN_TEXT], later[TOKEN_TEXT], over[TOKEN_TEXT];
    admit(s, plain);
    struct job *job = job_made("c", "x");
    job->tenant = "ann";
    job->start_us = wall_us() + 1000 * US_PER_S;
    admit_job(s, job, later);
    job = job_made("c", "x");
    job->start_us = wall_us() - 1;
    admit_job(s, job, over);

    struct seen seen = { 0 };
    MUST(store_unfinished(s, see_unfinished, &seen, &e));
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.tenants[0], "");
    assert_string_equal(seen.tenants[1], "ann");
    assert_true(seen.delays[0] == 0 && seen.delays[2] == 0);
    assert_true(seen.delays[1] > 900 * US_PER_S && seen.delays[1] <= 1000 * US_PER_S);
}

STORE(seq_is_the_time_of_admission_and_unique)
{
    int64_t last = wall_us() - 1;
    for (int i = 0; i < 50; i++) {
        struct err e;
        CLEANUP(job_free) struct job *job = job_made("c", "x");
        char id[TOKEN_TEXT];
        assert_int_equal(store_admit(s, job, NULL, id, &e), GOT_ONE);
        if (i % 10 == 9)
            MUST(store_sync(s, &e));
        else
            continue;
        CLEANUP(record_done) struct record r = load(s, id, 0);
        assert_true(r.seq > last);
        assert_true(r.seq < wall_us() + 1000);
        last = r.seq;
    }
}

static int64_t sweep(struct store *s, int64_t now_us, int batch)
{
    struct err e;
    int64_t swept;
    MUST(store_sweep(s, now_us, batch, &swept, &e));
    return swept;
}

static void admit_finished(struct store *s, int64_t own_retention_us, int64_t finished_us,
                           char id[TOKEN_TEXT])
{
    struct job *job = job_made("c", "x");
    job->retention_us = own_retention_us;
    admit_job(s, job, id);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, finished_us);
    assert_int_equal(finish_with(s, id, result), GOT_ONE);
}

STORE(sweep_removes_what_has_lived_its_time)
{
    if (w->backend->archives) /* counts what is in both */
        skip();
    char usual[TOKEN_TEXT], brief[TOKEN_TEXT], queued[TOKEN_TEXT];
    int64_t end = 5000 * US_PER_S;
    admit_finished(s, 0, end, usual);
    admit_finished(s, 10 * US_PER_S, end, brief);
    admit(s, queued);

    assert_int_equal(sweep(s, end + 10 * US_PER_S - 1, 100), 0);
    assert_int_equal(sweep(s, end + 10 * US_PER_S, 100), 1);
    assert_false(is_known(s, brief));
    assert_int_equal(sweep(s, end + retention_us - 1, 100), 0);
    assert_true(is_known(s, usual));
    assert_int_equal(sweep(s, end + retention_us, 100), 1);
    assert_false(is_known(s, usual));
    assert_int_equal(sweep(s, INT64_MAX, 100), 0);
    assert_true(is_known(s, queued));
}

STORE(sweep_stops_after_a_batch)
{
    if (w->backend->archives) /* counts what is in both */
        skip();
    char id[TOKEN_TEXT];
    for (int i = 0; i < 7; i++)
        admit_finished(s, 0, 1000, id);
    assert_int_equal(sweep(s, INT64_MAX, 5), 5);
    assert_int_equal(sweep(s, INT64_MAX, 5), 2);
    assert_int_equal(sweep(s, INT64_MAX, 5), 0);
}

/* ---- what a history has, and what it has not ---- */

struct fresh {
    int count;
    char ids[16][TOKEN_TEXT];
};

static void see_fresh(void *arg, struct record *r)
{
    struct fresh *fresh = arg;
    assert_non_null(r->job);
    assert_non_null(r->result);
    assert_true(state_final(r->state));
    assert_true(r->seq > 0);
    memcpy(fresh->ids[fresh->count++], r->id, TOKEN_TEXT);
}

/* ids: NULL-ended. */
static void fresh_are(struct store *s, int max, const char *const *ids)
{
    struct err e;
    struct fresh fresh = { 0 };
    MUST(store_unarchived(s, max, see_fresh, &fresh, &e));
    int count = 0;
    for (; ids[count]; count++) {
        assert_true(count < fresh.count);
        assert_string_equal(fresh.ids[count], ids[count]);
    }
    assert_int_equal(fresh.count, count);
}

STORE(what_no_history_has_comes_in_the_order_of_its_end)
{
    if (w->backend->archives)
        skip();
    struct err e;
    char a[TOKEN_TEXT], b[TOKEN_TEXT], c[TOKEN_TEXT], queued[TOKEN_TEXT];
    admit_finished(s, 0, 3000, c);
    admit_finished(s, 0, 1000, a);
    admit_finished(s, 0, 2000, b);
    admit(s, queued);
    fresh_are(s, 9, (const char *const[]){ a, b, c, NULL });
    fresh_are(s, 2, (const char *const[]){ a, b, NULL });

    MUST(store_archived(s, a, 1000, INT64_MAX, &e));
    MUST(store_archived(s, b, 2001, INT64_MAX, &e)); /* another end */
    MUST(store_archived(s, queued, 0, INT64_MAX, &e));
    MUST(store_archived(s, "unknown", 1, 2, &e));
    fresh_are(s, 9, (const char *const[]){ b, c, NULL });
    assert_true(is_known(s, a));
}

STORE(what_was_changed_is_news_for_the_history)
{
    if (w->backend->archives)
        skip();
    struct err e;
    char a[TOKEN_TEXT], b[TOKEN_TEXT];
    admit_finished(s, 0, 1000, a);
    admit(s, b);
    CLEANUP(result_free) struct result *internal = result_made(VERDICT_INTERNAL_ERROR, 2000);
    assert_int_equal(finish_with(s, b, internal), GOT_ONE);
    MUST(store_archived(s, a, 1000, 5000, &e));
    MUST(store_archived(s, b, 2000, 5000, &e));
    fresh_are(s, 9, (const char *const[]){ NULL });

    CLEANUP(result_free) struct result *better = result_made(VERDICT_ACCEPTED, 1000);
    assert_int_equal(store_amend(s, a, 1000, better, &e), GOT_ONE);
    MUST(store_archived(s, a, 1000, 5000, &e)); /* was on its way with what it was before */
    fresh_are(s, 9, (const char *const[]){ a, NULL });
    assert_int_equal(store_reopen(s, b, &e), GOT_ONE);
    fresh_are(s, 9, (const char *const[]){ a, NULL });
    char c[TOKEN_TEXT];
    admit(s, c);
    CLEANUP(result_free) struct result *first = result_made(VERDICT_INTERNAL_ERROR, 10);
    assert_int_equal(finish_with(s, c, first), GOT_ONE);
    fresh_are(s, 1, (const char *const[]){ c, NULL });
    assert_int_equal(store_reopen(s, c, &e), GOT_ONE);
    fresh_are(s, 1, (const char *const[]){ a, NULL });
    CLEANUP(result_free) struct result *good = result_made(VERDICT_ACCEPTED, 3000);
    assert_int_equal(finish_with(s, b, good), GOT_ONE);
    fresh_are(s, 9, (const char *const[]){ a, b, NULL });
    assert_int_equal(sweep(s, 5000, 100), 0); /* their copies are needed again */
    assert_true(is_known(s, a));
    assert_true(is_known(s, b));
}

STORE(what_is_to_be_forgotten_is_for_no_history_and_goes_soon)
{
    char brief[TOKEN_TEXT], briefer[TOKEN_TEXT];
    int64_t end = 5000 * US_PER_S;
    for (int i = 0; i < 2; i++) {
        struct job *job = job_made("c", "x");
        job->forget = true;
        job->retention_us = i ? 10 * US_PER_S : 0;
        admit_job(s, job, i ? briefer : brief);
        CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, end);
        assert_int_equal(finish_with(s, i ? briefer : brief, result), GOT_ONE);
    }
    if (!w->backend->archives)
        fresh_are(s, 9, (const char *const[]){ NULL });
    assert_true(is_known(s, brief));
    assert_int_equal(sweep(s, end + 10 * US_PER_S, 100), 1);
    assert_false(is_known(s, briefer));
    assert_int_equal(sweep(s, end + 600 * US_PER_S - 1, 100), 0);
    assert_int_equal(sweep(s, end + 600 * US_PER_S, 100), 1);
    assert_false(is_known(s, brief));
}

STORE(archived_records_are_dropped_when_they_were_said_to_be)
{
    if (w->backend->archives)
        skip();
    struct err e;
    char kept[TOKEN_TEXT], brief[TOKEN_TEXT], id[TOKEN_TEXT];
    int64_t end = 5000 * US_PER_S;
    CLEANUP(job_free) struct job *keyed = job_made("c", "x");
    CLEANUP(job_free) struct job *again = job_made("c", "x");
    assert_int_equal(store_admit(s, keyed, "key", kept, &e), GOT_ONE);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, end);
    assert_int_equal(finish_with(s, kept, result), GOT_ONE);
    admit_finished(s, 10 * US_PER_S, end, brief);
    MUST(store_archived(s, kept, end, end + 20 * US_PER_S, &e));
    MUST(store_archived(s, brief, end, end + 20 * US_PER_S, &e));

    assert_int_equal(sweep(s, end + 10 * US_PER_S, 100), 1); /* its own retention was shorter */
    assert_false(is_known(s, brief));
    assert_int_equal(sweep(s, end + 20 * US_PER_S - 1, 100), 0);
    assert_int_equal(sweep(s, end + 20 * US_PER_S, 100), 1);
    assert_false(is_known(s, kept));

    /* The record went to a history; its key is still known. */
    assert_int_equal(store_admit(s, again, "key", id, &e), GOT_NONE);
    assert_string_equal(id, keyed->id);
    assert_false(store_remove(s, keyed->id, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_int_equal(store_admit(s, again, "key", id, &e), GOT_ONE);
    assert_string_equal(id, again->id);
}

/* ---- restarts and deaths ---- */

STORE(a_restart_keeps_everything)
{
    if (!w->backend->survives)
        skip();
    struct err e;
    char done[TOKEN_TEXT], running[TOKEN_TEXT], queued[TOKEN_TEXT];
    admit(s, done);
    admit(s, running);
    admit(s, queued);
    start(s, running, 1);
    assert_int_equal(finish(s, done, VERDICT_ACCEPTED), GOT_ONE);
    reopen(w);
    assert_int_equal(state_of(w->s, done), STATE_FINISHED);
    assert_int_equal(state_of(w->s, running), STATE_RUNNING);
    assert_int_equal(state_of(w->s, queued), STATE_QUEUED);
    struct seen seen = { 0 };
    MUST(store_unfinished(w->s, see_unfinished, &seen, &e));
    assert_int_equal(seen.count, 2);
}

/* The child: admit for ever, say each id once it is durable. where: a folder, or a Redis. */
static int admit_for_ever(const char *where)
{
    struct world w = { 0 };
    snprintf(w.folder, sizeof w.folder, "%s", where);
    if (strstr(where, "://"))
        redis_connect(&w, where);
    else
        sqlite_open(&w);
    for (;;) {
        struct err e;
        char id[TOKEN_TEXT];
        struct job *job = job_made("c", "x");
        if (store_admit(w.s, job, NULL, id, &e) != GOT_ONE || !store_sync(w.s, &e))
            return 1;
        job_free(job);
        id[TOKEN_TEXT - 1] = '\n';
        if (write(STDOUT_FILENO, id, TOKEN_TEXT) != TOKEN_TEXT)
            return 1;
    }
}

static pid_t start_child(const char *where, int *ret_fd)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    char *argv[] = { (char *)(uintptr_t) "store_contract", (char *)(uintptr_t) "--admit",
                     (char *)(uintptr_t)where, NULL };
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    *ret_fd = fds[0];
    return pid;
}

/* Everything the child said, until it is gone. */
static int read_ids(int fd, char *text, int most)
{
    int len = 0;
    for (ssize_t n; len < most && (n = read(fd, text + len, (size_t)(most - len))) != 0;)
        if (n > 0)
            len += (int)n;
        else if (errno != EINTR)
            break;
    return len / TOKEN_TEXT;
}

STORE(what_sync_confirmed_survives_sigkill)
{
    if (!w->backend->survives)
        skip();
    enum { MOST = 20000 * TOKEN_TEXT };
    static char text[MOST];
    bool served = w->redis;
    w->backend->close(w);

    for (int round = 0; round < 3; round++) {
        int fd;
        pid_t pid = start_child(served ? redis_shared()->url : w->folder, &fd);
        int count = read_ids(fd, text, 50 * (round + 1) * TOKEN_TEXT);
        if (served) /* what keeps the records dies as well, and first */
            redis_server_stop(redis_shared(), SIGKILL);
        kill(pid, SIGKILL); /* in the middle of whatever it does */
        count += read_ids(fd, text + count * TOKEN_TEXT, MOST - count * TOKEN_TEXT);
        close(fd);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        /* Without its server it may have given up by itself. */
        assert_true(served || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        assert_true(count >= 50);

        if (served) {
            redis_server_go_on(redis_shared());
            redis_say_until(redis_shared(), "PONG", "PING");
            redis_say(redis_shared(), "CONFIG SET appendfsync always");
        }
        w->backend->open(w);
        for (int i = 0; i < count; i++) {
            char id[TOKEN_TEXT];
            snprintf(id, sizeof id, "%.36s", text + i * TOKEN_TEXT);
            assert_int_equal(state_of(w->s, id), STATE_QUEUED);
        }
        w->backend->close(w);
    }
    w->backend->open(w);
}

static const struct CMUnitTest tests[] = {
    T(an_admitted_job_is_queued_and_comes_back_whole),
    T(a_job_can_be_loaded_before_it_is_durable),
    T(bytes_survive_nul_and_invalid_utf8_included),
    T(an_unknown_id_is_not_there),
    T(the_same_id_twice_is_a_conflict),
    T(a_key_admits_one_job),
    T(a_key_with_another_job_is_a_conflict),
    T(a_key_is_free_again_when_its_record_is_removed),
    T(rivals_for_a_key_all_get_the_same_id),
    T(a_started_job_is_running),
    T(a_result_is_kept),
    T(a_job_may_finish_without_having_started),
    T(the_first_result_stands),
    T(finishing_an_unknown_id_wins_nothing),
    T(of_two_finishers_at_once_one_wins),
    T(a_better_result_takes_the_place_of_the_one_it_is_about),
    T(an_internal_error_can_be_queued_again),
    T(a_queued_job_is_cancelled_at_once),
    T(a_running_job_is_marked_for_its_worker),
    T(a_finished_job_stays_finished),
    T(cancelling_an_unknown_id_is_an_error),
    T(only_final_records_can_be_removed),
    T(unfinished_are_listed_oldest_first),
    T(many_unfinished_are_all_listed),
    T(unfinished_know_whose_they_are_and_how_long_to_wait),
    T(seq_is_the_time_of_admission_and_unique),
    T(sweep_removes_what_has_lived_its_time),
    T(sweep_stops_after_a_batch),
    T(what_no_history_has_comes_in_the_order_of_its_end),
    T(what_was_changed_is_news_for_the_history),
    T(what_is_to_be_forgotten_is_for_no_history_and_goes_soon),
    T(archived_records_are_dropped_when_they_were_said_to_be),
    T(a_restart_keeps_everything),
    T(what_sync_confirmed_survives_sigkill),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--admit") == 0)
        return admit_for_ever(argv[2]);
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
