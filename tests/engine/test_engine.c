/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine.c - the order in which the engine does things, over a box made of a few lines. */
#include "unit/test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/selftest.h"
#include "fake_box.h"
#include "submit.h"

static struct engine *start(int lanes, const char *folder)
{
    struct err e = { 0 };
    struct engine_config config = { .lanes = lanes, .cache_folder = folder };
    struct engine *en = engine_start(&config, NULL, NULL, &e);
    if (!en)
        fail_msg("engine_start: %s", e.text);
    return en;
}

static struct engine_stats stats_of(struct engine *en)
{
    struct engine_stats stats;
    engine_stats(en, &stats);
    return stats;
}

static int set_up(UNUSED void **state)
{
    fake_reset();
    return 0;
}

TEST(a_program_that_prints_what_is_expected_is_accepted)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct job *job = job_of("script", "print hello\ncat");
    job_tests(job, 1, "you", "hello\nyou");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct result *r = submitted_wait(s);
    assert_non_null(r);
    assert_string_equal(verdict_name(r->verdict), "accepted");
    assert_false(r->compiled);
    assert_int_equal(r->test_count, 1);
    assert_string_equal(r->tests[0].id, "1");
    assert_int_equal(r->tests[0].outcome.cpu_us, 1000);
    assert_int_equal(r->attempt, 1);
    assert_true(r->started_us > 0 && r->finished_us >= r->started_us);
    assert_int_equal(s->told_count, 1);
}

TEST(another_output_is_a_wrong_answer)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct job *job = job_of("compiled", "print hello");
    job_tests(job, 1, NULL, "goodbye");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "wrong_answer");
    assert_true(r->compiled);
    assert_string_equal(verdict_name(r->compile.verdict), "accepted");
}

TEST(a_compile_error_runs_no_test_and_shows_what_the_compiler_said)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free)
    struct submitted *s = submit(en, job_of("compiled", "#error no semicolon"));
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "compile_error");
    assert_int_equal(r->test_count, 0);
    assert_true(str_is(r->compile.out, "#error no semicolon\n"));
    assert_int_equal(r->compile.exit_code, 1);
    assert_non_null(r->message);
    assert_int_equal(fake_state().runs, 0);
}

TEST(a_compiler_stopped_by_a_limit_is_a_compile_error_that_is_not_kept)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    for (int i = 1; i <= 2; i++) {
        CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("compiled", "#slow"));
        struct result *r = submitted_wait(s);
        assert_string_equal(verdict_name(r->verdict), "compile_error");
        assert_string_equal(r->compile.limit, "wall_time");
        assert_non_null(strstr(r->message, "While compiling"));
        assert_int_equal(fake_state().builds, i);
    }
}

TEST(a_build_that_leaves_nothing_is_a_compile_error)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("compiled", "#nothing"));
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "compile_error");
    assert_non_null(strstr(r->message, "a.out"));
}

TEST(the_second_equal_build_comes_from_the_cache_with_its_warnings)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#warn unused"));
    assert_false(submitted_wait(a)->cached);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#warn unused"));
    struct result *r = submitted_wait(b);
    assert_true(r->cached);
    assert_string_equal(verdict_name(r->verdict), "accepted");
    assert_true(str_is(r->compile.out, "#warn unused\n"));
    assert_int_equal(fake_state().builds, 1);
    assert_int_equal(fake_state().runs, 2);
    assert_int_equal(stats_of(en).cache_hits, 1);
    assert_int_equal(stats_of(en).cache_misses, 1);
}

TEST(a_compile_error_is_remembered_too)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    for (int i = 0; i < 2; i++) {
        CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("compiled", "#error x"));
        struct result *r = submitted_wait(s);
        assert_string_equal(verdict_name(r->verdict), "compile_error");
        assert_int_equal(r->cached, i);
        assert_true(str_is(r->compile.out, "#error x\n"));
    }
    assert_int_equal(fake_state().builds, 1);
}

TEST(other_options_or_sources_are_another_build)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    const char *options[][2] = { { NULL, NULL }, { "-O1", NULL }, { "-O2", NULL }, { NULL } };
    for (int i = 0; i < 4; i++) {
        struct job *job = job_of("compiled", i == 3 ? "print b" : "print a");
        job->compiler_options = options[i];
        CLEANUP(submitted_free) struct submitted *s = submit(en, job);
        assert_false(submitted_wait(s)->cached);
    }
    assert_int_equal(fake_state().builds, 4);
}

