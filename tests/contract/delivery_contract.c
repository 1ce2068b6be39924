/* SPDX-License-Identifier: Apache-2.0 */
/* What every store promises about those who are to be told. Held against every backend. */
#include "store_world.h"

enum { LEASE = 60 * 1000 * 1000, MOST = 16 };

#define HOOK "https://example.org/hook?a=b"
#define BACK "http://example.org/back"

static void admit_telling(struct store *s, bool hook, bool back, char id[TOKEN_TEXT])
{
    struct job *job = job_made("c", "x");
    job->webhook_url = hook ? HOOK : NULL;
    job->callback_url = back ? BACK : NULL;
    admit_job(s, job, id);
}

/* A finished submission with one webhook, due. */
static void make_due(struct store *s, char id[TOKEN_TEXT])
{
    admit_telling(s, true, false, id);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
}

static int lease(struct store *s, int64_t now_us, struct delivery *ret, int max, int64_t *ret_next)
{
    struct err e;
    int count = -1;
    MUST(s->ops->deliveries->lease(s, now_us, LEASE, ret, max, &count, ret_next, &e));
    return count;
}

static struct delivery lease_one(struct store *s, int64_t now_us)
{
    struct delivery d;
    int64_t next;
    assert_int_equal(lease(s, now_us, &d, 1, &next), 1);
    return d;
}

static void none_due(struct store *s, int64_t now_us)
{
    struct delivery d;
    int64_t next;
    assert_int_equal(lease(s, now_us, &d, 1, &next), 0);
}

static void settle(struct store *s, const struct delivery *d, enum delivery_state state, int status,
                   int64_t due_us)
{
    struct err e;
    struct delivery_attempt a = { .at_us = wall_us(), .took_us = 5, .status = status };
    if (status != 200)
        snprintf(a.error, sizeof a.error, "status %d, \"what\" it said", status);
    MUST(s->ops->deliveries->settle(s, d, &a, state, due_us, &e));
}

static enum got replay(struct store *s, const char *id, int64_t now_us)
{
    struct err e;
    return s->ops->deliveries->replay(s, id, now_us, &e);
}

struct log {
    int count;
    struct delivery_attempt attempts[64];
};

static void see_attempt(void *arg, const struct delivery_attempt *a)
{
    struct log *log = arg;
    assert_true(log->count < 64);
    log->attempts[log->count++] = *a;
}

static struct delivery look(struct store *s, const char *id, struct log *log)
{
    struct err e;
    struct delivery d;
    memset(&d, 0xee, sizeof d);
    enum got got = s->ops->deliveries->load(s, id, &d, log ? see_attempt : NULL, log, &e);
    if (got == GOT_FAILED)
        fail_msg("load: %s", e.text);
    assert_int_equal(got, GOT_ONE);
    assert_string_equal(d.id, id);
    return d;
}

static bool is_there(struct store *s, const char *id)
{
    struct err e;
    struct delivery d;
    enum got got = s->ops->deliveries->load(s, id, &d, NULL, NULL, &e);
    assert_int_not_equal(got, GOT_FAILED);
    return got == GOT_ONE;
}

static int64_t soon(void)
{
    return wall_us() + 1000;
}

/* ---- owed, then due ---- */

TEST(an_id_follows_from_the_submission)
{
    char id[DELIVERY_TEXT];
    delivery_id(DELIVERY_WEBHOOK, "0b1c4f5e-1234-4000-8000-00000000abcd", id);
    assert_string_equal(id, "msg_0b1c4f5e12344000800000000000abcd");
    delivery_id(DELIVERY_CALLBACK, "0b1c4f5e-1234-4000-8000-00000000abcd", id);
    assert_string_equal(id, "cb_0b1c4f5e12344000800000000000abcd");
}

STORE(a_job_without_an_address_owes_nothing)
{
    char id[TOKEN_TEXT];
    admit(s, id);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    int64_t next = 0;
    struct delivery d;
    assert_int_equal(lease(s, soon(), &d, 1, &next), 0);
    assert_true(next == INT64_MAX);
}

