/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lending.c - who computes when: cores that are lent, lanes opened for it, memory that is
 * admitted. Over the fake box, so nothing here depends on how fast the machine is.
 */
#include "unit/test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "fake_box.h"
#include "submit.h"

enum { MIB = 1 << 20 };

static struct engine *start_with(struct engine_config config)
{
    struct err e = { 0 };
    struct engine *en = engine_start(&config, NULL, NULL, &e);
    if (!en)
        fail_msg("engine_start: %s", e.text);
    return en;
}

static struct engine *start(int lanes, int lanes_max)
{
    return start_with((struct engine_config){ .lanes = lanes, .lanes_max = lanes_max });
}

static struct engine_stats stats_of(struct engine *en)
{
    struct engine_stats stats;
    engine_stats(en, &stats);
    return stats;
}

/* So much memory for all of them. */
static struct engine *start_small(int mib)
{
    return start_with((struct engine_config){ .lanes = 4, .memory_bytes = (int64_t)mib * MIB });
}

static struct submitted *submit_script(struct engine *en, const char *source, const char *expected)
{
    struct job *job = job_of("script", source);
    job_tests(job, 1, NULL, expected);
    return submit(en, job);
}

static struct submitted *submit_mib(struct engine *en, const char *source, const char *expected,
                                    int mib)
{
    struct job *job = job_of("script", source);
    job_tests(job, 1, NULL, expected);
    job->tests[0].limits.memory_bytes = (int64_t)mib * MIB;
    return submit(en, job);
}

static void assert_verdict(struct submitted *s, const char *verdict)
{
    struct result *r = submitted_wait(s);
    if (!r)
        fail_msg("trouble: %s", s->err.text);
    assert_string_equal(verdict_name(r->verdict), verdict);
}

static void wait_for_waiting(struct engine *en, int lanes)
{
    while (stats_of(en).lanes_waiting < lanes)
        sched_yield();
}

static int set_up(UNUSED void **state)
{
    fake_reset();
    return 0;
}

/* ---- lending ---- */

TEST(while_a_program_waits_others_compute)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 0);
    CLEANUP(submitted_free) struct submitted *sleeps = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(1);
    assert_true(engine_wait_room(en, US_PER_S));
    for (int i = 0; i < 5; i++) {
        CLEANUP(submitted_free) struct submitted *s = submit_script(en, "print x", "x");
        assert_verdict(s, "accepted");
    }
    assert_false(sleeps->done);
    assert_int_equal(stats_of(en).lanes_open, 2);
    assert_int_equal(stats_of(en).lanes_waiting, 1);
    fake_open_gate();
    assert_verdict(sleeps, "accepted");
    assert_int_equal(stats_of(en).lanes_waiting, 0);
}

TEST(nothing_new_starts_beside_a_program_that_woke_up)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 0);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_script(en, "nap\ngate", NULL);
    wait_for_waiting(en, 1);
    CLEANUP(submitted_free) UNUSED struct submitted *b = submit_script(en, "gate", NULL);
    fake_wait_at_gate(2); /* both compute on the one core */
    assert_false(engine_wait_room(en, 0));
    CLEANUP(submitted_free) struct submitted *c = submit_script(en, "number", "3");
    assert_false(engine_wait_room(en, 20 * US_PER_MS));
    assert_int_equal(fake_state().runs, 2);
    assert_int_equal(stats_of(en).lanes_busy, 1); /* of one: never more than may */
    fake_open_gate();
    assert_verdict(c, "accepted");
}

TEST(no_more_lanes_than_allowed_are_opened)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 3);
    struct submitted *s[7];
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(3);
    assert_false(engine_wait_room(en, 20 * US_PER_MS));
    assert_int_equal(stats_of(en).lanes_open, 3);
    assert_int_equal(stats_of(en).lanes_max, 3);
    fake_open_gate();
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_verdict(s[i], "accepted");
        submitted_free(s[i]);
    }
    assert_int_equal(fake_state().most_running, 3);
}

