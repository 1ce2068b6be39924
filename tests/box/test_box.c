/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real lanes through box.h. Needs root; exits 77 otherwise. Times are compared with room for a busy
 * machine: that a limit of 300 ms fires before 2 s, not when exactly (the burners of tests/hostile
 * do that).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/test.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "sandbox/box.h"

static struct keeper *keeper;
static struct box *box;
static int exe = -1;

/* ---- one run in few words ---- */

static const char *const plain_env[] = { "PATH=/usr/bin:/bin", "HOME=/box", NULL };

static struct plan plan_of(const char *const *argv)
{
    return (struct plan){
        .argv = argv,
        .env = plain_env,
        .exe_fd = exe,
        .stdin_fd = -1,
        .limits = { .cpu_us = 2 * US_PER_S,
                    .wall_us = 10 * US_PER_S,
                    .memory_bytes = 64 << 20,
                    .stack_bytes = 8 << 20,
                    .output_bytes = 65536,
                    .file_bytes = 16 << 20,
                    .processes = 8 },
    };
}

#define PLAN(...) plan_of((const char *const[]){ "prog", __VA_ARGS__, NULL })

static void run(const struct plan *p, struct report *r)
{
    struct err e;
    MUST(box_run(box, p, r, &e));
}

static void assert_runs_well(void)
{
    CLEANUP(report_done) struct report r = { 0 };
    const struct plan p = PLAN("hello");
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_string_equal(buf_str(&r.out).ptr, "hello\n");
}

static int text_fd(const char *text)
{
    struct err e;
    int fd = memfd_of("text", str_of(text), 0444, &e);
    assert_true(fd >= 0);
    return fd;
}

/* ---- what a program does ---- */

TEST(a_program_is_run_and_heard)
{
    CLEANUP(report_done) struct report r = { 0 };
    const struct plan p = PLAN("hello");
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_int_equal(r.exit_code, 0);
    assert_int_equal(r.signal, 0);
    assert_string_equal(buf_str(&r.out).ptr, "hello\n");
    assert_int_equal(r.err.len, 0);
    assert_true(r.wall_us > 0 && r.cpu_us > 0 && r.memory_bytes > 0);
}

TEST(stdin_is_read_from_its_start_each_time)
{
    CLEANUP(fd_close) int input = text_fd("one\ntwo\n");
    struct plan p = PLAN("cat");
    p.stdin_fd = input;
    for (int i = 0; i < 2; i++) {
        CLEANUP(report_done) struct report r = { 0 };
        run(&p, &r);
        assert_string_equal(buf_str(&r.out).ptr, "one\ntwo\n");
    }
}

TEST(exit_codes_and_signals_are_told_apart)
{
    CLEANUP(report_done) struct report code = { 0 }, sig = { 0 };
    const struct plan exits = PLAN("exit", "42"), dies = PLAN("signal", "11");
    run(&exits, &code);
    assert_int_equal(code.end, END_EXIT);
    assert_int_equal(code.exit_code, 42);
    run(&dies, &sig);
    assert_int_equal(sig.end, END_SIGNAL);
    assert_int_equal(sig.signal, SIGSEGV);
    assert_int_equal(sig.exit_code, 0);
}

TEST(a_program_that_cannot_be_executed_is_no_trouble_of_ours)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = plan_of((const char *const[]){ "/box/nothing", NULL });
    p.exe_fd = -1;
    run(&p, &r);
    assert_int_equal(r.end, END_NO_EXEC);
    assert_int_equal(r.exec_errno, ENOENT);
}

TEST(stderr_comes_apart_or_in_order)
{
    CLEANUP(report_done) struct report apart = { 0 }, merged = { 0 };
    struct plan p = PLAN("both");
    run(&p, &apart);
    assert_string_equal(buf_str(&apart.out).ptr, "o1o2");
    assert_string_equal(buf_str(&apart.err).ptr, "e1");
    p.merge_stderr = true;
    run(&p, &merged);
    assert_string_equal(buf_str(&merged.out).ptr, "o1e1o2");
    assert_int_equal(merged.err.len, 0);
}

TEST(two_runs_are_two_users)
{
    int64_t seen[2];
    for (int i = 0; i < 2; i++) {
        CLEANUP(report_done) struct report r = { 0 };
        const struct plan p = PLAN("uid");
        run(&p, &r);
        assert_true(r.out.len > 1);
        assert_true(parse_int((struct str){ r.out.ptr, r.out.len - 1 }, &seen[i]));
        assert_true(seen[i] >= 60000);
    }
    assert_true(seen[0] != seen[1]);
}

