/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_live.c - the engine over real boxes: real compilers, real programs. Needs root (the
 * keeper) and exits 77 without it.
 *
 *   EVALX_BOX        path of evalx-box
 *   LANGUAGES_DIR    the catalogue, set by the build
 */
#include "unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/selftest.h"
#include "submit.h"

static struct keeper *keeper;
static struct catalogue *catalogue;
static char folder[] = "/tmp/evalx-test-XXXXXX";

static const char add_source[] = "#include <stdio.h>\n"
                                 "int main(void) { int a, b; scanf(\"%d %d\", &a, &b);"
                                 " printf(\"%d\\n\", a + b); return 0; }\n";
static const char loop_source[] = "int main(void) { for (volatile int i = 0;; i++) ; }\n";

static struct engine *start_with(int lanes, int lanes_max)
{
    struct err e = { 0 };
    struct engine_config config = { .lanes = lanes,
                                    .lanes_max = lanes_max,
                                    .cache_folder = folder };
    struct engine *en = engine_start(&config, keeper, catalogue, &e);
    if (!en)
        fail_msg("engine_start: %s", e.text);
    return en;
}

static struct engine *start(int lanes)
{
    return start_with(lanes, 0);
}

static struct engine_stats stats_of(struct engine *en)
{
    struct engine_stats stats;
    engine_stats(en, &stats);
    return stats;
}

static struct job *c_job(const char *source)
{
    struct job *job = job_of("c", source);
    job->files[0].path = "main.c";
    return job;
}

static struct job *add_job(const char *expected)
{
    struct job *job = c_job(add_source);
    job_tests(job, 1, "2 3\n", expected);
    return job;
}

static void assert_verdict(struct submitted *s, const char *verdict)
{
    struct result *r = submitted_wait(s);
    if (!r) {
        fail_msg("trouble: %s", s->err.text);
        return;
    }
    if (strcmp(verdict_name(r->verdict), verdict) == 0)
        return;
    const struct outcome *o = r->test_count > 0 ? &r->tests[0].outcome : &r->compile;
    fail_msg("%s, not %s: %s %s %.*s", verdict_name(r->verdict), verdict,
             r->message ? r->message : "", o->message ? o->message : "", STR_FMT(o->out));
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int type,
                      UNUSED struct FTW *ftw)
{
    return remove(path);
}

/* Every test begins with an empty cache. */
static int empty_folder(UNUSED void **state)
{
    nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
    return mkdir(folder, 0700);
}

TEST(a_c_program_is_built_run_and_accepted)
{
    CLEANUP(engine_stop) struct engine *en = start(1);
    CLEANUP(submitted_free) struct submitted *s = submit(en, add_job("5\n"));
    assert_verdict(s, "accepted");
    assert_true(s->result->compiled);
    assert_false(s->result->cached);
    assert_true(s->result->compile.wall_us > 0);
    assert_true(str_is(s->result->tests[0].outcome.out, "5\n"));
    assert_true(s->result->compile_us > 0 && s->result->run_us > 0);
}

TEST(a_python_program_is_run_from_its_source)
{
    CLEANUP(engine_stop) struct engine *en = start(1);
    struct job *job =
        job_of("python", "import sys\nprint(sum(map(int, sys.stdin.read().split())))");
    job->files[0].path = "main.py";
    job_tests(job, 1, "20 22", "42");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    assert_verdict(s, "accepted");
    assert_false(s->result->compiled);
}

TEST(wrong_output_and_wrong_programs_are_told_apart)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    CLEANUP(submitted_free) struct submitted *wrong = submit(en, add_job("6\n"));
    CLEANUP(submitted_free)
    struct submitted *broken = submit(en, c_job("int main(void) { return x; }"));
    CLEANUP(submitted_free)
    struct submitted *crash = submit(en, c_job("int main(void) { return *(volatile int *)8; }"));
    CLEANUP(submitted_free)
    struct submitted *exits = submit(en, c_job("int main(void) { return 3; }"));
    assert_verdict(wrong, "wrong_answer");
    assert_verdict(broken, "compile_error");
    assert_non_null(
        memmem(broken->result->compile.out.ptr, broken->result->compile.out.len, "undeclared", 10));
    assert_verdict(crash, "runtime_error");
    assert_int_equal(crash->result->tests[0].outcome.signal, 11);
    assert_verdict(exits, "runtime_error");
    assert_int_equal(exits->result->tests[0].outcome.exit_code, 3);
}