TEST(a_job_that_wants_no_cache_builds_again)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    for (int i = 1; i <= 2; i++) {
        struct job *job = job_of("compiled", "print a");
        job->cache = CACHE_NONE;
        CLEANUP(submitted_free) struct submitted *s = submit(en, job);
        assert_false(submitted_wait(s)->cached);
        assert_int_equal(fake_state().builds, i);
    }
}

TEST(equal_builds_at_the_same_time_run_once_and_hold_no_other_lane)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\nprint a"));
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\nprint a"));
    CLEANUP(submitted_free) struct submitted *c = submit(en, job_of("compiled", "#gate\nprint a"));

    /* b and c wait for a's build; the second lane is free for others meanwhile. */
    CLEANUP(submitted_free) struct submitted *other = submit(en, job_of("script", "print x"));
    assert_string_equal(verdict_name(submitted_wait(other)->verdict), "accepted");
    assert_false(b->done || c->done);

    fake_open_gate();
    assert_false(submitted_wait(a)->cached);
    assert_true(submitted_wait(b)->cached);
    assert_true(submitted_wait(c)->cached);
    assert_string_equal(verdict_name(c->result->verdict), "accepted");
    assert_int_equal(fake_state().builds, 1);
}

TEST(a_build_that_is_not_kept_still_answers_those_that_waited_for_it)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\n#slow"));
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\n#slow"));
    CLEANUP(submitted_free) struct submitted *other = submit(en, job_of("script", "print x"));
    submitted_wait(other);
    fake_open_gate();
    assert_string_equal(verdict_name(submitted_wait(a)->verdict), "compile_error");
    assert_string_equal(verdict_name(submitted_wait(b)->verdict), "compile_error");
    assert_int_equal(fake_state().builds, 1);
}

TEST(a_cancelled_build_is_made_by_one_of_those_that_wait_for_it)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\nprint a"));
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\nprint a"));
    CLEANUP(submitted_free) struct submitted *other = submit(en, job_of("script", "print x"));
    submitted_wait(other);
    engine_cancel(en, a->job->id);
    assert_string_equal(verdict_name(submitted_wait(a)->verdict), "cancelled");
    fake_open_gate();
    assert_string_equal(verdict_name(submitted_wait(b)->verdict), "accepted");
    assert_false(b->result->cached);
    assert_int_equal(fake_state().builds, 2);
}

TEST(a_job_waiting_for_a_build_can_be_cancelled)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\nprint a"));
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\nprint a"));
    CLEANUP(submitted_free) struct submitted *other = submit(en, job_of("script", "print x"));
    submitted_wait(other);
    engine_cancel(en, b->job->id);
    assert_string_equal(verdict_name(submitted_wait(b)->verdict), "cancelled");
    fake_open_gate();
    assert_string_equal(verdict_name(submitted_wait(a)->verdict), "accepted");
}

TEST(tests_of_a_job_use_every_idle_lane)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    assert_true(engine_wait_room(en, US_PER_S));
    struct job *job = job_of("compiled", "gate\ncat");
    job_tests(job, 20, "x", "x");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    fake_wait_at_gate(2); /* never reached if one lane did them all */
    fake_open_gate();
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "accepted");
    assert_int_equal(r->test_count, 20);
    for (size_t i = 0; i < 20; i++)
        assert_string_equal(verdict_name(r->tests[i].outcome.verdict), "accepted");
    assert_int_equal(s->told_count, 20);
    assert_int_equal(fake_state().lanes, 3);
    assert_int_equal(fake_state().builds, 1);
    assert_true(r->score == 1.0);
    assert_int_equal(r->cpu_us, 20 * 1000);
}

TEST(tests_of_a_begun_job_go_before_a_new_one)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct job *job = job_of("script", "once");
    job_tests(job, 5, NULL, NULL);
    CLEANUP(submitted_free) struct submitted *many = submit(en, job);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *later = submit(en, job_of("script", "exit 1"));
    fake_open_gate();
    submitted_wait(later);
    assert_true(many->done);
    assert_int_equal(many->told_count, 5);
}