STORE(a_delivery_is_owed_until_its_submission_is_final)
{
    char id[TOKEN_TEXT], hook[DELIVERY_TEXT];
    admit_telling(s, true, false, id);
    delivery_id(DELIVERY_WEBHOOK, id, hook);
    struct delivery d = look(s, hook, NULL);
    assert_int_equal(d.state, DELIVERY_OWED);
    none_due(s, INT64_MAX / 2);
    assert_int_equal(replay(s, hook, soon()), GOT_NONE);

    start(s, id, 1);
    none_due(s, INT64_MAX / 2);
    int64_t before = wall_us();
    assert_int_equal(finish(s, id, VERDICT_WRONG_ANSWER), GOT_ONE);
    d = lease_one(s, soon());
    assert_string_equal(d.id, hook);
    assert_string_equal(d.job, id);
    assert_string_equal(d.url, HOOK);
    assert_int_equal(d.kind, DELIVERY_WEBHOOK);
    assert_int_equal(d.state, DELIVERY_PENDING);
    assert_int_equal(d.attempts, 0);
    assert_true(d.due_us >= before && d.due_us <= wall_us());
}

STORE(every_kind_of_end_makes_it_due)
{
    char finished[TOKEN_TEXT], failed[TOKEN_TEXT], dropped[TOKEN_TEXT];
    admit_telling(s, true, true, finished);
    admit_telling(s, true, false, failed);
    admit_telling(s, false, true, dropped);
    assert_int_equal(finish(s, finished, VERDICT_ACCEPTED), GOT_ONE);
    assert_int_equal(finish(s, failed, VERDICT_INTERNAL_ERROR), GOT_ONE);
    assert_int_equal(cancel(s, dropped, STATE_CANCELLED), GOT_ONE);

    struct delivery d[MOST];
    int64_t next;
    assert_int_equal(lease(s, soon(), d, MOST, &next), 4);
    int hooks = 0;
    for (int i = 0; i < 4; i++) {
        hooks += d[i].kind == DELIVERY_WEBHOOK;
        assert_string_equal(d[i].url, d[i].kind == DELIVERY_WEBHOOK ? HOOK : BACK);
    }
    assert_int_equal(hooks, 2);
}

STORE(a_result_that_came_too_late_makes_nothing_due_again)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    assert_int_equal(finish(s, id, VERDICT_WRONG_ANSWER), GOT_NONE);
    none_due(s, INT64_MAX / 2);
}

/* ---- leases ---- */

STORE(what_is_leased_is_not_given_twice)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    int64_t now = soon(), next;
    struct delivery d = lease_one(s, now), again;
    assert_int_equal(lease(s, now + LEASE - 1, &again, 1, &next), 0);
    assert_true(next == now + LEASE);
    assert_int_equal(lease(s, now + LEASE, &again, 1, &next), 1);
    assert_string_equal(again.id, d.id);
    assert_int_equal(again.attempts, 0);
}

STORE(a_lease_takes_the_oldest_and_no_more_than_asked)
{
    char ids[5][TOKEN_TEXT];
    int64_t now = wall_us();
    for (int i = 0; i < 5; i++) {
        make_due(s, ids[i]);
        struct delivery d = lease_one(s, soon());
        settle(s, &d, DELIVERY_PENDING, 500, now + (5 - i) * US_PER_S);
    }
    struct delivery d[MOST];
    int64_t next;
    assert_int_equal(lease(s, now + 3 * US_PER_S, d, 2, &next), 2);
    assert_string_equal(d[0].job, ids[4]);
    assert_string_equal(d[1].job, ids[3]);
    assert_true(next == now + 3 * US_PER_S);
    assert_int_equal(lease(s, now + 3 * US_PER_S, d, MOST, &next), 1);
    assert_true(next == now + 4 * US_PER_S);
}

enum { TAKERS = 4, MANY = 60 };

struct taker {
    struct store *s;
    int64_t now_us;
    int count;
    char ids[MANY][DELIVERY_TEXT];
};

static void *take_all(void *arg)
{
    struct taker *t = arg;
    struct err e;
    for (;;) {
        struct delivery d[3];
        int64_t next;
        int count;
        if (!t->s->ops->deliveries->lease(t->s, t->now_us, LEASE, d, 3, &count, &next, &e))
            abort();
        if (!count)
            return NULL;
        for (int i = 0; i < count; i++)
            memcpy(t->ids[t->count++], d[i].id, DELIVERY_TEXT);
    }
}

STORE(of_many_senders_each_delivery_has_one)
{
    char id[TOKEN_TEXT];
    for (int i = 0; i < MANY; i++)
        make_due(s, id);
    static struct taker takers[TAKERS];
    pthread_t threads[TAKERS];
    int64_t now = soon();
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){ .s = s, .now_us = now };
        threads[i] = thread_start(take_all, &takers[i]);
    }
    int count = 0;
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        count += takers[i].count;
    }
    assert_int_equal(count, MANY);
}

/* ---- settling ---- */

