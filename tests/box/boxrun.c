/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boxrun - the sandbox from the command line, for tests: one keeper, warm lanes, plans in, reports
 * out.
 *
 *   boxrun [OPTIONS] -- PROGRAM [ARGUMENT...]   run one program, print its report
 *   boxrun [OPTIONS] --jobs                     one JSON object a line on stdin, one back for each
 *
 *   --lanes N           lanes 0..N-1, each worked by a thread, so jobs of two lanes run at once
 *   --cgroup v1|v2|none which cgroups (default: what is there)
 *   --keeper PATH       evalx-box (default: the one of this build)
 *   --probe             print the layers instead, exit 1 when one is missing
 *
 * A job: id, lane, argv, env; exe (a file of the host, run from a sealed memory file that all runs
 * of it share); stdin (text), stdin_shared (a name: the same memory file for all jobs that use the
 * name); files [{path, text or from, mode}]; limits and collect with the fields of plan.h;
 * merge_stderr, all_cores, keep; or instead of all that "wipe": true. What is absent has the
 * defaults below. "cancel": true breaks off what the lane runs at that moment, and has no answer.
 * The answer has the job's id and the fields of report.h, `end` as a word, bytes in base64, and
 * `rebuilds`; or `error` when box_run() failed, which no program may bring about.
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "sandbox/box.h"

enum { LANES_AT_MOST = 64, WORDS_AT_MOST = 256, FILES_AT_MOST = 64, SHARED_AT_MOST = 1024 };
enum { LINE_BYTES = 64 << 20, EXE_BYTES = 256 << 20 };

static const struct box_limits default_limits = {
    .cpu_us = 10000000,
    .wall_us = 20000000,
    .memory_bytes = 256 << 20,
    .stack_bytes = 64 << 20,
    .output_bytes = 1 << 20,
    .file_bytes = 16 << 20,
    .processes = 64,
};

static const char *const end_words[] = { [END_CANCELLED] = "cancelled", [END_MEMORY] = "memory",
                                         [END_OUTPUT] = "output",       [END_CPU] = "cpu",
                                         [END_WALL] = "wall",           [END_SIGNAL] = "signal",
                                         [END_EXIT] = "exit",           [END_NO_EXEC] = "no_exec" };

/* Memory files that several jobs use, by name. */
struct shared_file {
    char *name;
    int fd;
};

static struct shared_file shared_files[SHARED_AT_MOST];
static size_t shared_count;
static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t print_mutex = PTHREAD_MUTEX_INITIALIZER;

/* A lane with the jobs that wait for it. */
struct job {
    struct job *next;
    struct json *root;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct job *first, **last;
    bool closed;
    struct keeper *keeper;
    struct box *box;
    int lane;
};

/* Everything one plan borrows. */
struct task {
    struct plan plan;
    const char *argv[WORDS_AT_MOST + 1], *env[WORDS_AT_MOST + 1];
    struct plan_file files[FILES_AT_MOST];
    struct plan_collect collect[FILES_AT_MOST];
    char *texts[3 * WORDS_AT_MOST];
    int fds[FILES_AT_MOST + 2];
    size_t text_count, fd_count;
};

static void task_done(struct task *t)
{
    for (size_t i = 0; i < t->text_count; i++)
        free(t->texts[i]);
    for (size_t i = 0; i < t->fd_count; i++)
        fd_close(t->fds[i]);
}
CLEANUP_FOR_STRUCT(struct task, task_done)

/* ---- a job becomes a plan ---- */

static const char *keep_text(struct task *t, const struct json *node)
{
    struct str s = json_as_str(node);
    CHECK(t->text_count < COUNT_OF(t->texts));
    return t->texts[t->text_count++] = strndup(s.ptr, s.len);
}

static int keep_fd(struct task *t, int fd)
{
    CHECK(t->fd_count < COUNT_OF(t->fds));
    return t->fds[t->fd_count++] = fd;
}

static int64_t number(const struct json *node, const char *key, int64_t otherwise)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_INT ? json_as_int(value) : otherwise;
}

static bool yes(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_BOOL && json_as_bool(value);
}

static void read_words(struct task *t, const struct json *list, const char **out)
{
    size_t count = MIN(json_count(list), (size_t)WORDS_AT_MOST);
    for (size_t i = 0; i < count; i++)
        out[i] = keep_text(t, json_at(list, i));
    out[count] = NULL;
}

/* A descriptor that stays open and is found again by its name; -1 when it is new. */
static int shared_find(const char *name)
{
    for (size_t i = 0; i < shared_count; i++)
        if (strcmp(shared_files[i].name, name) == 0)
            return shared_files[i].fd;
    return -1;
}