/* ---- limits ---- */

TEST(cpu_time_is_limited)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("spin", "5000");
    p.limits.cpu_us = 200 * US_PER_MS;
    run(&p, &r);
    assert_int_equal(r.end, END_CPU);
    assert_int_equal(r.signal, SIGKILL);
    assert_in_range(r.cpu_us, 200000, 600000);
}

TEST(cpu_time_above_the_limit_counts_even_when_it_ended_by_itself)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("spin", "150");
    p.limits.cpu_us = 100 * US_PER_MS;
    p.limits.cpu_extra_us = 5 * US_PER_S;
    run(&p, &r);
    assert_int_equal(r.end, END_CPU);
    assert_int_equal(r.signal, 0);
}

TEST(wall_time_is_limited)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("sleep", "20000");
    p.limits.wall_us = 200 * US_PER_MS;
    run(&p, &r);
    assert_int_equal(r.end, END_WALL);
    assert_in_range(r.wall_us, 200000, 2000000);
    assert_true(r.cpu_us < 100000);
}

TEST(memory_is_limited_and_measured)
{
    CLEANUP(report_done) struct report fits = { 0 }, bursts = { 0 };
    const struct plan small = PLAN("alloc", "32"), large = PLAN("alloc", "256");
    run(&small, &fits);
    assert_int_equal(fits.end, END_EXIT);
    assert_in_range(fits.memory_bytes, 32 << 20, 36 << 20);
    run(&large, &bursts);
    assert_int_equal(bursts.end, END_MEMORY);
    assert_runs_well();
}

TEST(memory_of_all_processes_counts_together)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("hold", "10", "4");
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_in_range(r.memory_bytes, 40 << 20, 48 << 20);
    CLEANUP(report_done) struct report over = { 0 };
    p = PLAN("hold", "20", "4");
    run(&p, &over);
    assert_int_equal(over.end, END_MEMORY);
}

TEST(output_is_cut_at_its_limit)
{
    CLEANUP(report_done) struct report exact = { 0 }, more = { 0 }, err = { 0 };
    struct plan p = PLAN("flood", "65536", "1");
    run(&p, &exact);
    assert_int_equal(exact.end, END_EXIT);
    assert_int_equal(exact.out.len, 65536);
    assert_false(exact.out_cut);
    p = PLAN("flood", "100000000", "1");
    run(&p, &more);
    assert_int_equal(more.end, END_OUTPUT);
    assert_int_equal(more.out.len, 65536);
    assert_true(more.out_cut);
    p = PLAN("flood", "65537", "2");
    run(&p, &err);
    assert_int_equal(err.end, END_OUTPUT);
    assert_true(err.err_cut);
}

TEST(large_outputs_arrive_whole)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("flood", "5000000", "1");
    p.limits.output_bytes = 8 << 20;
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_int_equal(r.out.len, 5000000);
}

TEST(processes_are_counted)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("fork");
    p.limits.processes = 5;
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_string_equal(buf_str(&r.out).ptr, "4\n");
    assert_runs_well();
}

TEST(after_a_fork_bomb_the_next_run_is_clean)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = PLAN("bomb");
    int64_t rebuilds = box_rebuilds(box);
    p.limits.processes = 64;
    p.limits.memory_bytes = 512 << 20;
    p.limits.wall_us = 300 * US_PER_MS;
    run(&p, &r);
    assert_true(r.end == END_WALL || r.end == END_CPU);
    assert_runs_well();
    assert_int_equal(box_rebuilds(box), rebuilds);
}

TEST(a_daemon_left_behind_dies_with_its_run)
{
    CLEANUP(report_done) struct report r = { 0 };
    const struct plan p = PLAN("daemon");
    int64_t start = mono_us();
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_string_equal(buf_str(&r.out).ptr, "left\n");
    assert_true(mono_us() - start < 3 * US_PER_S);
    assert_runs_well();
}

/* ---- files ---- */