TEST(behind_the_first_failure_everything_is_skipped_even_what_ran)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    assert_true(engine_wait_room(en, US_PER_S));
    /* Test 0 waits at the gate, the other lane meanwhile runs test 1, and it fails. */
    struct job *job = job_of("script", "once\ncat");
    job->stop_on_failure = true;
    job_tests(job, 6, "good", "good");
    job->tests[1].stdin_data = STR("bad");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    fake_wait_at_gate(1);
    while (fake_state().runs < 2)
        sched_yield();
    fake_open_gate();
    struct result *r = submitted_wait(s);
    const char *expected[] = { "accepted", "wrong_answer", "skipped",
                               "skipped",  "skipped",      "skipped" };
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(verdict_name(r->tests[i].outcome.verdict), expected[i]);
    assert_string_equal(verdict_name(r->verdict), "wrong_answer");
    assert_int_equal(s->told_count, 2);
    assert_int_equal(s->told[0], 0);
    assert_int_equal(s->told[1], 1);
}

TEST(the_first_failure_in_order_counts_not_the_first_in_time)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    assert_true(engine_wait_room(en, US_PER_S));
    struct job *job = job_of("script", "once\ncat");
    job->stop_on_failure = true;
    job_tests(job, 4, "good", "good");
    /* Whichever test is held at the gate, both 0 and 1 fail in the end. */
    job->tests[0].expected = job->tests[1].expected = STR("other");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    fake_wait_at_gate(1);
    fake_open_gate();
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->tests[0].outcome.verdict), "wrong_answer");
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(verdict_name(r->tests[i].outcome.verdict), "skipped");
    assert_int_equal(s->told_count, 1);
}

TEST(what_runs_behind_the_first_failure_is_broken_off)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    assert_true(engine_wait_room(en, US_PER_S));
    struct job *job = job_of("script", "pair\ncat\ngate for bad");
    job->stop_on_failure = true;
    job_tests(job, 2, "bad", "good");
    job->tests[0].stdin_data = STR("other");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct result *r = submitted_wait(s); /* nobody opens the gate for test 1 */
    assert_string_equal(verdict_name(r->tests[0].outcome.verdict), "wrong_answer");
    assert_string_equal(verdict_name(r->tests[1].outcome.verdict), "skipped");
}

TEST(a_running_job_can_be_cancelled)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("script", "gate"));
    fake_wait_at_gate(1);
    engine_cancel(en, s->job->id);
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "cancelled");
    assert_string_equal(verdict_name(r->tests[0].outcome.verdict), "cancelled");
    assert_int_equal(fake_state().cancelled, 1);
}

TEST(tests_done_before_the_cancel_keep_their_results)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct job *job = job_of("script", "cat\ngate for bad");
    job_tests(job, 3, "good", "good");
    job->tests[1].stdin_data = STR("bad");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    fake_wait_at_gate(1);
    engine_cancel(en, s->job->id);
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "cancelled");
    assert_int_equal(r->test_count, 3);
    assert_string_equal(verdict_name(r->tests[0].outcome.verdict), "accepted");
    assert_string_equal(verdict_name(r->tests[1].outcome.verdict), "cancelled");
    assert_string_equal(verdict_name(r->tests[2].outcome.verdict), "cancelled");
    assert_int_equal(s->told_count, 1);
}

static void wait_until_told(struct submitted *s, int count)
{
    pthread_mutex_lock(&s->lock);
    while (s->told_count < count && !s->done)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

TEST(while_one_builds_only_a_few_equal_jobs_are_let_in)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    struct submitted *s[100];
    int n = 0;
    s[n++] = submit(en, job_of("compiled", "#gate\nprint x"));
    fake_wait_at_gate(1);
    while (n < 100 && engine_wait_room(en, 500 * US_PER_MS) > 0)
        s[n++] = submit(en, job_of("compiled", "#gate\nprint x"));
    assert_in_range(n, 2, 1 + 2 * 4);

    engine_cancel(en, s[n - 1]->job->id);
    submitted_wait(s[n - 1]);
    assert_true(engine_wait_room(en, 5 * US_PER_S) > 0);
    fake_open_gate();
    for (int i = 0; i < n; i++) {
        const char *wanted = i < n - 1 ? "accepted" : "cancelled";
        assert_string_equal(verdict_name(submitted_wait(s[i])->verdict), wanted);
        submitted_free(s[i]);
    }
    assert_true(engine_wait_room(en, 5 * US_PER_S) > 0);
}

