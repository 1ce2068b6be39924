/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast submissions are accepted for good: admitted, put in line, and durable, as the server
 * does it before it gives a token away. From 16 threads at once, into an empty file, behind a long
 * queue, and (--long) on top of a long history; beside it what one fdatasync costs on the same
 * disk.
 *
 *   store [--long] [--json] [--folder PATH]     the folder decides which disk is measured
 */
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "drivers/sqlite.h"
#include "queue/queue.h"
#include "store/store.h"

enum { THREADS = 16, ACCEPTS = 10000, QUEUED = 100000, HISTORY = 1000000 };

static struct db *db;
static struct store *store;
static struct queue *queue;
static bool as_json;

NORETURN static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "store: %s: %s\n", what, e->text);
    exit(1);
}

static struct job *job_made(void)
{
    static const char source[] =
        "#include <stdio.h>\nint main(void)\n{\n    int a, b;\n"
        "    if (scanf(\"%d %d\", &a, &b) == 2)\n        printf(\"%d\\n\", a + b);\n"
        "    return 0;\n}\n";
    struct job *job = job_new();
    job->language = "c";
    job->files = arena_array(&job->arena, 1, sizeof *job->files);
    job->file_count = 1;
    job->files[0] = (struct job_file){ "main.c", STR(source) };
    job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
    job->test_count = 1;
    job->tests[0] = (struct job_test){ .id = "1",
                                       .stdin_data = STR("20 22\n"),
                                       .expected = STR("42\n"),
                                       .limits = limits_unset(),
                                       .weight = 1 };
    return job;
}

static void admit(char id[TOKEN_TEXT])
{
    struct err e;
    struct job *job = job_made();
    if (store_admit(store, job, NULL, id, &e) != GOT_ONE)
        die("admit", &e);
    job_free(job);
}

static void sync_all(void)
{
    struct err e;
    if (!store_sync(store, &e))
        die("sync", &e);
}

static void accept_one(void)
{
    struct err e;
    char id[TOKEN_TEXT];
    admit(id);
    if (!queue_push(queue, &(struct queue_entry){ id, PRIORITY_NORMAL, NULL, 0 }, &e))
        die("push", &e);
    sync_all();
}

/* ---- measuring ---- */

static int64_t took_us[ACCEPTS];
static _Atomic int next_accept;