static void shared_add(const char *name, int fd)
{
    CHECK(shared_count < SHARED_AT_MOST);
    shared_files[shared_count++] = (struct shared_file){ strdup(name), fd };
}

static bool open_exe(const char *path, int *ret, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    bool ok = true;
    pthread_mutex_lock(&shared_mutex);
    *ret = shared_find(path);
    if (*ret < 0) {
        ok = file_read(AT_FDCWD, path, EXE_BYTES, &bytes, e) &&
             (*ret = memfd_of("exe", buf_str(&bytes), 0555, e)) >= 0;
        if (ok)
            shared_add(path, *ret);
    }
    pthread_mutex_unlock(&shared_mutex);
    return ok;
}

static bool open_stdin(struct task *t, const struct json *job, int *ret, struct err *e)
{
    const struct json *text = json_get(job, "stdin"), *shared = json_get(job, "stdin_shared");
    if (!text)
        return true;
    if (!shared) {
        *ret = memfd_of("stdin", json_as_str(text), 0444, e);
        keep_fd(t, *ret);
        return *ret >= 0;
    }
    const char *name = keep_text(t, shared);
    pthread_mutex_lock(&shared_mutex);
    *ret = shared_find(name);
    if (*ret < 0 && (*ret = memfd_of("stdin", json_as_str(text), 0444, e)) >= 0)
        shared_add(name, *ret);
    pthread_mutex_unlock(&shared_mutex);
    return *ret >= 0;
}

static bool read_file(struct task *t, const struct json *node, struct plan_file *f, struct err *e)
{
    const struct json *path = json_get(node, "path"), *text = json_get(node, "text"),
                      *from = json_get(node, "from");
    if (!path || (!text && !from))
        return err_invalid(e, "files", "a file needs a path and text or from");
    f->path = keep_text(t, path);
    f->mode = (mode_t)number(node, "mode", 0644);
    if (text)
        f->fd = memfd_of("file", json_as_str(text), 0444, e);
    else if ((f->fd = open(keep_text(t, from), O_RDONLY | O_CLOEXEC)) < 0)
        err_sys(e, "open %s", t->texts[t->text_count - 1]);
    keep_fd(t, f->fd);
    return f->fd >= 0;
}

static struct box_limits read_limits(const struct json *node)
{
    const struct box_limits d = default_limits;
    return (struct box_limits){
        .cpu_us = number(node, "cpu_us", d.cpu_us),
        .cpu_extra_us = number(node, "cpu_extra_us", d.cpu_extra_us),
        .wall_us = number(node, "wall_us", d.wall_us),
        .memory_bytes = number(node, "memory_bytes", d.memory_bytes),
        .stack_bytes = number(node, "stack_bytes", d.stack_bytes),
        .output_bytes = number(node, "output_bytes", d.output_bytes),
        .file_bytes = number(node, "file_bytes", d.file_bytes),
        .disk_bytes = number(node, "disk_bytes", d.disk_bytes),
        .processes = (int)number(node, "processes", d.processes),
        .open_files = (int)number(node, "open_files", d.open_files),
    };
}

static void read_collect(struct task *t, const struct json *list)
{
    size_t count = MIN(json_count(list), (size_t)FILES_AT_MOST);
    for (size_t i = 0; i < count; i++) {
        const struct json *c = json_at(list, i);
        t->collect[i] = (struct plan_collect){
            .pattern = keep_text(t, json_get(c, "pattern")),
            .file_bytes = number(c, "file_bytes", 1 << 20),
            .total_bytes = number(c, "total_bytes", 4 << 20),
            .files = (int)number(c, "files", 100),
        };
    }
    t->plan.collect = t->collect;
    t->plan.collect_count = count;
}

static bool task_read(const struct json *job, struct task *t, struct err *e)
{
    const struct json *files = json_get(job, "files"), *exe = json_get(job, "exe");
    read_words(t, json_get(job, "argv"), t->argv);
    read_words(t, json_get(job, "env"), t->env);
    t->plan = (struct plan){
        .argv = t->argv,
        .env = t->env,
        .files = t->files,
        .file_count = MIN(json_count(files), (size_t)FILES_AT_MOST),
        .exe_fd = -1,
        .stdin_fd = -1,
        .limits = read_limits(json_get(job, "limits")),
        .merge_stderr = yes(job, "merge_stderr"),
        .all_cores = yes(job, "all_cores"),
        .keep = yes(job, "keep"),
    };
    read_collect(t, json_get(job, "collect"));
    for (size_t i = 0; i < t->plan.file_count; i++)
        if (!read_file(t, json_at(files, i), &t->files[i], e))
            return false;
    if (exe && !open_exe(keep_text(t, exe), &t->plan.exe_fd, e))
        return false;
    return open_stdin(t, job, &t->plan.stdin_fd, e);
}

