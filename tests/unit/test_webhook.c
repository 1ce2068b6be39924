/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "test.h"
#include "webhook/schedule.h"
#include "webhook/sign.h"

/* The test vector of Standard Webhooks. */
#define SECRET    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT        1614265330
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct signer *signer_of(const char *first, const char *second)
{
    const char *const secrets[] = { first, second, NULL };
    struct err e;
    struct signer *s = signer_new(secrets, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static bool verifies(const struct signer *s, const char *id, const char *at, const char *body,
                     const char *header)
{
    struct err e = { 0 };
    bool ok = signer_verify(s, id, at, str_of(body), header, AT, &e);
    assert_true(ok || (e.kind == ERR_INVALID && e.text[0]));
    return ok;
}

/* ---- signatures ---- */

TEST(the_test_vector_of_the_standard_is_met)
{
    static const char *const forms[] = { SECRET, "whsec_" SECRET };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        CLEANUP(signer_free) struct signer *s = signer_of(forms[i], NULL);
        CLEANUP(buf_done) struct buf out = { 0 };
        signer_sign(s, ID, AT, STR(BODY), &out);
        assert_string_equal(out.ptr, SIGNATURE);
    }
}

TEST(each_secret_signs_while_one_replaces_another)
{
    char other[SECRET_TEXT];
    secret_new(other);
    CLEANUP(signer_free) struct signer *both = signer_of("whsec_" SECRET, other);
    CLEANUP(buf_done) struct buf out = { 0 };
    signer_sign(both, ID, AT, STR(BODY), &out);
    assert_memory_equal(out.ptr, SIGNATURE " v1,", sizeof SIGNATURE " v1," - 1);

    CLEANUP(signer_free) struct signer *old = signer_of(SECRET, NULL);
    CLEANUP(signer_free) struct signer *new = signer_of(other, NULL);
    assert_true(verifies(old, ID, "1614265330", BODY, out.ptr));
    assert_true(verifies(new, ID, "1614265330", BODY, out.ptr));
    char third[SECRET_TEXT];
    secret_new(third);
    CLEANUP(signer_free) struct signer *stranger = signer_of(third, NULL);
    assert_false(verifies(stranger, ID, "1614265330", BODY, out.ptr));
}

TEST(whatever_was_changed_is_noticed)
{
    CLEANUP(signer_free) struct signer *s = signer_of(SECRET, NULL);
    assert_true(verifies(s, ID, "1614265330", BODY, SIGNATURE));
    assert_true(verifies(s, ID, "1614265330", BODY, "v1a,xyz v2,abc " SIGNATURE));
    assert_false(verifies(s, ID "x", "1614265330", BODY, SIGNATURE));
    assert_false(verifies(s, ID, "1614265331", BODY, SIGNATURE));
    assert_false(verifies(s, ID, "1614265330", BODY " ", SIGNATURE));
    assert_false(verifies(s, ID, "1614265330", BODY, "v1,g0hM9SsE"));
    assert_false(verifies(s, ID, "1614265330", BODY, "v2" SIGNATURE));
    assert_false(verifies(s, ID, "1614265330", BODY, ""));
    assert_false(verifies(s, NULL, "1614265330", BODY, SIGNATURE));
    assert_false(verifies(s, ID, NULL, BODY, SIGNATURE));
    assert_false(verifies(s, ID, "1614265330", BODY, NULL));
}

TEST(an_old_or_early_timestamp_is_refused)
{
    CLEANUP(signer_free) struct signer *s = signer_of(SECRET, NULL);
    static const int64_t off[] = { -301, -300, 300, 301 };
    for (size_t i = 0; i < COUNT_OF(off); i++) {
        CLEANUP(buf_done) struct buf header = { 0 };
        char at[24];
        signer_sign(s, ID, AT + off[i], STR(BODY), &header);
        snprintf(at, sizeof at, "%lld", (long long)(AT + off[i]));
        assert_int_equal(verifies(s, ID, at, BODY, header.ptr), i == 1 || i == 2);
    }
    assert_false(verifies(s, ID, "now", BODY, SIGNATURE));
    assert_false(verifies(s, ID, "-1614265330", BODY, SIGNATURE));
}

TEST(a_wrong_secret_is_named_by_its_place_and_not_shown)
{
    static const char *const bad[] = { "",
                                       "whsec_",
                                       "whsec_c2hvcnQ=",
                                       "whsec_not base64 at all, whatever it is",
                                       "whsec_" SECRET "=",
                                       "whpk_" SECRET };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *const secrets[] = { SECRET, bad[i], NULL };
        struct err e = { 0 };
        assert_null(signer_new(secrets, &e));
        assert_int_equal(e.kind, ERR_INVALID);
        assert_non_null(strstr(e.text, "secret 2"));
        assert_true(strlen(bad[i]) < 8 || !strstr(e.text, bad[i] + 6));
    }
    CLEANUP(buf_done) struct buf key = { 0 };
    char large[200];
    memset(large, 'A', sizeof large);
    large[88] = '\0'; /* 66 bytes */
    const char *const secrets[] = { large, NULL };
    struct err e = { 0 };
    assert_null(signer_new(secrets, &e));
}

TEST(without_secrets_nothing_is_signed)
{
    CLEANUP(signer_free) struct signer *s = signer_of(NULL, NULL);
    CLEANUP(buf_done) struct buf out = { 0 };
    assert_true(signer_is_empty(s));
    signer_sign(s, ID, AT, STR(BODY), &out);
    assert_int_equal(out.len, 0);
    assert_false(verifies(s, ID, "1614265330", BODY, SIGNATURE));
}