STORE(a_delivered_one_is_over)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    struct log log = { 0 };
    struct delivery after = look(s, d.id, &log);
    assert_int_equal(after.state, DELIVERY_DELIVERED);
    assert_int_equal(after.attempts, 1);
    assert_int_equal(log.count, 1);
    assert_int_equal(log.attempts[0].status, 200);
    assert_int_equal(log.attempts[0].took_us, 5);
    assert_string_equal(log.attempts[0].error, "");
    none_due(s, INT64_MAX / 2);
}

STORE(a_failed_attempt_comes_again_when_it_is_due)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    int64_t now = soon(), next;
    struct delivery d = lease_one(s, now), again;
    settle(s, &d, DELIVERY_PENDING, 503, now + 5 * US_PER_S);
    assert_int_equal(lease(s, now + 5 * US_PER_S - 1, &again, 1, &next), 0);
    assert_true(next == now + 5 * US_PER_S);
    again = lease_one(s, now + 5 * US_PER_S);
    assert_int_equal(again.attempts, 1);
    settle(s, &again, DELIVERY_REFUSED, 410, 0);
    struct log log = { 0 };
    d = look(s, d.id, &log);
    assert_int_equal(d.state, DELIVERY_REFUSED);
    assert_int_equal(log.count, 2);
    assert_int_equal(log.attempts[0].status, 503);
    assert_int_equal(log.attempts[1].status, 410);
    assert_string_equal(log.attempts[0].error, "status 503, \"what\" it said");
}

STORE(of_two_who_sent_at_one_time_the_first_counts)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    int64_t now = soon();
    struct delivery slow = lease_one(s, now), quick = lease_one(s, now + LEASE);
    settle(s, &quick, DELIVERY_DELIVERED, 200, 0);
    settle(s, &slow, DELIVERY_PENDING, 500, now);
    struct log log = { 0 };
    struct delivery d = look(s, slow.id, &log);
    assert_int_equal(d.state, DELIVERY_DELIVERED);
    assert_int_equal(d.attempts, 1);
    assert_int_equal(log.count, 1);
    settle(s, &(struct delivery){ .id = "msg_unknown" }, DELIVERY_DELIVERED, 200, 0);
    none_due(s, INT64_MAX / 2);
}

STORE(an_attempt_before_the_last_one_changes_nothing)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    int64_t now = soon();
    struct delivery slow = lease_one(s, now), quick = lease_one(s, now + LEASE);
    settle(s, &quick, DELIVERY_PENDING, 503, now + 2 * LEASE);
    settle(s, &slow, DELIVERY_FAILED, 500, 0);
    struct log log = { 0 };
    struct delivery d = look(s, slow.id, &log);
    assert_int_equal(d.state, DELIVERY_PENDING);
    assert_int_equal(d.attempts, 1);
    assert_true(d.due_us == now + 2 * LEASE);
    assert_int_equal(log.count, 1);
}

STORE(the_log_is_bounded)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    int64_t now = soon();
    for (int i = 0; i < DELIVERY_LOG + 7; i++) {
        struct delivery d = lease_one(s, now);
        assert_int_equal(d.attempts, i % 30);
        settle(s, &d, DELIVERY_PENDING, 500 + i, now);
        if (i % 30 == 29) /* rounds do not matter */
            assert_int_equal(replay(s, d.id, now), GOT_ONE);
    }
    struct log log = { 0 };
    struct delivery d = lease_one(s, now);
    look(s, d.id, &log);
    assert_int_equal(log.count, DELIVERY_LOG);
    assert_int_equal(log.attempts[0].status, 507);
    assert_int_equal(log.attempts[DELIVERY_LOG - 1].status, 500 + DELIVERY_LOG + 6);
}

/* ---- an operator's hand ---- */

STORE(a_replay_begins_a_new_round)
{
    char id[TOKEN_TEXT];
    make_due(s, id);
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_FAILED, 500, 0);
    none_due(s, INT64_MAX / 2);
    int64_t now = soon() + US_PER_S;
    assert_int_equal(replay(s, d.id, now), GOT_ONE);
    none_due(s, now - 1);
    d = lease_one(s, now);
    assert_int_equal(d.attempts, 0);
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    struct log log = { 0 };
    look(s, d.id, &log);
    assert_int_equal(log.count, 2);
    assert_int_equal(replay(s, "msg_unknown", now), GOT_NONE);
}

struct listed {
    int count;
    char ids[32][DELIVERY_TEXT];
    enum delivery_state states[32];
};

static void see(void *arg, const struct delivery *d)
{
    struct listed *l = arg;
    assert_true(l->count < 32);
    l->states[l->count] = d->state;
    memcpy(l->ids[l->count++], d->id, DELIVERY_TEXT);
}