/*
 * Two jobs begun at the same moment: the lanes go on with the tests of the first, and no lane has
 * the second while tests of it wait. Among so many rounds that state is cancelled often.
 */
TEST(a_job_cancelled_between_two_of_its_tests_ends_all_the_same)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    for (int i = 0; i < 500; i++) {
        struct job *first = job_of("script", "print a"), *second = job_of("script", "print b");
        job_tests(first, 60, NULL, NULL);
        job_tests(second, 8, NULL, NULL);
        CLEANUP(submitted_free) UNUSED struct submitted *a = submit(en, first);
        CLEANUP(submitted_free) struct submitted *b = submit(en, second);
        wait_until_told(b, 1);
        engine_cancel(en, second->id);
        submitted_wait(b);
        assert_true(b->result->verdict == VERDICT_CANCELLED ||
                    b->result->verdict == VERDICT_ACCEPTED);
    }
}

TEST(a_cancel_that_comes_before_the_program_runs_is_repeated)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    fake_set((struct fake_box_state){ .late_cancel = 3 });
    CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("script", "gate"));
    fake_wait_at_gate(1);
    engine_cancel(en, s->job->id);
    assert_string_equal(verdict_name(submitted_wait(s)->verdict), "cancelled");
}

TEST(a_job_nobody_has_begun_can_be_cancelled)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("script", "gate"));
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("script", "print b"));
    engine_cancel(en, b->job->id);
    engine_cancel(en, "no such job");
    fake_open_gate();
    assert_string_equal(verdict_name(submitted_wait(a)->verdict), "accepted");
    assert_string_equal(verdict_name(submitted_wait(b)->verdict), "cancelled");
    assert_int_equal(fake_state().runs, 1);
}

TEST(trouble_of_ours_is_tried_again_and_never_a_verdict)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    fake_set((struct fake_box_state){ .run_fails = 2 });
    struct job *job = job_of("script", "print a");
    job_tests(job, 1, NULL, "a");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    assert_string_equal(verdict_name(submitted_wait(s)->verdict), "accepted");
    assert_int_equal(stats_of(en).rebuilds, 2);
}

TEST(trouble_that_stays_gives_the_job_back)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    fake_set((struct fake_box_state){ .run_fails = 3 });
    CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("script", "print a"));
    assert_null(submitted_wait(s));
    assert_int_equal(s->err.kind, ERR_SYSTEM);
    assert_non_null(strstr(s->err.text, "the lane died"));

    CLEANUP(submitted_free) struct submitted *next = submit(en, job_of("script", "print a"));
    assert_non_null(submitted_wait(next)); /* the lane works again */
}

TEST(a_language_without_its_toolchain_is_trouble_of_ours)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    CLEANUP(submitted_free) struct submitted *s = submit(en, job_of("absent", ""));
    assert_null(submitted_wait(s));
    assert_int_equal(s->err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(s->err.text, "absent-tools"));
}

TEST(stop_gives_every_job_back)
{
    struct engine *en = start(2, NULL);
    struct submitted *s[8];
    for (int i = 0; i < 8; i++) {
        struct job *job = job_of(i % 2 ? "script" : "compiled", i % 2 ? "gate" : "#gate\nprint x");
        job_tests(job, i % 3 ? 1 : 5, NULL, NULL);
        s[i] = submit(en, job);
    }
    fake_wait_at_gate(2);
    engine_stop(en);
    for (int i = 0; i < 8; i++) {
        assert_true(s[i]->done);
        assert_null(s[i]->result);
        assert_int_equal(s[i]->err.kind, ERR_UNAVAILABLE);
        submitted_free(s[i]);
    }
}

TEST(a_lane_that_cannot_be_opened_stops_the_start)
{
    fake_set((struct fake_box_state){ .open_fails = 2 });
    struct err e = { 0 };
    struct engine_config config = { .lanes = 3 };
    assert_null(engine_start(&config, NULL, NULL, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "seccomp"));
}