TEST(new_secrets_are_good_and_differ)
{
    char a[SECRET_TEXT], b[SECRET_TEXT];
    secret_new(a);
    secret_new(b);
    assert_string_not_equal(a, b);
    CLEANUP(signer_free) struct signer *s = signer_of(a, b);
    assert_false(signer_is_empty(s));
}

/* ---- the schedule ---- */

static struct schedule schedule_of(const char *const *words)
{
    struct schedule s = { 0 };
    struct err e;
    MUST(schedule_read(words, &s, &e));
    return s;
}

TEST(a_schedule_is_read_in_seconds_and_units)
{
    static const char *const words[] = { "0", "5", "1.5", "300ms", "5min", "2h", "1d", NULL };
    static const int64_t ms[] = { 0, 5000, 1500, 300, 300000, 7200000, 86400000 };
    struct schedule s = schedule_of(words);
    assert_int_equal(s.count, 7);
    for (int i = 0; i < s.count; i++)
        assert_int_equal(s.delay_us[i], ms[i] * US_PER_MS);
}

TEST(a_wrong_schedule_is_refused)
{
    static const char *const bad[][3] = { { "5", NULL },       { "0", "x" },    { "0", "-1" },
                                          { "0", "5 s" },      { "0", "31d" },  { "0", "" },
                                          { "0", "1e3" },      { "0", "0x10" }, { "0", "nan" },
                                          { "0", "99999999d" } };
    static const char *const none[] = { NULL };
    struct schedule s;
    struct err e = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (schedule_read(bad[i], &s, &e))
            fail_msg("%s %s is taken", bad[i][0], bad[i][1] ? bad[i][1] : "");
    assert_false(schedule_read(none, &s, &e));
    const char *many[SCHEDULE_MOST + 2];
    for (int i = 0; i <= SCHEDULE_MOST; i++)
        many[i] = "0";
    many[SCHEDULE_MOST + 1] = NULL;
    assert_false(schedule_read(many, &s, &e));
}

TEST(each_attempt_has_its_delay_and_the_last_one_ends_it)
{
    static const char *const words[] = { "0", "5", "300", NULL };
    struct schedule s = schedule_of(words);
    int64_t due = 0;
    assert_true(schedule_next(&s, 1, -1, 0, 1000, &due));
    assert_int_equal(due, 1000 + 5 * US_PER_S);
    assert_true(schedule_next(&s, 2, -1, 0, 1000, &due));
    assert_int_equal(due, 1000 + 300 * US_PER_S);
    assert_false(schedule_next(&s, 3, -1, 0, 1000, &due));
    assert_false(schedule_next(&s, 99, -1, 0, 1000, &due));
}

TEST(jitter_only_adds_and_at_most_a_fifth)
{
    static const char *const words[] = { "0", "100", "30d", NULL };
    struct schedule s = schedule_of(words);
    int64_t due = 0;
    assert_true(schedule_next(&s, 1, -1, 0.5, 0, &due));
    assert_int_equal(due, 110 * US_PER_S);
    assert_true(schedule_next(&s, 1, -1, 1, 0, &due));
    assert_int_equal(due, 120 * US_PER_S);
    assert_true(schedule_next(&s, 2, -1, 1, 0, &due)); /* five minutes at most */
    assert_int_equal(due, (INT64_C(30) * 86400 + 300) * US_PER_S);
}

TEST(retry_after_delays_but_never_hurries_and_is_bounded_by_a_day)
{
    static const char *const words[] = { "0", "60", NULL };
    struct schedule s = schedule_of(words);
    int64_t due = 0;
    assert_true(schedule_next(&s, 1, 90 * US_PER_S, 0, 0, &due));
    assert_int_equal(due, 90 * US_PER_S);
    assert_true(schedule_next(&s, 1, 1 * US_PER_S, 0, 0, &due));
    assert_int_equal(due, 60 * US_PER_S);
    assert_true(schedule_next(&s, 1, INT64_C(999999) * US_PER_S, 0, 0, &due));
    assert_int_equal(due, INT64_C(86400) * US_PER_S);
    assert_false(schedule_next(&s, 2, 90 * US_PER_S, 0, 0, &due));
}

TEST(judge0s_tries_come_at_growing_distances)
{
    struct schedule s = schedule_of_tries(3);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.delay_us[0], 0);
    assert_int_equal(s.delay_us[1], US_PER_S);
    assert_int_equal(s.delay_us[2], 2 * US_PER_S);
    s = schedule_of_tries(1000);
    assert_int_equal(s.count, SCHEDULE_MOST);
    assert_int_equal(s.delay_us[SCHEDULE_MOST - 1], 60 * US_PER_S);
    assert_int_equal(schedule_of_tries(0).count, 1);
}

RUN_TESTS(T(the_test_vector_of_the_standard_is_met),
          T(each_secret_signs_while_one_replaces_another), T(whatever_was_changed_is_noticed),
          T(an_old_or_early_timestamp_is_refused),
          T(a_wrong_secret_is_named_by_its_place_and_not_shown),
          T(without_secrets_nothing_is_signed), T(new_secrets_are_good_and_differ),
          T(a_schedule_is_read_in_seconds_and_units), T(a_wrong_schedule_is_refused),
          T(each_attempt_has_its_delay_and_the_last_one_ends_it),
          T(jitter_only_adds_and_at_most_a_fifth),
          T(retry_after_delays_but_never_hurries_and_is_bounded_by_a_day),
          T(judge0s_tries_come_at_growing_distances))