TEST(with_no_more_lanes_than_cores_nothing_is_lent)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 1);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(1);
    assert_false(engine_wait_room(en, 20 * US_PER_MS));
    assert_int_equal(stats_of(en).lanes_waiting, 0);
    assert_int_equal(stats_of(en).lanes_open, 1);
    fake_open_gate();
}

TEST(a_further_lane_that_cannot_be_opened_is_done_without)
{
    fake_set((struct fake_box_state){ .open_fails = -1 });
    CLEANUP(engine_stop) struct engine *en = start(1, 0);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *b = submit_script(en, "print x", "x");
    while (engine_wait_room(en, 0))
        sched_yield();
    assert_false(b->done);
    fake_open_gate();
    assert_verdict(b, "accepted");
    assert_int_equal(stats_of(en).lanes_open, 1);
}

TEST(a_program_that_waits_can_be_cancelled)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 0);
    CLEANUP(submitted_free) struct submitted *s = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(1);
    engine_cancel(en, s->job->id);
    assert_verdict(s, "cancelled");
    CLEANUP(submitted_free) struct submitted *next = submit_script(en, "print x", "x");
    assert_verdict(next, "accepted");
}

TEST(stop_waits_for_no_program_that_waits)
{
    struct engine *en = start(2, 0);
    struct submitted *s[10];
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = submit_script(en, "sleep", NULL);
    fake_wait_at_gate(10);
    engine_stop(en);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_null(submitted_wait(s[i]));
        submitted_free(s[i]);
    }
}

TEST(a_wall_limit_is_no_verdict_when_others_had_the_core)
{
    CLEANUP(engine_stop) struct engine *en = start(1, 0);
    CLEANUP(submitted_free) struct submitted *a = submit_script(en, "nap\nafter crowd", NULL);
    wait_for_waiting(en, 1);
    CLEANUP(submitted_free) struct submitted *b = submit_script(en, "crowd\nalone", "alone");
    assert_verdict(a, "accepted");
    assert_verdict(b, "accepted");
    assert_int_equal(fake_state().runs, 3);
}

TEST(a_wall_limit_without_others_is_a_verdict)
{
    CLEANUP(engine_stop) struct engine *en = start(2, 0);
    fake_set((struct fake_box_state){ .naps = 1 });
    CLEANUP(submitted_free) struct submitted *s = submit_script(en, "crowd", NULL);
    assert_verdict(s, "wall_time_limit");
    assert_int_equal(fake_state().runs, 1);
}

/* ---- memory ---- */

TEST(limits_together_stay_below_the_memory)
{
    CLEANUP(engine_stop) struct engine *en = start_small(100);
    static struct submitted *s[200];
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = submit_mib(en, "flap 2", NULL, (int)(i * 37 % 100) + 1);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_verdict(s[i], "accepted");
        submitted_free(s[i]);
    }
    assert_true(fake_state().most_memory_bytes <= 100 * MIB);
    assert_int_equal(stats_of(en).memory_bytes, 0);
    assert_int_equal(stats_of(en).memory_total_bytes, 100 * MIB);
}

TEST(who_does_not_fit_is_not_passed_by_those_behind)
{
    CLEANUP(engine_stop) struct engine *en = start_small(100);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_mib(en, "gate", NULL, 60);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *large = submit_mib(en, "number", "2", 80);
    wait_for_waiting(en, 1);
    assert_false(engine_wait_room(en, 0));
    CLEANUP(submitted_free) struct submitted *small = submit_mib(en, "number", "3", 30);
    assert_false(engine_wait_room(en, 20 * US_PER_MS));
    assert_int_equal(fake_state().runs, 1); /* 30 would fit */
    fake_open_gate();
    assert_verdict(large, "accepted");
    assert_verdict(small, "accepted");
    assert_true(engine_wait_room(en, US_PER_S));
}