/* ---- a report becomes a line ---- */

static void put_base64(struct json_writer *w, const char *key, struct str bytes)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    base64_add(&text, bytes);
    json_put_key(w, key);
    json_put_str(w, buf_str(&text));
}

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
    json_put_key(w, key);
    json_put_int(w, value);
}

static void put_flag(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

static void put_file(struct json_writer *w, const struct report_file *f)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct err ignored;
    (void)!lseek(f->fd, 0, SEEK_SET);
    (void)!fd_read_all(f->fd, LINE_BYTES, &bytes, &ignored);
    json_put_object(w);
    json_put_key(w, "path");
    json_put_text(w, f->path);
    put_number(w, "size", f->size);
    put_number(w, "mode", f->mode);
    put_base64(w, "content", buf_str(&bytes));
    json_put_object_end(w);
}

static void put_report(struct json_writer *w, const struct report *r)
{
    json_put_key(w, "end");
    json_put_text(w, end_words[r->end]);
    put_number(w, "exit_code", r->exit_code);
    put_number(w, "signal", r->signal);
    put_number(w, "exec_errno", r->exec_errno);
    put_number(w, "wall_us", r->wall_us);
    put_number(w, "cpu_us", r->cpu_us);
    put_number(w, "memory_bytes", r->memory_bytes);
    put_flag(w, "from_rusage", r->from_rusage);
    put_base64(w, "out", buf_str(&r->out));
    put_base64(w, "err", buf_str(&r->err));
    put_flag(w, "out_cut", r->out_cut);
    put_flag(w, "err_cut", r->err_cut);
    json_put_key(w, "files");
    json_put_array(w);
    for (size_t i = 0; i < r->file_count; i++)
        put_file(w, &r->files[i]);
    json_put_array_end(w);
    put_flag(w, "files_cut", r->files_cut);
    put_number(w, "overhead_us", r->overhead_us);
}

static void put_error(struct json_writer *w, const struct err *e)
{
    json_put_key(w, "error");
    json_put_text(w, e->text);
    json_put_key(w, "kind");
    json_put_text(w, err_kind_name(e->kind));
}

static void print_line(const struct buf *line)
{
    pthread_mutex_lock(&print_mutex);
    fwrite(line->ptr, 1, line->len, stdout);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&print_mutex);
}

/* ---- running ---- */

static bool do_job(struct box *box, const struct json *job, struct report *r, struct err *e)
{
    CLEANUP(task_done) struct task t = { 0 };
    if (yes(job, "wipe"))
        return box_wipe(box, e);
    return task_read(job, &t, e) && box_run(box, &t.plan, r, e);
}

static bool answer(struct worker *w, const struct json *job)
{
    CLEANUP(report_done) struct report r = { 0 };
    CLEANUP(buf_done) struct buf line = { 0 };
    struct json_writer out = { .out = &line };
    struct err e = { 0 };
    bool ok = do_job(w->box, job, &r, &e);

    json_put_object(&out);
    put_number(&out, "id", number(job, "id", 0));
    put_number(&out, "lane", w->lane);
    put_number(&out, "rebuilds", box_rebuilds(w->box));
    if (ok)
        put_report(&out, &r);
    else
        put_error(&out, &e);
    json_put_object_end(&out);
    print_line(&line);
    return ok;
}

static struct job *next_job(struct worker *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->first && !w->closed)
        pthread_cond_wait(&w->more, &w->mutex);
    struct job *j = w->first;
    if (j && !(w->first = j->next))
        w->last = &w->first;
    pthread_mutex_unlock(&w->mutex);
    return j;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (struct job *j; (j = next_job(w)) != NULL;) {
        answer(w, j->root);
        json_free(j->root);
        free(j);
    }
    return NULL;
}

static void give(struct worker *w, struct json *root)
{
    struct job *j = calloc(1, sizeof *j);
    CHECK(j != NULL);
    j->root = root;
    pthread_mutex_lock(&w->mutex);
    *w->last = j;
    w->last = &j->next;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
}

static bool worker_start(struct worker *w, struct keeper *k, int lane, struct err *e)
{
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->more, NULL);
    w->last = &w->first;
    w->lane = lane;
    w->box = box_open(k, lane, e);
    if (!w->box)
        return err_add(e, "lane %d", lane);
    int rc = pthread_create(&w->thread, NULL, work, w);
    return rc == 0 || err_sysno(e, rc, "thread");
}

static void worker_stop(struct worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->closed = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    box_close(w->box);
}