TEST(there_is_room_while_a_lane_is_idle)
{
    CLEANUP(engine_stop) struct engine *en = start(2, NULL);
    assert_true(engine_wait_room(en, US_PER_S));
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit(en, job_of("script", "gate"));
    assert_true(engine_wait_room(en, US_PER_S)); /* one lane is left */
    CLEANUP(submitted_free) UNUSED struct submitted *b = submit(en, job_of("script", "gate"));
    assert_false(engine_wait_room(en, 0));
    assert_int_equal(stats_of(en).jobs_running, 2);
    fake_open_gate();
    assert_true(engine_wait_room(en, 10 * US_PER_S));
}

TEST(runs_are_repeated_until_one_fails)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct job *job = job_of("script", "print a");
    job->runs = 4;
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct result *r = submitted_wait(s);
    assert_int_equal(fake_state().runs, 4);
    assert_int_equal(r->tests[0].outcome.wall_us, 3000); /* the means */
    assert_int_equal(r->tests[0].outcome.cpu_us, 1000);
    assert_int_equal(r->tests[0].outcome.memory_bytes, 5);

    struct job *bad = job_of("script", "exit 3");
    bad->runs = 4;
    CLEANUP(submitted_free) struct submitted *t = submit(en, bad);
    assert_string_equal(verdict_name(submitted_wait(t)->verdict), "runtime_error");
    assert_int_equal(fake_state().runs, 5);
}

TEST(outputs_of_many_tests_are_cut_together_and_judged_whole)
{
    struct err e = { 0 };
    struct engine_config config = { .lanes = 1, .result_bytes = 8 };
    CLEANUP(engine_stop) struct engine *en = engine_start(&config, NULL, NULL, &e);
    MUST(en);
    struct job *job = job_of("script", "cat");
    job_tests(job, 3, "12345", "12345");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct result *r = submitted_wait(s);
    assert_string_equal(verdict_name(r->verdict), "accepted");
    size_t kept = 0, cut = 0;
    for (size_t i = 0; i < 3; i++) {
        kept += r->tests[i].outcome.out.len;
        cut += r->tests[i].outcome.out_cut;
    }
    assert_int_equal(kept, 8);
    assert_int_equal(cut, 2);
}

TEST(arguments_of_a_test_take_the_place_of_the_jobs)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    const char *of_job[] = { "one", NULL }, *of_test[] = { "two", "three", NULL };
    struct job *job = job_of("compiled", "args");
    job->args = of_job;
    job_tests(job, 2, NULL, "one");
    job->tests[1].args = of_test;
    job->tests[1].expected = STR("two\nthree");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    assert_string_equal(verdict_name(submitted_wait(s)->verdict), "accepted");
}

TEST(the_environment_is_ours_then_the_languages_then_the_jobs)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    const char *env[] = { "LANG=de_DE.UTF-8", "MINE=1", NULL };
    struct job *job = job_of("compiled", "env");
    job->env = env;
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    struct str out = submitted_wait(s)->tests[0].outcome.out;
    assert_true(str_is(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                            "HOME=/box\nLANG=de_DE.UTF-8\nLC_ALL=C.UTF-8\nCOMPILED=1\nMINE=1\n"));
}