TEST(a_run_larger_than_the_memory_runs_alone)
{
    CLEANUP(engine_stop) struct engine *en = start_small(100);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_mib(en, "gate", NULL, 1);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *large = submit_mib(en, "alone", "alone", 5000);
    wait_for_waiting(en, 1);
    CLEANUP(submitted_free) struct submitted *b = submit_mib(en, "print x", "x", 1);
    fake_open_gate();
    assert_verdict(large, "accepted");
    assert_verdict(b, "accepted");
}

TEST(who_waits_for_memory_can_be_cancelled_and_holds_up_nobody_then)
{
    CLEANUP(engine_stop) struct engine *en = start_small(100);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_mib(en, "gate", NULL, 60);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free) struct submitted *large = submit_mib(en, "print x", NULL, 80);
    wait_for_waiting(en, 1);
    CLEANUP(submitted_free) struct submitted *small = submit_mib(en, "number", "2", 30);
    engine_cancel(en, large->job->id);
    assert_verdict(large, "cancelled");
    assert_verdict(small, "accepted");
    fake_open_gate();
}

TEST(stop_gives_back_who_waits_for_memory)
{
    struct engine *en = start_small(100);
    struct submitted *s[4];
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = submit_mib(en, "gate", NULL, 60);
    fake_wait_at_gate(1);
    wait_for_waiting(en, 1);
    engine_stop(en);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_null(submitted_wait(s[i]));
        submitted_free(s[i]);
    }
}

/* Their limit is 2 GiB each; what they use is a few bytes. */
TEST(builds_count_with_what_builds_use)
{
    CLEANUP(engine_stop)
    struct engine *en = start_with((struct engine_config){
        .lanes = 2,
        .memory_bytes = (int64_t)3000 * MIB,
        .build = { .memory_bytes = (int64_t)2048 * MIB },
    });
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\nprint a"));
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\nprint b"));
    fake_wait_at_gate(2); /* at the same time */
    fake_open_gate();
    assert_verdict(a, "accepted");
    assert_verdict(b, "accepted");
}

static struct engine *start_builds(int lanes, int mib)
{
    return start_with((struct engine_config){
        .lanes = lanes,
        .memory_bytes = (int64_t)mib * MIB,
        .build = { .memory_bytes = (int64_t)2048 * MIB },
    });
}

TEST(compile_bombs_together_stay_below_the_memory)
{
    CLEANUP(engine_stop) struct engine *en = start_builds(4, 3000);
    static struct submitted *s[24];
    char source[64];
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        snprintf(source, sizeof source, "#uses %d\nprint %zu", i % 3 ? 9000 : 100, i);
        s[i] = submit(en, job_of("compiled", source));
    }
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_verdict(s[i], i % 3 ? "compile_error" : "accepted");
        if (i % 3) /* with all that it may have, whatever was free when it came */
            assert_int_equal(s[i]->result->compile.memory_bytes, (int64_t)2048 * MIB);
        submitted_free(s[i]);
    }
    assert_true(fake_state().most_memory_bytes <= (int64_t)3000 * MIB);
    assert_int_equal(stats_of(en).memory_bytes, 0);
    /* And they do not make ordinary ones wait for each other. */
    CLEANUP(submitted_free) struct submitted *a = submit(en, job_of("compiled", "#gate\nprint a"));
    CLEANUP(submitted_free) struct submitted *b = submit(en, job_of("compiled", "#gate\nprint b"));
    fake_wait_at_gate(2);
    fake_open_gate();
    assert_verdict(a, "accepted");
    assert_verdict(b, "accepted");
}

TEST(a_build_that_did_not_fit_beside_others_is_repeated_with_its_whole_limit)
{
    CLEANUP(engine_stop) struct engine *en = start_builds(2, 3000);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_mib(en, "gate", NULL, 900);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free)
    struct submitted *b = submit(en, job_of("compiled", "#uses 2000\nprint b"));
    assert_verdict(b, "accepted");
    assert_int_equal(fake_state().builds, 2);
    fake_open_gate();
}

