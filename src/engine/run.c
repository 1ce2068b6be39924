/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - one test: its plan, its runs, its outcome.
 */
#include <unistd.h>

#include "base/file.h"
#include "engine/judge.h"
#include "engine/lane.h"
#include "engine/recipe.h"

enum { COLLECT_FILES = 200 };
static const int64_t default_collect_bytes = INT64_C(4) << 20;

static int64_t collect_bytes(const struct engine *en)
{
    return en->config.collect_bytes > 0 ? en->config.collect_bytes : default_collect_bytes;
}

static void fill_collect(struct plan *plan, const struct engine *en, const struct job *job,
                         struct arena *arena)
{
    size_t count = 0;
    while (job->collect[count])
        count++;
    if (count == 0)
        return;
    int64_t bytes = collect_bytes(en);
    struct plan_collect *collect = arena_array(arena, count, sizeof *collect);
    for (size_t i = 0; i < count; i++)
        collect[i] = (struct plan_collect){ job->collect[i], bytes, bytes, COLLECT_FILES };
    plan->collect = collect;
    plan->collect_count = count;
}

/* The files of all patterns together stay below the bound, too: later ones give way. */
static bool keep_files(const struct report *report, int64_t bytes, struct arena *arena,
                       struct outcome *ret, struct err *e)
{
    ret->files_cut = report->files_cut;
    if (report->file_count == 0)
        return true;
    ret->files = arena_array(arena, report->file_count, sizeof *ret->files);
    for (size_t i = 0; i < report->file_count; i++) {
        const struct report_file *f = &report->files[i];
        if (f->size > bytes || ret->file_count == COLLECT_FILES) {
            ret->files_cut = true;
            continue;
        }
        char *content = arena_get(arena, (size_t)f->size + 1);
        if (pread(f->fd, content, (size_t)f->size, 0) != f->size)
            return err_sys(e, "read a collected file");
        bytes -= f->size;
        ret->files[ret->file_count++] = (struct output_file){
            .path = arena_text(arena, f->path),
            .content = { content, (size_t)f->size },
            .executable = f->mode & 0111,
        };
    }
    return true;
}

static void fill_files(struct plan *plan, const struct active *a, struct arena *arena)
{
    size_t extra = a->extra ? a->extra->file_count : 0;
    struct plan_file *files = arena_array(arena, a->artifact->file_count + extra, sizeof *files);
    if (a->lang->build.argv && a->lang->single_executable)
        plan->exe_fd = a->artifact->files[0].fd;
    else
        plan->file_count = recipe_files(a->artifact, files);
    plan->file_count += recipe_files(a->extra, files + plan->file_count);
    plan->files = files;
}

static struct plan plan_of(const struct engine *en, const struct active *a, size_t k, int stdin_fd,
                           struct arena *arena)
{
    const struct job *job = a->job;
    struct command_words words = recipe_run_words(job, k, arena);
    struct plan plan = {
        .argv = command_fill(&a->lang->run, &words, arena),
        .env = recipe_env(a->lang, job->env, arena),
        .exe_fd = -1,
        .stdin_fd = stdin_fd,
        .limits = recipe_run_limits(&job->tests[k].limits, en->config.disk_bytes),
        .merge_stderr = job->merge_stderr,
    };
    fill_files(&plan, a, arena);
    fill_collect(&plan, en, job, arena);
    return plan;
}

static enum got run_once(struct lane *l, struct active *a, size_t k, const struct plan *plan,
                         struct arena *arena, struct run_outcome *ret, struct err *e)
{
    const struct job_test *test = &a->job->tests[k];
    CLEANUP(report_done) struct report report = { 0 };
    enum got got = lane_run(l, a, k, plan, &report, e);
    if (got != GOT_ONE)
        return got;
    judge(&report, &a->job->checker, test->expected, &test->limits, arena, &ret->outcome);
    ret->rusage_only = report.from_rusage;
    if (!keep_files(&report, collect_bytes(l->en), arena, &ret->outcome, e))
        return GOT_FAILED;
    return GOT_ONE;
}

/* Judge0's number_of_runs: times and memory are means, the rest is the last run's. */
static enum got run_repeatedly(struct lane *l, struct active *a, size_t k, const struct plan *plan,
                               struct arena *arena, struct run_outcome *ret, struct err *e)
{
    int64_t cpu = 0, wall = 0, memory = 0;
    int done = 0;
    do {
        enum got got = run_once(l, a, k, plan, arena, ret, e);
        if (got != GOT_ONE)
            return got;
        cpu += ret->outcome.cpu_us;
        wall += ret->outcome.wall_us;
        memory += ret->outcome.memory_bytes;
        done++;
    } while (done < a->job->runs && ret->outcome.verdict == VERDICT_ACCEPTED);
    ret->outcome.cpu_us = cpu / done;
    ret->outcome.wall_us = wall / done;
    ret->outcome.memory_bytes = memory / done;
    return GOT_ONE;
}

enum got run_test(struct lane *l, struct active *a, size_t k, struct arena *arena,
                  struct run_outcome *ret, struct err *e)
{
    struct str input = a->job->tests[k].stdin_data;
    CLEANUP(fd_close) int stdin_fd = -1;
    if (input.len > 0) {
        stdin_fd = memfd_of("stdin", input, 0444, e);
        if (stdin_fd < 0) {
            err_add(e, "stdin");
            return GOT_FAILED;
        }
    }
    struct plan plan = plan_of(l->en, a, k, stdin_fd, arena);
    return run_repeatedly(l, a, k, &plan, arena, ret, e);
}