TEST(the_self_test_of_a_language_tells_whether_it_works)
{
    CLEANUP(engine_stop) struct engine *en = start(1, NULL);
    struct err e = { 0 };
    CLEANUP(result_free) struct result *good = NULL;
    MUST(language_selftest(en, catalogue_find(NULL, STR("compiled"), &e), &good, &e));
    assert_string_equal(verdict_name(good->verdict), "accepted");
    CLEANUP(result_free) struct result *bad = NULL;
    MUST(language_selftest(en, catalogue_find(NULL, STR("script"), &e), &bad, &e));
    assert_string_equal(verdict_name(bad->verdict), "wrong_answer");
    struct result *none = NULL;
    assert_false(language_selftest(en, catalogue_find(NULL, STR("absent"), &e), &none, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

TEST(builds_on_disk_outlive_the_engine)
{
    char folder[] = "/tmp/evalx-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        CLEANUP(engine_stop) struct engine *en = start(1, folder);
        struct job *job = job_of("compiled", "#warn w\nprint kept");
        job_tests(job, 1, NULL, "kept");
        CLEANUP(submitted_free) struct submitted *s = submit(en, job);
        struct result *r = submitted_wait(s);
        assert_string_equal(verdict_name(r->verdict), "accepted");
        assert_true(str_is(r->compile.out, "#warn w\n"));
        assert_int_equal(r->cached, i);
        assert_true(stats_of(en).cache_bytes > 0);
        if (i == 1) {
            engine_cache_clear(en);
            assert_int_equal(stats_of(en).cache_bytes, 0);
        }
    }
    assert_int_equal(fake_state().builds, 1);
    for (unsigned i = 0; i < 256; i++) {
        char sub[40];
        snprintf(sub, sizeof sub, "%s/%02x", folder, i);
        rmdir(sub);
    }
    assert_int_equal(rmdir(folder), 0); /* cleared: nothing is left but the folders */
}

TEST(hundreds_of_jobs_at_once_each_finish_once)
{
    enum { JOBS = 300 };
    static struct submitted *s[JOBS];
    CLEANUP(engine_stop) struct engine *en = start(4, NULL);
    for (int i = 0; i < JOBS; i++) {
        char source[40];
        snprintf(source, sizeof source, "print %d\ncat", i % 7);
        struct job *job = job_of(i % 2 ? "script" : "compiled", source);
        job_tests(job, (size_t)(i % 5) + 1, "x", i % 11 ? NULL : "y");
        job->stop_on_failure = i % 3 == 0;
        s[i] = submit(en, job);
        if (i % 13 == 0)
            engine_cancel(en, s[i / 2]->job->id);
    }
    for (int i = 0; i < JOBS; i++) {
        assert_non_null(submitted_wait(s[i]));
        submitted_free(s[i]);
    }
    assert_true(fake_state().builds <= JOBS);
    assert_int_equal(stats_of(en).jobs_running, 0);
}

#define E(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        E(a_program_that_prints_what_is_expected_is_accepted),
        E(another_output_is_a_wrong_answer),
        E(a_compile_error_runs_no_test_and_shows_what_the_compiler_said),
        E(a_compiler_stopped_by_a_limit_is_a_compile_error_that_is_not_kept),
        E(a_build_that_leaves_nothing_is_a_compile_error),
        E(the_second_equal_build_comes_from_the_cache_with_its_warnings),
        E(a_compile_error_is_remembered_too),
        E(other_options_or_sources_are_another_build),
        E(a_job_that_wants_no_cache_builds_again),
        E(equal_builds_at_the_same_time_run_once_and_hold_no_other_lane),
        E(a_build_that_is_not_kept_still_answers_those_that_waited_for_it),
        E(a_cancelled_build_is_made_by_one_of_those_that_wait_for_it),
        E(a_job_waiting_for_a_build_can_be_cancelled),
        E(while_one_builds_only_a_few_equal_jobs_are_let_in),
        E(tests_of_a_job_use_every_idle_lane),
        E(tests_of_a_begun_job_go_before_a_new_one),
        E(behind_the_first_failure_everything_is_skipped_even_what_ran),
        E(the_first_failure_in_order_counts_not_the_first_in_time),
        E(what_runs_behind_the_first_failure_is_broken_off),
        E(a_running_job_can_be_cancelled),
        E(tests_done_before_the_cancel_keep_their_results),
        E(a_job_cancelled_between_two_of_its_tests_ends_all_the_same),
        E(a_cancel_that_comes_before_the_program_runs_is_repeated),
        E(a_job_nobody_has_begun_can_be_cancelled),
        E(trouble_of_ours_is_tried_again_and_never_a_verdict),
        E(trouble_that_stays_gives_the_job_back),
        E(a_language_without_its_toolchain_is_trouble_of_ours),
        E(stop_gives_every_job_back),
        E(a_lane_that_cannot_be_opened_stops_the_start),
        E(there_is_room_while_a_lane_is_idle),
        E(runs_are_repeated_until_one_fails),
        E(outputs_of_many_tests_are_cut_together_and_judged_whole),
        E(arguments_of_a_test_take_the_place_of_the_jobs),
        E(the_environment_is_ours_then_the_languages_then_the_jobs),
        E(the_self_test_of_a_language_tells_whether_it_works),
        E(builds_on_disk_outlive_the_engine),
        E(hundreds_of_jobs_at_once_each_finish_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