TEST(with_plenty_of_memory_a_large_build_runs_once)
{
    CLEANUP(engine_stop) struct engine *en = start_builds(2, 9000);
    CLEANUP(submitted_free) UNUSED struct submitted *a = submit_mib(en, "gate", NULL, 900);
    fake_wait_at_gate(1);
    CLEANUP(submitted_free)
    struct submitted *b = submit(en, job_of("compiled", "#uses 2000\nprint b"));
    assert_verdict(b, "accepted");
    assert_int_equal(fake_state().builds, 1);
    fake_open_gate();
}

TEST(a_build_limit_above_the_memory_is_cut_to_it)
{
    CLEANUP(engine_stop) struct engine *en = start_builds(2, 1000);
    CLEANUP(submitted_free)
    struct submitted *a = submit(en, job_of("compiled", "#uses 1500\nprint b"));
    assert_verdict(a, "compile_error");
    assert_int_equal(a->result->compile.memory_bytes, 1000 * MIB);
}

/* ---- how much there is ---- */

static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_tree(const char *root)
{
    static const char *const all[] = {
        "proc/self/cgroup",
        "proc/self",
        "proc/meminfo",
        "proc",
        "sys/fs/cgroup/a/b/memory.max",
        "sys/fs/cgroup/a/b",
        "sys/fs/cgroup/a/memory.max",
        "sys/fs/cgroup/a",
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/c/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/c",
        "sys/fs/cgroup/memory",
        "sys/fs/cgroup/a/b/cpu.max",
        "sys/fs/cgroup/a/b",
        "sys/fs/cgroup/a",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us",
        "sys/fs/cgroup/cpu,cpuacct",
        "given/memory/memory.limit_in_bytes",
        "given/memory",
        "given/cpu.max",
        "given",
        "sys/fs/cgroup",
        "sys/fs",
        "sys",
        "",
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char full[512];
        snprintf(full, sizeof full, "%s/%s", root, all[i]);
        (void)!remove(full);
    }
}

