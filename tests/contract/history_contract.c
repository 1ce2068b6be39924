/* SPDX-License-Identifier: Apache-2.0 */
/* What every store promises about its history: filters, pages, totals. Held against every backend.
 */
#include "store_world.h"

static void see(void *arg, struct record *r, int64_t seq)
{
    struct seen *seen = arg;
    if (seen->count == 64)
        abort();
    assert_true(r->seq == seq);
    memcpy(seen->ids[seen->count], r->id, TOKEN_TEXT);
    seen->seqs[seen->count++] = seq;
}

/* Six records: language, verdict (NONE: still queued), created_us 100, 200, ..., metadata. */
static void make_history(struct store *s, char ids[6][TOKEN_TEXT])
{
    static const struct {
        const char *language;
        enum verdict verdict;
        const char *metadata;
    } rows[6] = {
        { "c", VERDICT_ACCEPTED, "{\"user\":\"ann\",\"n\":1,\"on\":true}" },
        { "cpp", VERDICT_ACCEPTED, "{\"user\":\"bob\",\"half\":0.5}" },
        { "c", VERDICT_WRONG_ANSWER, NULL },
        { "c", VERDICT_NONE, "{\"user\":\"ann\",\"a \\\"b\\\"\":\"x\"}" },
        { "cpp", VERDICT_NONE, "{\"user\":{\"name\":\"ann\"},\"none\":null}" },
        { "c", VERDICT_ACCEPTED, "{\"user\":\"ann\"}" },
    };
    for (int i = 0; i < 6; i++) {
        struct job *job = job_made(rows[i].language, "x");
        job->created_us = 100 * (i + 1);
        job->metadata = rows[i].metadata;
        admit_job(s, job, ids[i]);
        if (rows[i].verdict)
            assert_int_equal(finish(s, ids[i], rows[i].verdict), GOT_ONE);
    }
    assert_int_equal(cancel(s, ids[4], STATE_CANCELLED), GOT_ONE);
}

/* rows: the expected ones as digits, "520" for the sixth, third and first. */
static void list_is(struct store *s, char ids[6][TOKEN_TEXT], struct store_filter f,
                    const char *rows, int64_t total)
{
    struct err e;
    struct seen seen = { 0 };
    int64_t got = -1;
    if (!f.limit)
        f.limit = 50;
    MUST(store_list(s, &f, 0, see, &seen, &got, &e));
    char text[65] = "";
    for (int i = 0; i < seen.count; i++)
        for (int k = 0; k < 6; k++)
            if (strcmp(seen.ids[i], ids[k]) == 0)
                text[i] = (char)('0' + k);
    assert_string_equal(text, rows);
    assert_int_equal(got, total);
}

STORE(history_is_listed_newest_first)
{
    char ids[6][TOKEN_TEXT];
    make_history(s, ids);
    list_is(s, ids, (struct store_filter){ 0 }, "543210", 6);
    list_is(s, ids, (struct store_filter){ .limit = 2 }, "54", 6);
    list_is(s, ids, (struct store_filter){ .limit = 2, .offset = 3 }, "21", 6);
    list_is(s, ids, (struct store_filter){ .offset = 6 }, "", 6);
}

STORE(history_is_filtered)
{
    char ids[6][TOKEN_TEXT];
    make_history(s, ids);
    list_is(s, ids, (struct store_filter){ .language = "c" }, "5320", 4);
    list_is(s, ids, (struct store_filter){ .language = "C" }, "", 0);
    list_is(s, ids, (struct store_filter){ .verdict = VERDICT_ACCEPTED }, "510", 3);
    list_is(s, ids, (struct store_filter){ .verdict = VERDICT_CANCELLED }, "4", 1);
    list_is(s, ids, (struct store_filter){ .has_state = true, .state = STATE_QUEUED }, "3", 1);
    list_is(s, ids, (struct store_filter){ .has_state = true, .state = STATE_RUNNING }, "", 0);
    list_is(s, ids, (struct store_filter){ .has_state = true, .state = STATE_FINISHED }, "5210", 4);
    list_is(s, ids, (struct store_filter){ .has_state = true, .state = STATE_CANCELLED }, "4", 1);
    list_is(s, ids, (struct store_filter){ .since_us = 200, .until_us = 500 }, "321", 3);
    list_is(s, ids, (struct store_filter){ .since_us = 500 }, "54", 2);
    list_is(s, ids, (struct store_filter){ .until_us = 201 }, "10", 2);
    list_is(s, ids,
            (struct store_filter){ .language = "c", .verdict = VERDICT_ACCEPTED, .since_us = 150 },
            "5", 1);
}