TEST(files_go_in_and_results_come_out)
{
    CLEANUP(fd_close) int text = text_fd("abc");
    CLEANUP(report_done) struct report r = { 0 };
    const struct plan_file files[] = { { "a/b/in.txt", text, 0444 }, { "prog", exe, 0755 } };
    const struct plan_collect collect[] = { { "a/**", 1024, 4096, 4 }, { "*.out", 1024, 4096, 4 } };
    struct plan p = plan_of((const char *const[]){ "./prog", "file", "b.out", "made", NULL });
    p.exe_fd = -1;
    p.files = files;
    p.file_count = 2;
    p.collect = collect;
    p.collect_count = 2;
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    assert_int_equal(r.exit_code, 0);
    assert_int_equal(r.file_count, 2);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buf_done) struct buf b = { 0 };
        struct err e;
        bool in = strcmp(r.files[i].path, "a/b/in.txt") == 0;
        MUST(fd_read_all(r.files[i].fd, 1024, &b, &e));
        assert_string_equal(r.files[i].path, in ? "a/b/in.txt" : "b.out");
        assert_string_equal(b.ptr, in ? "abc" : "made");
        assert_true(write(r.files[i].fd, "x", 1) < 0);
    }
    assert_false(r.files_cut);
}

TEST(what_does_not_fit_is_left_out_and_said)
{
    CLEANUP(report_done) struct report r = { 0 };
    const struct plan_collect collect[] = { { "*", 3, 4096, 4 } };
    struct plan p = PLAN("file", "big", "four");
    p.collect = collect;
    p.collect_count = 1;
    run(&p, &r);
    assert_int_equal(r.file_count, 0);
    assert_true(r.files_cut);
}

TEST(paths_outside_the_box_are_refused)
{
    static const char *const paths[] = { "../x", "/etc/x", "a/../../x", "", "a//b", "./a" };
    CLEANUP(fd_close) int text = text_fd("abc");
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        CLEANUP(report_done) struct report r = { 0 };
        struct err e;
        const struct plan_file file = { paths[i], text, 0444 };
        struct plan p = PLAN("hello");
        p.files = &file;
        p.file_count = 1;
        assert_false(box_run(box, &p, &r, &e));
        assert_int_equal(e.kind, ERR_INVALID);
    }
    assert_runs_well();
}

static bool exists_in_box(const char *path)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct plan p = plan_of((const char *const[]){ "/usr/bin/test", "-e", path, NULL });
    p.exe_fd = -1;
    p.keep = true;
    run(&p, &r);
    assert_int_equal(r.end, END_EXIT);
    return r.exit_code == 0;
}

TEST(a_kept_box_goes_on_and_a_wiped_one_is_empty)
{
    CLEANUP(report_done) struct report first = { 0 }, second = { 0 };
    struct err e;
    struct plan p = PLAN("file", "/box/left", "x");
    p.keep = true;
    run(&p, &first);
    assert_true(exists_in_box("/box/left"));
    MUST(box_wipe(box, &e));
    assert_false(exists_in_box("/box/left"));
    MUST(box_wipe(box, &e));

    p = PLAN("file", "/tmp/left", "x");
    run(&p, &second);
    assert_false(exists_in_box("/tmp/left"));
    MUST(box_wipe(box, &e));
}

/* ---- interrupting, breaking, mending ---- */

static void *cancel_soon(void *arg)
{
    usleep(150000);
    box_cancel(arg);
    return NULL;
}

TEST(a_run_can_be_cancelled)
{
    CLEANUP(report_done) struct report r = { 0 };
    pthread_t canceller;
    const struct plan p = PLAN("sleep", "9000");
    box_cancel(box); /* nothing runs: nothing happens */
    assert_int_equal(pthread_create(&canceller, NULL, cancel_soon, box), 0);
    run(&p, &r);
    pthread_join(canceller, NULL);
    assert_int_equal(r.end, END_CANCELLED);
    assert_true(r.wall_us < 5 * US_PER_S);
    box_cancel(box);
    assert_runs_well();
}

static bool is_named(pid_t pid, const char *comm)
{
    char path[64];
    CLEANUP(buf_done) struct buf name = { 0 };
    struct err e;
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (!file_read(AT_FDCWD, path, 64, &name, &e) || name.len < 2)
        return false;
    name.ptr[name.len - 1] = '\0';
    return strcmp(name.ptr, comm) == 0;
}

/* A program that was cloned but not executed yet bears the spawner's name, in a deeper namespace.
 */
static bool is_program(pid_t pid)
{
    char path[64];
    int outer, inner;
    CLEANUP(buf_done) struct buf status = { 0 };
    struct err e;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!is_named(pid, "box-spawner") || !file_read(AT_FDCWD, path, 65536, &status, &e))
        return false;
    const char *ids = strstr(status.ptr, "NSpid:");
    return ids && sscanf(ids, "NSpid: %d%*[\t]%d", &outer, &inner) == 2;
}