TEST(limits_fire)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    struct job *loop = c_job(loop_source);
    loop->tests[0].limits.cpu_us = 300 * US_PER_MS;
    CLEANUP(submitted_free) struct submitted *cpu = submit(en, loop);
    struct job *hog = c_job("#include <stdlib.h>\n#include <string.h>\nint main(void) { for (;;)"
                            " memset(malloc(1 << 20), 1, 1 << 20); }");
    hog->tests[0].limits.memory_bytes = 32 << 20;
    CLEANUP(submitted_free) struct submitted *memory = submit(en, hog);
    assert_verdict(cpu, "cpu_time_limit");
    assert_string_equal(cpu->result->tests[0].outcome.limit, "cpu_time");
    assert_verdict(memory, "memory_limit");
}

struct busy {
    struct engine *en;
    int most;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct result *result;
};

static void note_busy(void *arg, UNUSED const struct test_result *t, UNUSED size_t index)
{
    struct busy *b = arg;
    b->most = MAX(b->most, stats_of(b->en).lanes_busy);
}

static void note_end(void *arg, struct result *result, UNUSED const struct err *e)
{
    struct busy *b = arg;
    pthread_mutex_lock(&b->lock);
    b->result = result;
    b->done = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

TEST(twenty_tests_are_spread_over_two_lanes)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    CLEANUP(job_free) struct job *job = add_job(NULL);
    job_tests(job, 20, "20 22", "42");
    struct busy b = { .en = en,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .changed = PTHREAD_COND_INITIALIZER };
    engine_submit(en, job, 1, (struct engine_sink){ note_busy, note_end, &b });
    pthread_mutex_lock(&b.lock);
    while (!b.done)
        pthread_cond_wait(&b.changed, &b.lock);
    pthread_mutex_unlock(&b.lock);
    assert_non_null(b.result);
    assert_int_equal(b.result->verdict, VERDICT_ACCEPTED);
    assert_int_equal(b.result->test_count, 20);
    assert_int_equal(b.most, 2);
    assert_int_equal(stats_of(en).runs, 21);
    result_free(b.result);
}

TEST(the_same_program_again_is_not_compiled)
{
    for (int i = 0; i < 2; i++) { /* the second time in a new engine: from disk */
        CLEANUP(engine_stop) struct engine *en = start(1);
        for (int j = 0; j < 2; j++) {
            CLEANUP(submitted_free) struct submitted *s = submit(en, add_job("5"));
            assert_verdict(s, "accepted");
            assert_int_equal(s->result->cached, i + j > 0);
        }
        assert_int_equal(stats_of(en).runs, i == 0 ? 3 : 2);
    }
}

TEST(equal_programs_at_the_same_time_are_compiled_once)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    struct submitted *s[6];
    for (int i = 0; i < 6; i++)
        s[i] = submit(en, add_job("5"));
    for (int i = 0; i < 6; i++) {
        assert_verdict(s[i], "accepted");
        submitted_free(s[i]);
    }
    assert_int_equal(stats_of(en).runs, 7);
    assert_int_equal(stats_of(en).cache_misses, 1);
    assert_int_equal(stats_of(en).cache_hits, 5);
}

static int damage(const char *path, UNUSED const struct stat *st, int type, UNUSED struct FTW *ftw)
{
    if (type != FTW_F)
        return 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "damage", 6, 2000), 6);
    return close(fd);
}

TEST(a_damaged_build_on_disk_is_made_again)
{
    for (int i = 0; i < 2; i++) {
        CLEANUP(engine_stop) struct engine *en = start(1);
        CLEANUP(submitted_free) struct submitted *s = submit(en, add_job("5"));
        assert_verdict(s, "accepted");
        assert_false(s->result->cached);
        nftw(folder, damage, 10, FTW_PHYS);
    }
}

/* A program that runs until it is stopped, and is surely running. */
static struct submitted *submit_loop(struct engine *en)
{
    struct job *job = c_job(loop_source);
    job->tests[0].limits.cpu_us = job->tests[0].limits.wall_us = 60 * US_PER_S;
    struct submitted *s = submit(en, job);
    while (stats_of(en).runs < 2) /* the compiler's and its own */
        usleep(1000);
    return s;
}

TEST(a_running_program_is_cancelled_at_once)
{
    CLEANUP(engine_stop) struct engine *en = start(1);
    CLEANUP(submitted_free) struct submitted *s = submit_loop(en);
    int64_t before = mono_us();
    engine_cancel(en, s->job->id);
    assert_verdict(s, "cancelled");
    assert_true(mono_us() - before < 10 * US_PER_S); /* not the minute it may run */
    CLEANUP(submitted_free) struct submitted *next = submit(en, add_job("5"));
    assert_verdict(next, "accepted");
}

