/* SPDX-License-Identifier: Apache-2.0 */
/*
 * box.c - a run in a warm box against a bare spawn of the same program.
 *
 *   bench-box [-n RUNS] [-r ROUNDS] [-u]
 *
 * Three programs, the same input and output: static C, dynamic C++ with iostream, python3. Bare is
 * clone(CLONE_VM | CLONE_VFORK), exec and wait, with two pipes read to their end: what any sandbox
 * at least has to do. The two take turns run by run, so that both see the same machine. The caller
 * sits on the lane's core, since a wake-up across cores costs more than the whole box (-u: it does
 * not). Prints one JSON array: for each program the medians, p10, p90 and the ratio of each round.
 * Then comes the same with every core busy, a lane and a thread on each: time divided by runs. Last
 * a fork bomb: how long after its limit nothing is left of it and its lane has the report.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "figures.h"
#include "sandbox/box.h"

enum { CHILD_STACK = 65536, WARM_UP = 20, CORES_MAX = 64, BUSY_US = 500000 };
enum { PAUSE_US = 300 }; /* a lane clears up after its report; not in the other's time */

#define INPUT  "1 2 3 4\n"
#define ANSWER "10\n"

struct program {
    const char *name, *aim;
    const char *source;
    const char *compile; /* NULL: run by python3 */
    const char *script;
    int exe;
};

static const char *const env[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/box", NULL };

static struct program programs[] = {
    { "C, static", "<= 1.15",
      "#include <stdio.h>\nint main(void){int x,s=0;while(scanf(\"%d\",&x)==1)s+=x;"
      "printf(\"%d\\n\",s);}\n",
      "gcc -O2 -static -x c", NULL, -1 },
    { "C++, dynamic", "<= 1.15",
      "#include <iostream>\nint main(){int x,s=0;while(std::cin>>x)s+=x;std::cout<<s<<'\\n';}\n",
      "g++ -O2 -x c++", NULL, -1 },
    { "python3", "<= 1.15", "print(sum(map(int, input().split())))\n", NULL, "sum.py", -1 },
};

NORETURN static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench-box: %s: %s\n", what, why);
    exit(1);
}

static void write_text(const char *path, const char *text)
{
    struct err e;
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !fd_write_all(fd, str_of(text), &e))
        give_up(path, strerror(errno));
}

static void compile(struct program *p, const char *folder)
{
    char source[256], exe[256], command[1024];
    snprintf(source, sizeof source, "%s/source", folder);
    snprintf(exe, sizeof exe, "%s/program", folder);
    snprintf(command, sizeof command, "%s %s -o %s", p->compile, source, exe);
    write_text(source, p->source);
    FILE *run = popen(command, "r");
    if (!run || pclose(run) != 0)
        give_up(command, "does not compile");
    p->exe = open(exe, O_RDONLY | O_CLOEXEC);
    if (p->exe < 0)
        give_up(exe, strerror(errno));
    unlink(exe);
    unlink(source);
}

/* ---- bare ---- */

struct bare {
    int in, out, err, exe;
    char *const *argv;
};

static _Thread_local char child_stack[CHILD_STACK] __attribute__((aligned(64)));

static int bare_child(void *arg)
{
    const struct bare *b = arg;
    dup2(b->in, 0);
    dup2(b->out, 1);
    dup2(b->err, 2);
    if (b->exe >= 0)
        syscall(SYS_execveat, b->exe, "", b->argv, env, AT_EMPTY_PATH);
    else
        execve(b->argv[0], b->argv, (char *const *)env);
    _exit(127);
}

static size_t read_to_end(int fd, char *to, size_t size)
{
    size_t len = 0;
    for (ssize_t got; (got = read(fd, to + len, size - len)) > 0;)
        len += (size_t)got;
    return len;
}

static int64_t run_bare(const struct program *p, int input, char *const *argv)
{
    char text[256];
    int out[2], err[2], status;
    int64_t start = mono_us();
    lseek(input, 0, SEEK_SET);
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        give_up("pipe", strerror(errno));
    struct bare b = { input, out[1], err[1], p->exe, argv };
    pid_t pid =
        clone(bare_child, child_stack + sizeof child_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &b);
    close(out[1]);
    close(err[1]);
    size_t len = read_to_end(out[0], text, sizeof text);
    read_to_end(err[0], text + len, sizeof text - len);
    waitpid(pid, &status, 0);
    close(out[0]);
    close(err[0]);
    int64_t took = mono_us() - start;
    if (status != 0 || !str_is((struct str){ text, len }, ANSWER))
        give_up(p->name, "wrong answer, bare");
    return took;
}

/* ---- boxed ---- */