static struct listed list(struct store *s, struct delivery_filter f)
{
    struct err e;
    struct listed l = { 0 };
    if (!f.limit)
        f.limit = 32;
    MUST(s->ops->deliveries->list(s, &f, see, &l, &e));
    return l;
}

STORE(deliveries_are_listed_newest_first)
{
    char ids[6][TOKEN_TEXT], text[6][DELIVERY_TEXT];
    for (int i = 0; i < 6; i++) {
        admit_telling(s, true, false, ids[i]);
        delivery_id(DELIVERY_WEBHOOK, ids[i], text[i]);
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(finish(s, ids[i], VERDICT_ACCEPTED), GOT_ONE);
    struct delivery d[2];
    int64_t next;
    assert_int_equal(lease(s, soon(), d, 2, &next), 2);
    settle(s, &d[0], DELIVERY_DELIVERED, 200, 0);
    settle(s, &d[1], DELIVERY_FAILED, 500, 0);

    struct listed l = list(s, (struct delivery_filter){ 0 });
    assert_int_equal(l.count, 5); /* without the one that is owed */
    for (int i = 0; i < 5; i++)
        assert_string_equal(l.ids[i], text[4 - i]);
    l = list(s, (struct delivery_filter){ .has_state = true, .state = DELIVERY_OWED });
    assert_int_equal(l.count, 1);
    assert_string_equal(l.ids[0], text[5]);
    l = list(s, (struct delivery_filter){ .has_state = true, .state = DELIVERY_FAILED });
    assert_int_equal(l.count, 1);
    assert_string_equal(l.ids[0], d[1].id);
    l = list(s, (struct delivery_filter){ .has_state = true, .state = DELIVERY_PENDING });
    assert_int_equal(l.count, 3);
    l = list(s, (struct delivery_filter){ .job = ids[2] });
    assert_int_equal(l.count, 1);
    assert_string_equal(l.ids[0], text[2]);
    l = list(s, (struct delivery_filter){ .job = ids[5] });
    assert_int_equal(l.count, 0);
}

STORE(a_cursor_pages_through_deliveries)
{
    char ids[7][TOKEN_TEXT], text[DELIVERY_TEXT];
    for (int i = 0; i < 7; i++)
        make_due(s, ids[i]);
    struct listed page = { 0 };
    int seen = 0;
    do {
        char after[DELIVERY_TEXT];
        if (page.count)
            memcpy(after, page.ids[page.count - 1], sizeof after);
        page = list(s, (struct delivery_filter){ .limit = 3, .after = page.count ? after : NULL });
        for (int i = 0; i < page.count; i++, seen++) {
            delivery_id(DELIVERY_WEBHOOK, ids[6 - seen], text);
            assert_string_equal(page.ids[i], text);
        }
        char late[TOKEN_TEXT];
        make_due(s, late); /* comes in between and does not shift the pages */
    } while (page.count == 3);
    assert_int_equal(seen, 7);

    struct err e;
    struct listed none = { 0 };
    struct delivery_filter f = { .limit = 3, .after = "msg_unknown" };
    assert_false(s->ops->deliveries->list(s, &f, see, &none, &e));
    assert_int_equal(e.kind, ERR_INVALID);
}

STORE(stats_count_what_is_to_be_sent)
{
    struct err e;
    struct delivery_stats stats;
    MUST(s->ops->deliveries->stats(s, &stats, &e));
    assert_true(stats.pending == 0 && stats.oldest_due_us == 0);

    char ids[3][TOKEN_TEXT];
    int64_t before = wall_us();
    for (int i = 0; i < 3; i++)
        make_due(s, ids[i]);
    MUST(s->ops->deliveries->stats(s, &stats, &e));
    assert_int_equal(stats.pending, 3);
    assert_true(stats.oldest_due_us >= before && stats.oldest_due_us <= wall_us());
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    assert_int_equal(look(s, d.id, NULL).state, DELIVERY_DELIVERED);
    MUST(s->ops->deliveries->stats(s, &stats, &e));
    assert_int_equal(stats.pending, 2);
}

/* ---- with its submission ---- */

STORE(a_reopened_submission_owes_its_next_result)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit_telling(s, true, false, id);
    assert_int_equal(finish(s, id, VERDICT_INTERNAL_ERROR), GOT_ONE);
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    assert_int_equal(store_reopen(s, id, &e), GOT_ONE);
    assert_int_equal(look(s, d.id, NULL).state, DELIVERY_OWED);
    none_due(s, INT64_MAX / 2);
    assert_int_equal(finish(s, id, VERDICT_ACCEPTED), GOT_ONE);
    struct delivery again = lease_one(s, soon());
    assert_string_equal(again.id, d.id);
    assert_int_equal(again.attempts, 0);
}