/* The parent of a process, 0 when it is gone. */
static pid_t parent_of(const char *pid)
{
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
    if (len <= 0)
        return 0;
    stat[len] = '\0';
    int parent = 0;
    const char *name_end = strrchr(stat, ')');
    return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Kill every lane of our keeper: the children of our only child. */
static int kill_lanes(void)
{
    int killed = 0;
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *d; (d = readdir(proc));) {
        int64_t pid;
        pid_t parent = parse_int(str_of(d->d_name), &pid) ? parent_of(d->d_name) : 0;
        char name[24];
        snprintf(name, sizeof name, "%d", (int)parent);
        if (parent > 1 && parent_of(name) == getpid())
            killed += kill((pid_t)pid, SIGKILL) == 0;
    }
    closedir(proc);
    return killed;
}

TEST(a_lane_that_dies_costs_a_repetition_and_no_verdict)
{
    CLEANUP(engine_stop) struct engine *en = start(1);
    struct job *job = c_job("#include <stdio.h>\n#include <unistd.h>\n"
                            "int main(void) { usleep(300000); puts(\"done\"); return 0; }");
    job_tests(job, 1, NULL, "done");
    CLEANUP(submitted_free) struct submitted *s = submit(en, job);
    while (stats_of(en).runs < 2)
        usleep(1000);
    assert_true(kill_lanes() >= 1); /* those of earlier engines may not be buried yet */
    assert_verdict(s, "accepted");
    assert_int_equal(stats_of(en).runs, 3);
    assert_int_equal(stats_of(en).rebuilds, 1);
}

TEST(stop_gives_a_running_program_back)
{
    struct engine *en = start(2);
    CLEANUP(submitted_free) struct submitted *s = submit_loop(en);
    CLEANUP(submitted_free) struct submitted *waiting = submit(en, c_job(loop_source));
    int64_t before = mono_us();
    engine_stop(en);
    assert_true(mono_us() - before < 10 * US_PER_S);
    assert_null(submitted_wait(s));
    assert_int_equal(s->err.kind, ERR_UNAVAILABLE);
    assert_null(submitted_wait(waiting));
}

TEST(behind_the_first_failure_all_is_skipped)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    for (int i = 0; i < 5; i++) {
        struct job *job = add_job(NULL);
        job->stop_on_failure = true;
        job_tests(job, 10, "20 22", "42");
        job->tests[3].expected = job->tests[4].expected = STR("43");
        CLEANUP(submitted_free) struct submitted *s = submit(en, job);
        assert_verdict(s, "wrong_answer");
        for (size_t k = 0; k < 10; k++)
            assert_string_equal(verdict_name(s->result->tests[k].outcome.verdict),
                                k < 3    ? "accepted"
                                : k == 3 ? "wrong_answer"
                                         : "skipped");
    }
}

TEST(the_self_tests_of_c_and_python_pass)
{
    CLEANUP(engine_stop) struct engine *en = start(1);
    const char *ids[] = { "c", "python" };
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct err e = { 0 };
        const struct language *lang = catalogue_find(catalogue, str_of(ids[i]), &e);
        assert_non_null(lang);
        CLEANUP(result_free) struct result *r = NULL;
        MUST(language_selftest(en, lang, &r, &e));
        assert_string_equal(verdict_name(r->verdict), "accepted");
    }
}

/* ---- lanes that lend their core ---- */

enum { SOME = 20 };

static struct submitted *submit_c(struct engine *en, const char *source)
{
    struct job *job = c_job(source);
    job_tests(job, 1, NULL, "done");
    return submit(en, job);
}

static const char sleeper[] = "#include <stdio.h>\n#include <unistd.h>\n"
                              "int main(void) { sleep(1); puts(\"done\"); return 0; }";
static const char computer[] = "#include <stdio.h>\n#include <time.h>\n"
                               "int main(void) { while (clock() < CLOCKS_PER_SEC / 10) ;"
                               " puts(\"done\"); return 0; }";

/* 20 programs that compute for 100 ms, and before each one that sleeps for a second, or none. */
static int64_t compute(struct engine *en, struct submitted *computes[SOME],
                       struct submitted *sleeps[SOME])
{
    int64_t begin_us = mono_us();
    for (int i = 0; i < SOME; i++) {
        if (sleeps)
            sleeps[i] = submit_c(en, sleeper);
        computes[i] = submit_c(en, computer);
    }
    for (int i = 0; i < SOME; i++) {
        if (sleeps)
            assert_verdict(sleeps[i], "accepted");
        assert_verdict(computes[i], "accepted");
    }
    return mono_us() - begin_us;
}