static void *accept_some(UNUSED void *arg)
{
    for (int i; (i = atomic_fetch_add(&next_accept, 1)) < ACCEPTS;) {
        int64_t begin = mono_us();
        accept_one();
        took_us[i] = mono_us() - begin;
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t resident_kib(void)
{
    long long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %lld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static void report(const char *what, int64_t count, int64_t total_us)
{
    qsort(took_us, (size_t)count, sizeof *took_us, by_value);
    double per_s = (double)count * 1e6 / (double)total_us;
    long long p50 = took_us[count / 2], p99 = took_us[count * 99 / 100];
    long long kib = resident_kib();
    if (as_json)
        printf("{\"what\":\"%s\",\"per_s\":%.0f,\"p50_us\":%lld,\"p99_us\":%lld,"
               "\"resident_kib\":%lld}\n",
               what, per_s, p50, p99, kib);
    else
        printf("%-44s %8.0f /s %8lld us %8lld us %6lld MiB\n", what, per_s, p50, p99, kib / 1024);
    fflush(stdout);
}

static void measure_crowd(const char *what)
{
    pthread_t threads[THREADS];
    atomic_store(&next_accept, 0);
    int64_t begin = mono_us();
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, accept_some, NULL) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    report(what, ACCEPTS, mono_us() - begin);
}

static void measure_one(const char *what, int count, void (*fn)(void))
{
    int64_t begin = mono_us();
    for (int i = 0; i < count; i++) {
        int64_t before = mono_us();
        fn();
        took_us[i] = mono_us() - before;
    }
    report(what, count, mono_us() - begin);
}

static int sync_fd;

/* What no durable accept can do without: one page written, one fdatasync. */
static void sync_once(void)
{
    static char page[4096];
    if (pwrite(sync_fd, page, sizeof page, 0) != sizeof page || fdatasync(sync_fd) != 0)
        abort();
}

static void measure_disk(const char *folder)
{
    char path[600];
    snprintf(path, sizeof path, "%s/sync", folder);
    sync_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sync_fd < 0)
        abort();
    measure_one("fdatasync of one page, alone", 500, sync_once);
    close(sync_fd);
}

/* ---- what is there already ---- */

static void fill_queue(int count)
{
    struct err e;
    char id[TOKEN_TEXT];
    for (int i = 0; i < count; i++) {
        admit(id);
        if (!queue_push(queue, &(struct queue_entry){ id, i % QUEUE_PRIORITIES, NULL, 0 }, &e))
            die("push", &e);
        if (i % 1000 == 999)
            sync_all();
    }
    sync_all();
}

static void kept(UNUSED void *arg, enum got won, const struct err *e)
{
    if (won == GOT_FAILED)
        die("finish", e);
}

static void fill_history(int count)
{
    char id[TOKEN_TEXT];
    CLEANUP(result_free) struct result *result = result_new();
    result->tests = arena_array(&result->arena, 1, sizeof *result->tests);
    result->test_count = 1;
    result->tests[0].id = "1";
    result->tests[0].weight = 1;
    result->tests[0].outcome.out = STR("42\n");
    for (int i = 0; i < count; i++) {
        admit(id);
        result->verdict = i % 3 ? VERDICT_ACCEPTED : VERDICT_WRONG_ANSWER;
        result->tests[0].outcome.verdict = result->verdict;
        store_finish(store, id, NULL, result, kept, NULL);
        if (i % 1000 == 999)
            sync_all();
    }
    sync_all();
}

static void drop_record(UNUSED void *arg, UNUSED struct record *r, UNUSED int64_t seq)
{
}

static void list_filtered(void)
{
    struct err e;
    struct store_filter f = { .language = "c", .verdict = VERDICT_WRONG_ANSWER, .limit = 50 };
    if (!store_list(store, &f, 0, drop_record, NULL, NULL, &e))
        die("list", &e);
}

static void measure_all(bool long_run)
{
    measure_one("one client alone", 1000, accept_one);
    measure_crowd("16 clients, empty queue");
    fill_queue(QUEUED);
    measure_crowd("16 clients, 100,000 queued");
    if (!long_run)
        return;
    fill_history(HISTORY);
    measure_crowd("16 clients, 1,000,000 in history as well");
    measure_one("list 50 by language and verdict", 200, list_filtered);
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int flag,
                      UNUSED struct FTW *ftw)
{
    return remove(path);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "long", no_argument, NULL, 'l' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "folder", required_argument, NULL, 'f' },
                                             { 0 } };
    bool long_run = false;
    const char *where = "/var/tmp";
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return 2;
        long_run |= option == 'l';
        as_json |= option == 'j';
        if (option == 'f')
            where = optarg;
    }

    struct err e;
    char folder[512], path[600];
    snprintf(folder, sizeof folder, "%s/evalx-bench-XXXXXX", where);
    if (!mkdtemp(folder)) {
        fprintf(stderr, "store: no folder in %s\n", where);
        return 1;
    }
    snprintf(path, sizeof path, "%s/bench.db", folder);
    if (!(db = db_open(path, &e)) ||
        !(store = store_sqlite_open(db, &(struct store_config){ 0 }, &e)) ||
        !(queue = queue_sqlite_open(db, &(struct queue_config){ 60 * US_PER_S, NULL }, &e)))
        die("open", &e);

    if (!as_json)
        printf("%-44s %11s %11s %11s %10s\n", "durable accepts", "rate", "median", "99 %",
               "resident");
    measure_disk(folder);
    measure_all(long_run);

    queue_close(queue);
    store_close(store);
    db_close(db);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