/* The newest process with a name, in a session or its parent is (0: any), and with a parent (0:
 * any); 0: none. */
static pid_t find_process(const char *comm, pid_t group, pid_t parent)
{
    pid_t found = 0;
    unsigned long long newest = 0; /* by start time: process ids begin anew */
    DIR *all = opendir("/proc");
    assert_non_null(all);
    for (struct dirent *d = readdir(all); d; d = readdir(all)) {
        int64_t pid;
        char path[64];
        int ppid = 0;
        unsigned long long start = 0;
        CLEANUP(buf_done) struct buf stat = { 0 };
        struct err e;
        if (!parse_int(str_of(d->d_name), &pid) || !is_named((pid_t)pid, comm) ||
            is_program((pid_t)pid))
            continue;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        if (!file_read(AT_FDCWD, path, 4096, &stat, &e) ||
            sscanf(
                strrchr(stat.ptr, ')'),
                ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                &ppid, &start) != 2)
            continue;
        bool member = getpgid((pid_t)pid) == group || getpgid(ppid) == group;
        if ((group == 0 || member) && (parent == 0 || ppid == parent) && start >= newest) {
            newest = start;
            found = (pid_t)pid;
        }
    }
    closedir(all);
    return found;
}

/* The newest keeper of this process; each leads a process group. */
static pid_t newest_keeper(void)
{
    return find_process("box-keeper", 0, getpid());
}

static pid_t first_keeper;

static pid_t find_helper(const char *comm)
{
    return find_process(comm, first_keeper, 0);
}

static void assert_replaced_after_killing(const char *comm)
{
    pid_t victim = find_helper(comm);
    struct err e;
    assert_true(victim > 0);
    assert_int_equal(kill(victim, SIGKILL), 0);
    for (int tries = 0; tries < 3; tries++) {
        CLEANUP(report_done) struct report r = { 0 };
        const struct plan p = PLAN("hello");
        if (!box_run(box, &p, &r, &e))
            continue; /* said as trouble of ours, never as a verdict */
        assert_int_equal(r.end, END_EXIT);
        assert_string_equal(buf_str(&r.out).ptr, "hello\n");
        return;
    }
    fail_msg("still broken: %s", e.text);
}

TEST(a_lane_whose_parts_are_killed_is_replaced)
{
    assert_replaced_after_killing("box-lane");
    assert_replaced_after_killing("box-init");
    assert_replaced_after_killing("box-spawner");
    assert_runs_well();
}

static void *kill_lane_soon(UNUSED void *arg)
{
    usleep(100000);
    kill(find_helper("box-lane"), SIGKILL);
    return NULL;
}

TEST(a_lane_killed_in_a_run_is_an_error_and_the_next_run_works)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct err e;
    pthread_t killer;
    const struct plan p = PLAN("sleep", "5000");
    int64_t rebuilds = box_rebuilds(box);
    assert_int_equal(pthread_create(&killer, NULL, kill_lane_soon, NULL), 0);
    assert_false(box_run(box, &p, &r, &e));
    pthread_join(killer, NULL);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_runs_well();
    assert_int_equal(box_rebuilds(box), rebuilds + 1);
}

static _Atomic bool killing;
static _Atomic int good;

/* At any moment, but not before the lane has shown that it works again. */
static void *kill_anything(UNUSED void *arg)
{
    static const char *const parts[] = { "box-init", "box-spawner", "box-init", "box-lane" };
    int before = 0;
    for (unsigned int i = 0; killing; i++) {
        usleep(3000 + i * 7919 % 30000);
        if (good == before)
            continue;
        before = good;
        pid_t victim = find_helper(parts[i % COUNT_OF(parts)]);
        if (victim > 0)
            kill(victim, SIGKILL);
    }
    return NULL;
}

TEST(whatever_part_dies_whenever_no_report_is_wrong)
{
    pthread_t killer;
    int failed = 0;
    killing = true;
    assert_int_equal(pthread_create(&killer, NULL, kill_anything, NULL), 0);
    int64_t start_us = mono_us();
    while (mono_us() < start_us + 3 * US_PER_S ||
           (failed < 3 && mono_us() < start_us + 60 * US_PER_S)) {
        CLEANUP(report_done) struct report r = { 0 };
        struct err e;
        const struct plan p = good % 2 ? PLAN("hello") : PLAN("spin", "10");
        if (!box_run(box, &p, &r, &e)) {
            failed++;
            continue;
        }
        assert_int_equal(r.end, END_EXIT);
        assert_int_equal(r.exit_code, 0);
        assert_string_equal(buf_str(&r.out).ptr, good % 2 ? "hello\n" : "");
        good++;
    }
    killing = false;
    pthread_join(killer, NULL);
    assert_true(good > 0 && failed > 0);
    for (int tries = 0; tries < 3; tries++) {
        CLEANUP(report_done) struct report r = { 0 };
        struct err e;
        const struct plan p = PLAN("hello");
        if (box_run(box, &p, &r, &e))
            return;
    }
    fail_msg("still broken after the killing");
}