TEST(programs_that_sleep_do_not_hold_up_those_that_compute)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    struct submitted *sleeps[SOME], *computes[SOME];
    submitted_free(submit_c(en, sleeper)); /* the compiler is not what this is about */
    submitted_free(submit_c(en, computer));
    int64_t alone_us = compute(en, computes, NULL);
    for (int i = 0; i < SOME; i++)
        submitted_free(computes[i]);
    int64_t us = compute(en, computes, sleeps);
    print_message("20 that compute 100 ms: %lld ms; with 20 that sleep 1 s: %lld ms\n",
                  (long long)alone_us / 1000, (long long)us / 1000);
    assert_true(us < 2 * alone_us + 4 * US_PER_S); /* one after the other: 10 s more */
    for (int i = 0; i < SOME; i++) {
        const struct outcome *c = &computes[i]->result->tests[0].outcome;
        const struct outcome *s = &sleeps[i]->result->tests[0].outcome;
        assert_in_range(c->cpu_us, 95 * US_PER_MS, 200 * US_PER_MS);
        assert_true(s->cpu_us < 50 * US_PER_MS && s->wall_us >= US_PER_S);
        submitted_free(sleeps[i]);
        submitted_free(computes[i]);
    }
    struct engine_stats stats = stats_of(en);
    assert_true(stats.lanes_open > 2 && stats.lanes_open <= stats.lanes_max);
    assert_int_equal(stats.lanes_waiting, 0);
    assert_int_equal(stats.memory_bytes, 0);
}

TEST(without_further_lanes_nothing_is_lent)
{
    CLEANUP(engine_stop) struct engine *en = start_with(1, 1);
    static const char nap[] = "#include <stdio.h>\n#include <unistd.h>\n"
                              "int main(void) { usleep(300000); puts(\"done\"); return 0; }";
    int64_t begin_us = mono_us();
    CLEANUP(submitted_free) struct submitted *a = submit_c(en, nap);
    CLEANUP(submitted_free) struct submitted *b = submit_c(en, nap);
    assert_verdict(a, "accepted");
    assert_verdict(b, "accepted");
    assert_true(mono_us() - begin_us >= 600 * US_PER_MS);
    assert_int_equal(stats_of(en).lanes_open, 1);
}

TEST(a_program_that_takes_turns_is_measured_right_among_others)
{
    CLEANUP(engine_stop) struct engine *en = start(2);
    static const char turns[] =
        "#include <stdio.h>\n#include <time.h>\n#include <unistd.h>\n"
        "int main(void) { for (int i = 1; i <= 20; i++) { usleep(40000);"
        " while (clock() < i * (CLOCKS_PER_SEC / 50)) ; } puts(\"done\"); return 0; }";
    struct submitted *s[12];
    for (size_t i = 0; i < COUNT_OF(s); i++)
        s[i] = submit_c(en, turns);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        assert_verdict(s[i], "accepted");
        assert_in_range(s[i]->result->tests[0].outcome.cpu_us, 390 * US_PER_MS, 500 * US_PER_MS);
        submitted_free(s[i]);
    }
}

static bool open_house(struct err *e)
{
    catalogue = catalogue_load(LANGUAGES_DIR, e);
    if (!catalogue)
        return false;
    const struct language *python = catalogue_find(catalogue, STR("python"), e);
    struct keeper_config config = { .program = getenv("EVALX_BOX"),
                                    .etc = python ? python->etc : NULL };
    keeper = keeper_start(&config, e);
    return keeper != NULL;
}

#define L(name) cmocka_unit_test_setup(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        L(a_c_program_is_built_run_and_accepted),
        L(a_python_program_is_run_from_its_source),
        L(wrong_output_and_wrong_programs_are_told_apart),
        L(limits_fire),
        L(twenty_tests_are_spread_over_two_lanes),
        L(the_same_program_again_is_not_compiled),
        L(equal_programs_at_the_same_time_are_compiled_once),
        L(a_damaged_build_on_disk_is_made_again),
        L(a_running_program_is_cancelled_at_once),
        L(a_lane_that_dies_costs_a_repetition_and_no_verdict),
        L(stop_gives_a_running_program_back),
        L(behind_the_first_failure_all_is_skipped),
        L(the_self_tests_of_c_and_python_pass),
        L(programs_that_sleep_do_not_hold_up_those_that_compute),
        L(without_further_lanes_nothing_is_lent),
        L(a_program_that_takes_turns_is_measured_right_among_others),
    };
    if (geteuid() != 0) {
        printf("skipped: the boxes need root\n");
        return 77;
    }
    struct err e = { 0 };
    if (!open_house(&e)) {
        printf("%s\n", e.text);
        return 1;
    }
    CHECK(mkdtemp(folder));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
    keeper_stop(keeper);
    catalogue_free(catalogue);
    return failed;
}