static int64_t run_boxed(struct box *b, const struct program *p, const struct plan *plan)
{
    CLEANUP(report_done) struct report r = { 0 };
    struct err e;
    int64_t start = mono_us();
    if (!box_run(b, plan, &r, &e))
        give_up(p->name, e.text);
    int64_t took = mono_us() - start;
    if (r.end != END_EXIT || r.exit_code != 0 || !str_is(buf_str(&r.out), ANSWER))
        give_up(p->name, "wrong answer, in the box");
    return took;
}

static struct plan plan_of(const struct program *p, int input, const char *const *argv,
                           const struct plan_file *file)
{
    return (struct plan){
        .argv = argv,
        .env = env,
        .files = file,
        .file_count = p->script ? 1 : 0,
        .exe_fd = p->exe,
        .stdin_fd = input,
        .limits = { .cpu_us = 5 * US_PER_S,
                    .wall_us = 10 * US_PER_S,
                    .memory_bytes = 256 << 20,
                    .stack_bytes = 64 << 20,
                    .output_bytes = 65536,
                    .file_bytes = 1 << 20,
                    .processes = 16 },
    };
}

static void measure(struct box *b, const struct program *p, const char *folder, int64_t runs,
                    int64_t rounds)
{
    char script[280];
    snprintf(script, sizeof script, "%s/%s", folder, p->script ? p->script : "");
    if (p->script)
        write_text(script, p->source);
    const char *const bare_argv[] = { p->script ? "/usr/bin/python3" : "program",
                                      p->script ? script : NULL, NULL };
    const char *const boxed_argv[] = { bare_argv[0], p->script, NULL };
    struct err e;
    CLEANUP(fd_close) int input = memfd_of("input", STR(INPUT), 0444, &e);
    CLEANUP(fd_close) int source = p->script ? open(script, O_RDONLY | O_CLOEXEC) : -1;
    const struct plan_file file = { p->script, source, 0644 };
    const struct plan plan = plan_of(p, input, boxed_argv, &file);
    struct figures bare = { 0 }, boxed = { 0 };

    for (int i = 0; i < WARM_UP; i++) {
        run_bare(p, input, (char *const *)bare_argv);
        run_boxed(b, p, &plan);
    }
    printf("{\"program\":\"%s\",\"aim\":\"%s\",\"ratios\":[", p->name, p->aim);
    for (int64_t round = 0; round < rounds; round++) {
        struct figures bare_now = { 0 }, boxed_now = { 0 };
        for (int64_t i = 0; i < runs; i++) {
            int64_t one = run_bare(p, input, (char *const *)bare_argv);
            usleep(PAUSE_US);
            int64_t other = run_boxed(b, p, &plan);
            usleep(PAUSE_US);
            figures_add(&bare_now, one);
            figures_add(&boxed_now, other);
            figures_add(&bare, one);
            figures_add(&boxed, other);
        }
        figures_sort(&bare_now);
        figures_sort(&boxed_now);
        printf("%s%.4f", round ? "," : "",
               (double)figures_at(&boxed_now, 50) / (double)figures_at(&bare_now, 50));
        figures_done(&bare_now);
        figures_done(&boxed_now);
    }
    figures_sort(&bare);
    figures_sort(&boxed);
    printf("],\"bare_us\":%lld,\"box_us\":%lld,\"bare\":{", (long long)figures_at(&bare, 50),
           (long long)figures_at(&boxed, 50));
    figures_print(&bare);
    printf("},\"box\":{");
    figures_print(&boxed);
    printf("}}");
    figures_done(&bare);
    figures_done(&boxed);
    if (p->script)
        unlink(script);
}

/* A lane has the core that its number says, among those we may use. */
static void sit_on_core(int number)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        give_up("cores", strerror(errno));
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && number-- == 0) {
            CPU_SET(cpu, &one);
            break;
        }
    sched_setaffinity(0, sizeof one, &one);
}

/* ---- every core busy ---- */

struct worker {
    pthread_t thread;
    int number;
    struct box *box; /* NULL: bare */
    const struct program *program;
    int64_t until_us, runs;
};

static void *work(void *arg)
{
    static const char *const argv[] = { "program", NULL };
    struct worker *w = arg;
    struct err e;
    CLEANUP(fd_close) int input = memfd_of("input", STR(INPUT), 0444, &e);
    const struct plan plan = plan_of(w->program, input, argv, NULL);
    sit_on_core(w->number);
    for (; mono_us() < w->until_us; w->runs++) {
        if (w->box)
            run_boxed(w->box, w->program, &plan);
        else
            run_bare(w->program, input, (char *const *)argv);
    }
    return NULL;
}

