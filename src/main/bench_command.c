/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx bench - what this machine makes of the sandbox: what a box costs against a bare start of
 * the same program, and how steady the CPU time of a fixed program is, with the machine idle and
 * with every other lane busy. A judge whose figures spread here should not trust close calls.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "main/commands.h"
#include "main/privilege.h"
#include "main/sandbox_side.h"

enum { RUNS_DEFAULT = 40, RUNS_MAX = 10000, LANES = 64 };

/* On every Debian: small, and it computes for the same time wherever it runs. */
static const char *const fixed_program[] = {
    "/usr/bin/perl",
    "-e",
    "my $x = 1; $x = ($x * 1103515245 + 12345) % 2147483648 for 1..400000; print $x",
    NULL,
};
static const char *const tiny_program[] = { "/usr/bin/true", NULL };
static const char *const no_env[] = { "PATH=/usr/bin:/bin", NULL };

struct series {
    int64_t *us;
    size_t count;
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t quantile(const struct series *s, double q)
{
    return s->us[(size_t)(q * (double)(s->count - 1))];
}

static void print_series(const char *name, struct series *s)
{
    qsort(s->us, s->count, sizeof *s->us, compare);
    double median = (double)quantile(s, 0.5);
    printf("  %-34s median %9.3f ms   5%%..95%% %9.3f .. %9.3f ms   spread %5.1f %%\n", name,
           median / 1e3, (double)quantile(s, 0.05) / 1e3, (double)quantile(s, 0.95) / 1e3,
           100.0 * (double)(quantile(s, 0.95) - quantile(s, 0.05)) / MAX(median, 1.0));
}

static struct plan plan_of(const char *const *argv)
{
    return (struct plan){
        .argv = argv,
        .env = no_env,
        .exe_fd = -1,
        .stdin_fd = -1,
        .limits = { .cpu_us = 10 * US_PER_S,
                    .wall_us = 30 * US_PER_S,
                    .memory_bytes = 256 << 20,
                    .stack_bytes = 8 << 20,
                    .output_bytes = 4096,
                    .file_bytes = 1 << 20,
                    .processes = 8 },
    };
}

/* One run; time is the caller's wall time, cpu what the report says. */
static bool run_boxed(struct box *b, const char *const *argv, int64_t *time_us, int64_t *cpu_us,
                      struct err *e)
{
    struct plan plan = plan_of(argv);
    CLEANUP(report_done) struct report report = { 0 };
    int64_t start = mono_us();
    if (!box_run(b, &plan, &report, e))
        return false;
    *time_us = mono_us() - start;
    *cpu_us = report.cpu_us;
    if (report.end != END_EXIT || report.exit_code != 0)
        return err_set(e, ERR_SYSTEM, "%s did not end well in the box (end %d, exit code %d)",
                       argv[0], (int)report.end, report.exit_code);
    return true;
}

static bool run_bare(const char *const *argv, int64_t *time_us, struct err *e)
{
    int64_t start = mono_us();
    pid_t pid;
    int status;
    int why = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
                          (char *const *)(uintptr_t)no_env);
    if (why)
        return err_sysno(e, why, "start %s", argv[0]);
    if (waitpid(pid, &status, 0) < 0)
        return err_sys(e, "wait for %s", argv[0]);
    *time_us = mono_us() - start;
    return true;
}

/* In turn, so that what the machine does meanwhile happens to both. */
static bool bench_start(struct box *b, size_t runs, struct err *e)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct series boxed = { arena_array(&arena, runs, sizeof(int64_t)), runs };
    struct series bare = { arena_array(&arena, runs, sizeof(int64_t)), runs };
    int64_t cpu;
    for (size_t i = 0; i < runs + 5; i++) {
        size_t at = i < 5 ? 0 : i - 5; /* five to warm up */
        if (!run_bare(tiny_program, &bare.us[at], e) ||
            !run_boxed(b, tiny_program, &boxed.us[at], &cpu, e))
            return false;
    }
    printf("start of a tiny program (%s), %zu times in turn:\n", tiny_program[0], runs);
    print_series("bare spawn", &bare);
    print_series("in a warm box", &boxed);
    printf("  %-34s %.2fx\n\n", "ratio of the medians",
           (double)quantile(&boxed, 0.5) / MAX((double)quantile(&bare, 0.5), 1.0));
    return true;
}

static bool measure_cpu(struct box *b, size_t runs, const char *name, struct err *e)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct series cpu = { arena_array(&arena, runs, sizeof(int64_t)), runs };
    int64_t time;
    for (size_t i = 0; i < runs + 2; i++)
        if (!run_boxed(b, fixed_program, &time, &cpu.us[i < 2 ? 0 : i - 2], e))
            return false;
    print_series(name, &cpu);
    return true;
}

struct load {
    struct box *box;
    pthread_t thread;
    atomic_bool *stop;
};

static void *load_main(void *arg)
{
    struct load *l = arg;
    struct err e;
    int64_t time, cpu;
    while (!atomic_load(l->stop) && run_boxed(l->box, fixed_program, &time, &cpu, &e))
        ;
    return NULL;
}

static bool open_others(struct keeper *k, struct load *loads, int *count, struct err *e)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    for (*count = 0; *count < MIN(cores, LANES) - 1; ++*count) {
        loads[*count].box = box_open(k, *count + 1, e);
        if (!loads[*count].box)
            return false;
    }
    return true;
}

static bool bench_spread(struct keeper *k, struct box *b, size_t runs, struct err *e)
{
    struct load loads[LANES] = { 0 };
    atomic_bool stop = false;
    int count = 0;
    printf("CPU time of a fixed program, %zu runs:\n", runs);
    bool ok = measure_cpu(b, runs, "machine idle", e) && open_others(k, loads, &count, e);
    int started = 0;
    for (; ok && started < count; started++) {
        loads[started].stop = &stop;
        ok = pthread_create(&loads[started].thread, NULL, load_main, &loads[started]) == 0;
    }
    char name[64];
    snprintf(name, sizeof name, "every other lane busy (%d)", count);
    ok = ok && measure_cpu(b, runs, name, e);
    atomic_store(&stop, true);
    for (int i = 0; i < started; i++)
        pthread_join(loads[i].thread, NULL);
    for (int i = 0; i < count; i++)
        box_close(loads[i].box);
    return ok;
}

int command_bench(int argc, char **argv)
{
    struct err e;
    int64_t runs = RUNS_DEFAULT;
    if (argc > 1 ||
        (argc == 1 && (!parse_int(str_of(argv[0]), &runs) || runs < 2 || runs > RUNS_MAX))) {
        fprintf(stderr, "evalx: bench takes a number of runs, 2 to %d\n", RUNS_MAX);
        return 2;
    }
    CLEANUP(settings_done) struct settings s = { 0 };
    CLEANUP(sandbox_side_done) struct sandbox_side side = { 0 };
    if (!settings_load(&s, NULL, &e) || !sandbox_side_start(&side, &s, false, &e) ||
        !drop_root(s.user, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    CLEANUP(box_close) struct box *b = box_open(side.keeper, 0, &e);
    if (!b || !bench_start(b, (size_t)runs * 5, &e) ||
        !bench_spread(side.keeper, b, (size_t)runs, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    return 0;
}