STORE(history_is_filtered_by_metadata)
{
    char ids[6][TOKEN_TEXT];
    make_history(s, ids);
    static const struct {
        const char *key, *value, *rows;
    } wanted[] = {
        { "user", "ann", "530" }, { "user", "bob", "1" }, { "user", "eve", "" },
        { "User", "ann", "" },    { "n", "1", "0" },      { "on", "true", "0" },
        { "half", "0.5", "1" },   { "none", "null", "" }, { "user", "{\"name\":\"ann\"}", "" },
        { "a \"b\"", "x", "3" },  { "'; --", "x", "" },
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        list_is(s, ids,
                (struct store_filter){ .metadata_key = wanted[i].key,
                                       .metadata_value = wanted[i].value },
                wanted[i].rows, (int64_t)strlen(wanted[i].rows));
    list_is(s, ids,
            (struct store_filter){ .metadata_key = "user",
                                   .metadata_value = "ann",
                                   .language = "c",
                                   .has_state = true,
                                   .state = STATE_FINISHED },
            "50", 2);
}

STORE(history_tells_what_was_not_archived)
{
    if (w->backend->archives)
        skip();
    struct err e;
    char ids[6][TOKEN_TEXT];
    make_history(s, ids);
    CLEANUP(record_done) struct record r = load(s, ids[1], 0);
    MUST(store_archived(s, ids[1], r.finished_us, INT64_MAX, &e));
    list_is(s, ids, (struct store_filter){ .unarchived = true }, "54320", 5);
    list_is(s, ids,
            (struct store_filter){ .unarchived = true, .has_state = true, .state = STATE_FINISHED },
            "520", 3);
    list_is(s, ids, (struct store_filter){ .unarchived = true, .language = "cpp" }, "4", 1);
}

STORE(a_cursor_pages_through_all_of_history)
{
    struct err e;
    char ids[10][TOKEN_TEXT];
    for (int i = 0; i < 10; i++)
        admit(s, ids[i]);
    struct seen seen = { 0 };
    struct store_filter f = { .limit = 3 };
    for (int page = 0; page < 4; page++) {
        MUST(store_list(s, &f, 0, see, &seen, NULL, &e));
        f.before_seq = seen.seqs[seen.count - 1];
        char late[TOKEN_TEXT];
        admit(s, late); /* comes in between and does not shift the pages */
    }
    assert_int_equal(seen.count, 10);
    for (int i = 0; i < 10; i++)
        assert_string_equal(seen.ids[i], ids[9 - i]);

    int64_t total;
    f = (struct store_filter){ .limit = 3, .before_seq = seen.seqs[5] };
    MUST(store_list(s, &f, 0, see, &seen, &total, &e));
    assert_int_equal(total, 14);
}

enum { LONG = 450 };

static void count_one(void *arg, UNUSED struct record *r, int64_t seq)
{
    struct seen *seen = arg;
    assert_true(!seen->seqs[0] || seq < seen->seqs[0]);
    seen->seqs[0] = seq;
    memcpy(seen->ids[0], r->id, TOKEN_TEXT);
    seen->count++;
}

/* Pages of a filter until the end: how many records there were. */
static int count_pages(struct store *s, struct store_filter f, int64_t total)
{
    struct err e;
    struct seen seen = { 0 };
    int before;
    do {
        int64_t got;
        before = seen.count;
        MUST(store_list(s, &f, 0, count_one, &seen, &got, &e));
        assert_int_equal(got, total);
        f.before_seq = seen.seqs[0];
    } while (seen.count - before == f.limit);
    return seen.count;
}

STORE(a_long_history_is_paged_and_filtered)
{
    static char ids[LONG][TOKEN_TEXT];
    struct err e;
    for (int i = 0; i < LONG; i++) {
        CLEANUP(job_free) struct job *job = job_made(i % 3 ? "c" : "cpp", "x");
        job->metadata = i % 50 ? NULL : "{\"user\":\"ann\"}";
        assert_int_equal(store_admit(s, job, NULL, ids[i], &e), GOT_ONE);
    }
    MUST(store_sync(s, &e));
    for (int i = 0; i < LONG; i += 2)
        assert_int_equal(finish(s, ids[i], VERDICT_ACCEPTED), GOT_ONE);

    assert_int_equal(count_pages(s, (struct store_filter){ .limit = 7 }, LONG), LONG);
    assert_int_equal(count_pages(s, (struct store_filter){ .limit = 450 }, LONG), LONG);
    assert_int_equal(count_pages(s, (struct store_filter){ .limit = 40, .language = "cpp" }, 150),
                     150);
    assert_int_equal(count_pages(s,
                                 (struct store_filter){ .limit = 100,
                                                        .has_state = true,
                                                        .state = STATE_FINISHED,
                                                        .language = "cpp" },
                                 75),
                     75);
    assert_int_equal(
        count_pages(
            s, (struct store_filter){ .limit = 2, .metadata_key = "user", .metadata_value = "ann" },
            9),
        9);

    struct seen seen = { 0 };
    struct store_filter f = { .limit = 1, .offset = 333 };
    MUST(store_list(s, &f, 0, count_one, &seen, NULL, &e));
    assert_string_equal(seen.ids[0], ids[LONG - 1 - 333]);
    seen = (struct seen){ 0 };
    f = (struct store_filter){ .limit = 1, .offset = 100, .language = "cpp" };
    MUST(store_list(s, &f, 0, count_one, &seen, NULL, &e));
    assert_string_equal(seen.ids[0], ids[447 - 300]);
    f = (struct store_filter){ .limit = 1, .offset = LONG };
    seen = (struct seen){ 0 };
    MUST(store_list(s, &f, 0, count_one, &seen, NULL, &e));
    assert_int_equal(seen.count, 0);
}

STORE(cursors_never_come_back)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(s, id);
    struct seen seen = { 0 };
    struct store_filter f = { .limit = 1 };
    MUST(store_list(s, &f, 0, see, &seen, NULL, &e));
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    MUST(store_remove(s, id, &e));
    admit(s, id);
    MUST(store_list(s, &f, 0, see, &seen, NULL, &e));
    assert_true(seen.seqs[1] > seen.seqs[0]);
}

static void take_over(void *arg, struct record *r, UNUSED int64_t seq)
{
    struct record *mine = arg;
    *mine = *r;
    r->job = NULL;
    r->result = NULL;
}

STORE(list_gives_the_parts_asked_for)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    struct store_filter f = { .limit = 1 };
    CLEANUP(record_done) struct record r = { 0 };
    MUST(store_list(s, &f, RECORD_JOB | RECORD_RESULT, take_over, &r, NULL, &e));
    assert_string_equal(r.job->id, id);
    assert_int_equal(r.result->verdict, VERDICT_ACCEPTED);
}

static const struct CMUnitTest tests[] = {
    T(history_is_listed_newest_first),
    T(history_is_filtered),
    T(history_is_filtered_by_metadata),
    T(a_cursor_pages_through_all_of_history),
    T(history_tells_what_was_not_archived),
    T(a_long_history_is_paged_and_filtered),
    T(cursors_never_come_back),
    T(list_gives_the_parts_asked_for),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