TEST(every_layer_is_probed)
{
    struct layer layers[LAYERS_MAX];
    int count = 0;
    struct err e;
    MUST(keeper_probe(keeper, layers, &count, &e));
    assert_true(count > 5);
    for (int i = 0; i < count; i++)
        if (!layers[i].ok)
            fail_msg("%s: %s", layers[i].name, layers[i].detail);
    assert_string_equal(layers[count - 1].name, "trivial program");
}

TEST(without_its_keeper_nothing_is_built)
{
    struct err e;
    struct keeper *other = keeper_start(NULL, &e);
    assert_non_null(other);
    assert_null(box_open(other, 2000, &e)); /* no such lane; and now it is up */
    assert_true(newest_keeper() != first_keeper);
    assert_int_equal(kill(newest_keeper(), SIGKILL), 0);
    assert_null(box_open(other, 3, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    keeper_stop(other);
}

/* ---- nothing is left ---- */

static int count_entries(const char *path)
{
    int count = 0;
    DIR *all = opendir(path);
    if (!all)
        return 0;
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static int count_mine(void)
{
    char path[64];
    struct err e;
    MUST(box_wipe(box, &e)); /* the lane has cleared up when it answers */
    snprintf(path, sizeof path, "/proc/%d/fd", (int)find_helper("box-lane"));
    return count_entries(path) * 1000 + count_entries("/proc/self/fd");
}

TEST(five_hundred_runs_leave_descriptors_and_cgroups_as_before)
{
    assert_runs_well();
    pid_t lane = find_helper("box-lane"), spawner = find_helper("box-spawner");
    int before = count_mine();
    for (int i = 0; i < 500; i++)
        assert_runs_well();
    assert_int_equal(count_mine(), before);
    assert_int_equal(find_helper("box-lane"), lane);
    assert_int_equal(find_helper("box-spawner"), spawner);
}

static int start(UNUSED void **state)
{
    struct err e;
    exe = open(PROG, O_RDONLY | O_CLOEXEC);
    keeper = keeper_start(NULL, &e);
    box = keeper ? box_open(keeper, 0, &e) : NULL;
    first_keeper = newest_keeper();
    if (!box)
        fprintf(stderr, "%s\n", e.text);
    return box && exe >= 0 ? 0 : -1;
}

static int stop(UNUSED void **state)
{
    box_close(box);
    keeper_stop(keeper);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_program_is_run_and_heard),
        T(stdin_is_read_from_its_start_each_time),
        T(exit_codes_and_signals_are_told_apart),
        T(a_program_that_cannot_be_executed_is_no_trouble_of_ours),
        T(stderr_comes_apart_or_in_order),
        T(two_runs_are_two_users),
        T(cpu_time_is_limited),
        T(cpu_time_above_the_limit_counts_even_when_it_ended_by_itself),
        T(wall_time_is_limited),
        T(memory_is_limited_and_measured),
        T(memory_of_all_processes_counts_together),
        T(output_is_cut_at_its_limit),
        T(large_outputs_arrive_whole),
        T(processes_are_counted),
        T(after_a_fork_bomb_the_next_run_is_clean),
        T(a_daemon_left_behind_dies_with_its_run),
        T(files_go_in_and_results_come_out),
        T(what_does_not_fit_is_left_out_and_said),
        T(paths_outside_the_box_are_refused),
        T(a_kept_box_goes_on_and_a_wiped_one_is_empty),
        T(five_hundred_runs_leave_descriptors_and_cgroups_as_before),
        T(a_run_can_be_cancelled),
        T(a_lane_whose_parts_are_killed_is_replaced),
        T(a_lane_killed_in_a_run_is_an_error_and_the_next_run_works),
        T(whatever_part_dies_whenever_no_report_is_wrong),
        T(every_layer_is_probed),
        T(without_its_keeper_nothing_is_built),
    };
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: real lanes need root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