static double per_second(struct worker *workers, int count, struct box **boxes)
{
    int64_t runs = 0;
    for (int i = 0; i < count; i++) {
        workers[i].box = boxes ? boxes[i] : NULL;
        workers[i].runs = 0;
        workers[i].until_us = mono_us() + BUSY_US;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            give_up("thread", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        runs += workers[i].runs;
    }
    return (double)runs * US_PER_S / BUSY_US;
}

static void measure_all_cores(struct keeper *k, const struct program *p, int64_t rounds)
{
    struct worker workers[CORES_MAX] = { 0 };
    struct box *boxes[CORES_MAX];
    struct err e;
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    int count = MIN(CPU_COUNT(&all), (int)CORES_MAX);
    double bare = 0, boxed = 0;
    for (int i = 0; i < count; i++) {
        boxes[i] = box_open(k, i, &e);
        if (!boxes[i])
            give_up("box", e.text);
        workers[i].number = i;
        workers[i].program = p;
    }
    printf(",{\"program\":\"%s, every core\",\"aim\":\"<= 1.25\",\"ratios\":[", p->name);
    for (int64_t round = 0; round < rounds; round++) {
        double one = per_second(workers, count, NULL), other = per_second(workers, count, boxes);
        printf("%s%.4f", round ? "," : "", one / other);
        bare += one / (double)rounds;
        boxed += other / (double)rounds;
    }
    printf("],\"bare_us\":%.0f,\"box_us\":%.0f,\"bare_per_second\":%.0f,\"box_per_second\":%.0f}",
           US_PER_S / bare, US_PER_S / boxed, bare, boxed);
    for (int i = 0; i < count; i++)
        box_close(boxes[i]);
}

/* ---- a fork bomb ---- */

enum { BOMBS = 10, BOMB_WALL_US = 200000, BOMB_PROCESSES = 256 };

static void measure_bomb(struct keeper *k, const char *folder)
{
    static struct program bomb = {
        .name = "fork bomb",
        .source = "#include <unistd.h>\nint main(void){for(;;)fork();}\n",
        .compile = "gcc -O2 -static -x c",
        .exe = -1,
    };
    static const char *const argv[] = { "bomb", NULL };
    struct figures gone = { 0 };
    struct err e;
    compile(&bomb, folder);
    CLEANUP(box_close) struct box *b = box_open(k, 0, &e);
    if (!b)
        give_up("box", e.text);
    struct plan plan = plan_of(&bomb, -1, argv, NULL);
    plan.limits.wall_us = BOMB_WALL_US;
    plan.limits.cpu_us = 0;
    plan.limits.processes = BOMB_PROCESSES;
    for (int i = 0; i < BOMBS; i++) {
        CLEANUP(report_done) struct report r = { 0 };
        if (!box_run(b, &plan, &r, &e))
            give_up(bomb.name, e.text);
        if (r.end != END_WALL)
            give_up(bomb.name, "did not reach its limit");
        figures_add(&gone, r.wall_us + r.overhead_us - BOMB_WALL_US);
    }
    figures_sort(&gone);
    printf(",{\"program\":\"%s\",\"aim\":\"<= 50 ms\",\"gone_us\":%lld,\"most_us\":%lld}",
           bomb.name, (long long)figures_at(&gone, 50), (long long)figures_at(&gone, 100));
    figures_done(&gone);
    close(bomb.exe);
}

int main(int argc, char **argv)
{
    int64_t runs = 200, rounds = 3;
    bool pinned = true;
    for (int opt; (opt = getopt(argc, argv, "n:r:u")) != -1;) {
        int64_t value = 1;
        if (opt == 'u')
            pinned = false;
        else if (opt == '?' || !parse_int(str_of(optarg), &value) || value < 1)
            give_up("usage", "bench-box [-n RUNS] [-r ROUNDS] [-u]");
        *(opt == 'n' ? &runs : &rounds) = opt == 'u' ? rounds : value;
    }
    char folder[] = "/tmp/evalx-bench-XXXXXX";
    struct err e;
    if (!mkdtemp(folder))
        give_up(folder, strerror(errno));
    CLEANUP(keeper_stop) struct keeper *k = keeper_start(NULL, &e);
    CLEANUP(box_close) struct box *b = k ? box_open(k, 0, &e) : NULL;
    if (!b)
        give_up("box", e.text);
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    if (pinned)
        sit_on_core(0);
    printf("[");
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        if (programs[i].compile)
            compile(&programs[i], folder);
        printf("%s", i ? "," : "");
        measure(b, &programs[i], folder, runs, rounds);
        fflush(stdout);
    }
    box_close(TAKE(b));
    sched_setaffinity(0, sizeof all, &all);
    measure_all_cores(k, &programs[0], rounds);
    measure_bomb(k, folder);
    printf("]\n");
    rmdir(folder);
    return 0;
}