static void read_jobs(struct worker *workers, int lanes)
{
    CLEANUP(free) void *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline((char **)&line, &room, stdin)) > 0) {
        struct err e;
        struct json *root = json_parse((struct str){ line, (size_t)len }, &e);
        int64_t lane = root ? number(root, "lane", 0) : -1;
        if (lane < 0 || lane >= lanes) {
            fprintf(stderr, "boxrun: %s\n", root ? "no such lane" : e.text);
            json_free(root);
            continue;
        }
        if (yes(root, "cancel")) {
            box_cancel(workers[lane].box);
            json_free(root);
        } else {
            give(&workers[lane], root);
        }
    }
}

static int run_jobs(struct keeper *k, int lanes)
{
    static struct worker workers[LANES_AT_MOST];
    struct err e;
    int started = 0;
    while (started < lanes && worker_start(&workers[started], k, started, &e))
        started++;
    if (started == lanes)
        read_jobs(workers, lanes);
    else
        fprintf(stderr, "boxrun: %s\n", e.text);
    for (int i = 0; i < started; i++)
        worker_stop(&workers[i]);
    return started == lanes ? 0 : 1;
}

static int run_one(struct keeper *k, char **argv)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct json_writer w = { .out = &text };
    struct worker one = { 0 };
    struct err e;
    json_put_object(&w);
    json_put_key(&w, "argv");
    json_put_array(&w);
    for (; *argv; argv++)
        json_put_text(&w, *argv);
    json_put_array_end(&w);
    json_put_object_end(&w);

    CLEANUP(json_free) struct json *job = json_parse(buf_str(&text), &e);
    one.box = job ? box_open(k, 0, &e) : NULL;
    if (!one.box) {
        fprintf(stderr, "boxrun: %s\n", e.text);
        return 1;
    }
    bool ok = answer(&one, job);
    box_close(one.box);
    return ok ? 0 : 1;
}

static int show_layers(struct keeper *k)
{
    struct layer layers[LAYERS_MAX];
    struct err e;
    int count = 0;
    bool all = keeper_probe(k, layers, &count, &e);
    if (!all)
        fprintf(stderr, "boxrun: %s\n", e.text);
    for (int i = 0; i < count; i++) {
        printf("%-20s %-4s %s%s%s\n", layers[i].name, layers[i].ok ? "ok" : "NO", layers[i].detail,
               layers[i].ok ? "" : " -> ", layers[i].ok ? "" : layers[i].fix);
        all = all && layers[i].ok;
    }
    return all ? 0 : 1;
}

struct arguments {
    struct keeper_config config;
    int lanes;
    bool jobs, probe;
};

static bool read_cgroup(const char *word, enum cgroup_want *ret)
{
    static const struct {
        const char *word;
        enum cgroup_want want;
    } all[] = {
        { "auto", CGROUP_AUTO }, { "v1", CGROUP_V1 }, { "v2", CGROUP_V2 }, { "none", CGROUP_NONE }
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (strcmp(word, all[i].word) == 0) {
            *ret = all[i].want;
            return true;
        }
    }
    return false;
}

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        { "lanes", required_argument, NULL, 'l' },  { "cgroup", required_argument, NULL, 'c' },
        { "keeper", required_argument, NULL, 'k' }, { "jobs", no_argument, NULL, 'j' },
        { "probe", no_argument, NULL, 'p' },        { 0 },
    };
    int64_t lanes = 1;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'l'   ? !parse_int(str_of(optarg), &lanes) || lanes < 1 || lanes > LANES_AT_MOST
            : c == 'c' ? !read_cgroup(optarg, &a->config.cgroup)
                       : c == '?')
            return false;
        if (c == 'k')
            a->config.program = optarg;
        a->jobs = a->jobs || c == 'j';
        a->probe = a->probe || c == 'p';
    }
    a->lanes = (int)lanes;
    return a->jobs || a->probe || optind < argc;
}

int main(int argc, char **argv)
{
    struct arguments a = { .config = { .program = EVALX_BOX } };
    struct err e;
    if (!read_arguments(argc, argv, &a)) {
        fprintf(stderr, "usage: boxrun [--lanes N] [--cgroup v1|v2|none] [--keeper PATH] "
                        "--jobs | --probe | -- PROGRAM...\n");
        return 2;
    }
    struct keeper *k = keeper_start(&a.config, &e);
    if (!k) {
        fprintf(stderr, "boxrun: %s\n", e.text);
        return 1;
    }
    int rc = a.probe ? show_layers(k) : a.jobs ? run_jobs(k, a.lanes) : run_one(k, argv + optind);
    keeper_stop(k);
    return rc;
}