STORE(deliveries_go_with_their_submission)
{
    struct err e;
    char removed[TOKEN_TEXT], swept[TOKEN_TEXT], hook[DELIVERY_TEXT];
    int64_t swept_count;
    make_due(s, removed);
    MUST(store_remove(s, removed, &e));
    delivery_id(DELIVERY_WEBHOOK, removed, hook);
    assert_false(is_there(s, hook));
    none_due(s, INT64_MAX / 2);

    admit_telling(s, true, true, swept);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, 1000);
    assert_int_equal(finish_with(s, swept, result), GOT_ONE);
    MUST(store_sweep(s, 1000 + retention_us, 10, &swept_count, &e));
    assert_in_range(swept_count, 1, w->backend->archives ? 2 : 1); /* here and there */
    none_due(s, INT64_MAX / 2);
    assert_int_equal(list(s, (struct delivery_filter){ 0 }).count, 0);
}

STORE(deliveries_of_archived_submissions_are_still_sent)
{
    struct err e;
    char id[TOKEN_TEXT];
    int64_t swept;
    admit_telling(s, true, false, id);
    CLEANUP(result_free) struct result *result = result_made(VERDICT_ACCEPTED, 1000);
    assert_int_equal(finish_with(s, id, result), GOT_ONE);
    MUST(store_archived(s, id, 1000, 2000, &e));
    MUST(store_sweep(s, 2000, 10, &swept, &e));
    assert_int_equal(swept, 1);
    assert_false(is_known(s, id));

    struct delivery d = lease_one(s, soon());
    assert_string_equal(d.job, id);
    settle(s, &d, DELIVERY_DELIVERED, 200, 0);
    MUST(store_sweep(s, wall_us() + 6 * 24 * 3600 * US_PER_S, 10, &swept, &e));
    assert_true(is_there(s, d.id));
    MUST(store_sweep(s, wall_us() + 8 * 24 * 3600 * US_PER_S, 10, &swept, &e));
    assert_false(is_there(s, d.id));
}

STORE(a_restart_keeps_deliveries_and_ends_their_leases)
{
    if (!w->backend->survives)
        skip();
    char owed[TOKEN_TEXT], due[TOKEN_TEXT], hook[DELIVERY_TEXT];
    admit_telling(s, true, false, owed);
    make_due(s, due);
    struct delivery d = lease_one(s, soon());
    settle(s, &d, DELIVERY_PENDING, 500, wall_us());
    d = lease_one(s, soon());
    reopen(w);
    delivery_id(DELIVERY_WEBHOOK, owed, hook);
    assert_int_equal(look(w->s, hook, NULL).state, DELIVERY_OWED);
    struct log log = { 0 };
    assert_int_equal(look(w->s, d.id, &log).attempts, 1);
    assert_int_equal(log.count, 1);
    int64_t now = w->backend->shared ? soon() + LEASE : soon(); /* another server may have it */
    struct delivery again = lease_one(w->s, now);
    assert_string_equal(again.id, d.id);
    assert_int_equal(again.attempts, 1);
}

static const struct CMUnitTest tests[] = {
    T(an_id_follows_from_the_submission),
    T(a_job_without_an_address_owes_nothing),
    T(a_delivery_is_owed_until_its_submission_is_final),
    T(every_kind_of_end_makes_it_due),
    T(a_result_that_came_too_late_makes_nothing_due_again),
    T(what_is_leased_is_not_given_twice),
    T(a_lease_takes_the_oldest_and_no_more_than_asked),
    T(of_many_senders_each_delivery_has_one),
    T(a_delivered_one_is_over),
    T(a_failed_attempt_comes_again_when_it_is_due),
    T(of_two_who_sent_at_one_time_the_first_counts),
    T(an_attempt_before_the_last_one_changes_nothing),
    T(the_log_is_bounded),
    T(a_replay_begins_a_new_round),
    T(deliveries_are_listed_newest_first),
    T(a_cursor_pages_through_deliveries),
    T(stats_count_what_is_to_be_sent),
    T(a_reopened_submission_owes_its_next_result),
    T(deliveries_go_with_their_submission),
    T(deliveries_of_archived_submissions_are_still_sent),
    T(a_restart_keeps_deliveries_and_ends_their_leases),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