TEST(the_memory_is_the_least_of_the_machines_and_each_control_groups)
{
    char root[] = "/tmp/evalx-test-XXXXXX";
    assert_non_null(mkdtemp(root));
    const int64_t gib = INT64_C(1) << 30;
    put(root, "proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
    assert_int_equal(memory_for_runs(root, NULL), 15 * gib); /* a reserve of 1 GiB at most */
    put(root, "proc/self/cgroup", "4:memory:/c\n3:cpu,cpuacct:/\n0::/a/b\n");
    put(root, "sys/fs/cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712\n");
    put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(memory_for_runs(root, NULL), 15 * gib);
    put(root, "sys/fs/cgroup/a/memory.max", "4294967296\n"); /* of the group above */
    assert_int_equal(memory_for_runs(root, NULL), 4 * gib - gib / 2);
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
    assert_int_equal(memory_for_runs(root, NULL), 2 * gib - gib / 4);
    remove_tree(root);
    assert_int_not_equal(access(root, F_OK), 0);
    assert_true(memory_for_runs("", NULL) > 0 && memory_for_runs("/nowhere", NULL) > 0);
}

TEST(the_limits_of_a_delegated_group_hold_too)
{
    char root[] = "/tmp/evalx-test-XXXXXX";
    assert_non_null(mkdtemp(root));
    const int64_t gib = INT64_C(1) << 30;
    put(root, "proc/meminfo", "MemTotal:       16777216 kB\n");
    put(root, "given/memory/memory.limit_in_bytes", "1073741824\n");
    put(root, "given/cpu.max", "300000 100000\n");
    assert_int_equal(memory_for_runs(root, NULL), 15 * gib);
    assert_int_equal(memory_for_runs(root, "/given"), gib - gib / 8);
    assert_int_equal(cores_for_runs(root, NULL, 8), 8);
    assert_int_equal(cores_for_runs(root, "/given", 8), 3);
    remove_tree(root);
}

TEST(the_cores_are_those_a_container_gets_the_time_of)
{
    char root[] = "/tmp/evalx-test-XXXXXX";
    assert_non_null(mkdtemp(root));
    put(root, "proc/self/cgroup", "3:cpu,cpuacct:/docker/x\n0::/a/b\n");
    put(root, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cores_for_runs(root, NULL, 64), 64);
    put(root, "sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    assert_int_equal(cores_for_runs(root, NULL, 64), 2); /* one and a half: two, half idle */
    assert_int_equal(cores_for_runs(root, NULL, 1), 1);
    put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(cores_for_runs(root, NULL, 64), 1);
    remove_tree(root);
}

/* ---- everything at once ---- */

TEST(hundreds_of_jobs_that_lend_and_wait_each_finish_once)
{
    enum { JOBS = 400 };
    static struct submitted *s[JOBS];
    CLEANUP(engine_stop)
    struct engine *en = start_with(
        (struct engine_config){ .lanes = 3, .lanes_max = 11, .memory_bytes = (int64_t)999 * MIB });
    fake_open_gate();
    for (int i = 0; i < JOBS; i++) {
        char source[60];
        snprintf(source, sizeof source, "flap %d\n%s\ncat", i % 6, i % 4 ? "print y" : "sleep");
        struct job *job = job_of(i % 2 ? "script" : "compiled", source);
        job_tests(job, (size_t)(i % 5) + 1, "x", i % 11 ? NULL : "z");
        for (size_t k = 0; k < job->test_count; k++)
            job->tests[k].limits.memory_bytes = (i % 9 + 1) * (int64_t)130 * MIB;
        job->stop_on_failure = i % 3 == 0;
        s[i] = submit(en, job);
        if (i % 13 == 0)
            engine_cancel(en, s[i / 2]->job->id);
    }
    for (int i = 0; i < JOBS; i++) {
        assert_non_null(submitted_wait(s[i]));
        submitted_free(s[i]);
    }
    struct engine_stats stats = stats_of(en);
    assert_int_equal(stats.jobs_running, 0);
    assert_int_equal(stats.memory_bytes, 0);
    assert_true(fake_state().most_running <= 11 && stats.lanes_open <= 11);
    assert_true(engine_wait_room(en, 10 * US_PER_S));
}

#define E(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        E(while_a_program_waits_others_compute),
        E(nothing_new_starts_beside_a_program_that_woke_up),
        E(no_more_lanes_than_allowed_are_opened),
        E(with_no_more_lanes_than_cores_nothing_is_lent),
        E(a_further_lane_that_cannot_be_opened_is_done_without),
        E(a_program_that_waits_can_be_cancelled),
        E(stop_waits_for_no_program_that_waits),
        E(a_wall_limit_is_no_verdict_when_others_had_the_core),
        E(a_wall_limit_without_others_is_a_verdict),
        E(limits_together_stay_below_the_memory),
        E(who_does_not_fit_is_not_passed_by_those_behind),
        E(a_run_larger_than_the_memory_runs_alone),
        E(who_waits_for_memory_can_be_cancelled_and_holds_up_nobody_then),
        E(stop_gives_back_who_waits_for_memory),
        E(builds_count_with_what_builds_use),
        E(compile_bombs_together_stay_below_the_memory),
        E(a_build_that_did_not_fit_beside_others_is_repeated_with_its_whole_limit),
        E(with_plenty_of_memory_a_large_build_runs_once),
        E(a_build_limit_above_the_memory_is_cut_to_it),
        E(the_memory_is_the_least_of_the_machines_and_each_control_groups),
        E(the_limits_of_a_delegated_group_hold_too),
        E(the_cores_are_those_a_container_gets_the_time_of),
        E(hundreds_of_jobs_that_lend_and_wait_each_finish_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
