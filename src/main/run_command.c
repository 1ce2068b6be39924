/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx run - one program in the sandbox, from the shell, as a Unix tool: its output is ours, its
 * exit status is ours, what the sandbox has to say goes to standard error (or into --json).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "hints/hints.h"
#include "main/commands.h"
#include "main/sandbox_side.h"

enum {
    STDIN_BYTES = 64 << 20,
    /* Statuses a program has not itself chosen: as in timeout(1), env(1) and the shell. */
    EXIT_TIME = 124,
    EXIT_TROUBLE = 125,
    EXIT_MEMORY = 137, /* what a shell shows for the OOM killer's SIGKILL */
    EXIT_OUTPUT = 153, /* and for SIGXFSZ */
};

struct run_options {
    const char *language, *stdin_file, *expected_file;
    const char **files, **collect, **compiler_options, **env;
    const char *into;
    int checker;
    struct limits limits;
    bool json, quiet;
};

#define AT(member) offsetof(struct run_options, member)

static const struct conf_item option_items[] = {
    { "language", CONF_TEXT, AT(language), NULL, "language of FILE; by its ending when not given" },
    { "stdin", CONF_TEXT, AT(stdin_file), NULL,
      "file to read as standard input; ours when not given" },
    { "expected", CONF_TEXT, AT(expected_file), NULL,
      "file with the output it should print; without it any output is right" },
    { "checker", CONF_CHOICE, AT(checker), "lines",
      "how its output is compared: lines, exact, tokens, floats or unordered",
      .choices = "lines exact tokens floats unordered" },
    { "files", CONF_WORDS, AT(files), NULL, "further files to put beside FILE" },
    { "collect", CONF_WORDS, AT(collect), NULL, "globs of files to bring out when it has ended" },
    { "into", CONF_TEXT, AT(into), ".", "folder collected files are written to" },
    { "options", CONF_WORDS, AT(compiler_options), NULL, "options for the compiler" },
    { "env", CONF_WORDS, AT(env), NULL, "NAME=value pairs for its environment" },
    { "cpu-time", CONF_TIME, AT(limits.cpu_us), "10s", "CPU time of all its processes" },
    { "wall-time", CONF_TIME, AT(limits.wall_us), "30s", "time from start to end" },
    { "memory", CONF_BYTES, AT(limits.memory_bytes), "512MiB", "memory of all its processes" },
    { "stack", CONF_BYTES, AT(limits.stack_bytes), "64MiB", "stack of a process" },
    { "processes", CONF_INT, AT(limits.processes), "100", "processes and threads at one time" },
    { "output", CONF_BYTES, AT(limits.output_bytes), "16MiB", "bytes of stdout, and of stderr" },
    { "file-size", CONF_BYTES, AT(limits.file_bytes), "64MiB", "largest file it may write" },
    { "json", CONF_BOOL, AT(json), "false", "print a report as JSON in place of the output" },
    { "quiet", CONF_BOOL, AT(quiet), "false", "say nothing beside the program's own output" },
};

static const struct conf_table option_table = {
    .prefix = "--",
    .items = option_items,
    .count = COUNT_OF(option_items),
    .strict = true,
    .listed_by = "evalx run --help",
};

void run_print_help(FILE *out)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    conf_print(&option_table, CONF_HELP, NULL, NULL, &text);
    fprintf(out,
            "\nOptions stand before FILE, as --name=value:\n\n%s\n"
            "Exit status: the program's own; 128+n when signal n killed it; 1 when it does not\n"
            "compile, or its output is not the expected one; %d over a time limit, %d over the "
            "memory limit, %d over the output limit;\n"
            "%d when it could not be run.\n",
            buf_str(&text).ptr, EXIT_TIME, EXIT_MEMORY, EXIT_OUTPUT, EXIT_TROUBLE);
}

/* ---- the one job, and waiting for it ---- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    struct result *result; /* NULL: trouble, see e */
    struct err e;
};

static void on_finished(void *arg, struct result *result, const struct err *e)
{
    struct waiting *w = arg;
    pthread_mutex_lock(&w->lock);
    w->result = result;
    if (!result)
        w->e = *e;
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
}

static struct result *run_job(struct engine *engine, const struct job *job, struct err *e)
{
    struct waiting w = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };
    engine_submit(engine, job, 1, (struct engine_sink){ NULL, on_finished, &w });
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.ended, &w.lock);
    pthread_mutex_unlock(&w.lock);
    if (!w.result)
        *e = w.e;
    return w.result;
}

/* ---- from files to a job ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const struct language *language_by_ending(const struct catalogue *c, const char *file)
{
    const char *ending = strrchr(base_name(file), '.');
    for (size_t i = 0; ending && i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        const char *its = l->source_file ? strrchr(l->source_file, '.') : NULL;
        if (l->offered && its && strcmp(its, ending) == 0)
            return l;
    }
    return NULL;
}

static bool read_file(struct job *job, const char *path, struct str *ret, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    if (!file_read(AT_FDCWD, path, STDIN_BYTES, &text, e))
        return false;
    *ret = arena_str(&job->arena, buf_str(&text));
    return true;
}

static bool read_stdin(struct job *job, const char *path, struct str *ret, struct err *e)
{
    if (path)
        return read_file(job, path, ret, e);
    if (isatty(STDIN_FILENO))
        return true; /* a program that reads finds the end at once */
    CLEANUP(buf_done) struct buf text = { 0 };
    if (!fd_read_all(STDIN_FILENO, STDIN_BYTES, &text, e))
        return err_add(e, "standard input");
    *ret = arena_str(&job->arena, buf_str(&text));
    return true;
}

static bool add_files(struct job *job, const char *main_file, const char *source_file,
                      const char *const *more, struct err *e)
{
    size_t count = 1;
    while (more[count - 1])
        count++;
    job->files = arena_array(&job->arena, count, sizeof *job->files);
    job->file_count = count;
    job->files[0].path = source_file; /* the name its language wants */
    if (!read_file(job, main_file, &job->files[0].content, e))
        return false;
    for (size_t i = 1; i < count; i++) {
        job->files[i].path = arena_text(&job->arena, base_name(more[i - 1]));
        if (!read_file(job, more[i - 1], &job->files[i].content, e))
            return false;
    }
    return true;
}

static struct job *make_job(const struct run_options *o, const struct settings *s,
                            const struct catalogue *c, char **words, struct err *e)
{
    CLEANUP(job_free) struct job *job = job_new();
    const struct language *language =
        o->language ? catalogue_find(c, str_of(o->language), e) : language_by_ending(c, words[0]);
    if (!language) {
        if (!o->language)
            err_set(e, ERR_INVALID, "which language is %s? Say --language=ID (evalx languages)",
                    words[0]);
        return NULL;
    }
    size_t args = 0;
    while (words[1 + args])
        args++;
    job->language = language->id;
    job->args = arena_array(&job->arena, args + 1, sizeof *job->args);
    for (size_t i = 0; i < args; i++)
        job->args[i] = words[1 + i];
    job->limits = o->limits;
    job->checker.type = (enum checker_type)o->checker;
    job->collect = o->collect;
    job->compiler_options = o->compiler_options;
    job->env = o->env;
    job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
    job->test_count = 1;
    job->tests[0] = (struct job_test){ .id = "1", .limits = limits_unset(), .weight = 1 };
    if (o->expected_file && !read_file(job, o->expected_file, &job->tests[0].expected, e))
        return NULL;

    /* From the shell the user decides: no maximum but the machine's. */
    struct job_policy policy = settings_policy(s);
    for (size_t i = 0; i < limit_count; i++)
        limit_set(&policy.most, &limit_infos[i], INT64_MAX);
    if (!add_files(job, words[0], language->source_file, o->files, e) ||
        !read_stdin(job, o->stdin_file, &job->tests[0].stdin_data, e) ||
        !job_check(job, c, &policy, e))
        return NULL;
    return TAKE(job);
}

/* ---- telling ---- */

/* The path is the program's choice: no "..", no link on the way, regular files only. */
static bool write_file(int into, const struct output_file *f, struct err *e)
{
    CLEANUP(fd_close) int dir = fcntl(into, F_DUPFD_CLOEXEC, 0);
    const char *name = f->path;
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        char part[256];
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        if (strcmp(part, "..") == 0)
            return err_set(e, ERR_INVALID, "collected file %s leaves the folder", f->path);
        if (mkdirat(dir, part, 0755) != 0 && errno != EEXIST)
            return err_sys(e, "create folder of %s", f->path);
        int next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return err_sys(e, "open folder of %s", f->path);
        fd_close(dir);
        dir = next;
    }
    return file_replace(dir, name, f->content, f->executable ? 0755 : 0644, e);
}

static bool write_files(const struct result *r, int into, struct err *e)
{
    for (size_t i = 0; i < r->test_count; i++) {
        const struct outcome *o = &r->tests[i].outcome;
        for (size_t k = 0; k < o->file_count; k++)
            if (!write_file(into, &o->files[k], e))
                return false;
        if (o->files_cut)
            fprintf(stderr, "evalx: not every file was collected: too many or too large\n");
    }
    return true;
}

static int exit_status(const struct result *r)
{
    const struct outcome *o = r->test_count ? &r->tests[0].outcome : NULL;
    switch (r->verdict) {
    case VERDICT_COMPILE_ERROR:
    case VERDICT_WRONG_ANSWER:
        return 1;
    case VERDICT_CPU_TIME_LIMIT:
    case VERDICT_WALL_TIME_LIMIT:
        return EXIT_TIME;
    case VERDICT_MEMORY_LIMIT:
        return EXIT_MEMORY;
    case VERDICT_OUTPUT_LIMIT:
        return EXIT_OUTPUT;
    case VERDICT_INTERNAL_ERROR:
        return EXIT_TROUBLE;
    default:
        return !o ? EXIT_TROUBLE : o->signal ? 128 + o->signal : o->exit_code;
    }
}

static void tell(const struct result *r, const struct run_options *o)
{
    if (o->json) {
        CLEANUP(buf_done) struct buf json = { 0 };
        result_to_json(r, &json);
        printf("%s\n", buf_str(&json).ptr);
        return;
    }
    if (r->compile.out.len && !o->quiet)
        fwrite(r->compile.out.ptr, 1, r->compile.out.len, stderr);
    for (size_t i = 0; i < r->test_count; i++) {
        const struct outcome *out = &r->tests[i].outcome;
        fwrite(out->out.ptr, 1, out->out.len, stdout);
        fflush(stdout);
        fwrite(out->err.ptr, 1, out->err.len, stderr);
        if (!o->quiet && out->verdict != VERDICT_ACCEPTED)
            fprintf(stderr, "evalx: %s%s%s\n", verdict_title(out->verdict),
                    out->message ? ": " : "", out->message ? out->message : "");
    }
    if (!o->quiet && r->verdict == VERDICT_COMPILE_ERROR)
        fprintf(stderr, "evalx: %s%s%s\n", verdict_title(r->verdict), r->message ? ": " : "",
                r->message ? r->message : "");
    for (size_t i = 0; !o->quiet && i < r->hint_count; i++)
        fprintf(stderr, "hint: %s\n", r->hints[i].text);
}

/* Read only for a program that failed: the patterns take longer to load than most programs run. */
static bool add_hints(const struct settings *s, const struct job *job, struct result *r,
                      struct err *e)
{
    if (!s->hints || r->verdict == VERDICT_ACCEPTED)
        return true;
    CLEANUP(hints_free) struct hint_book *book = hints_load(s->hints_dir, e);
    hints_find(book, job, r);
    return book != NULL;
}

static int run(const struct run_options *o, char **words, struct err *e)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    CLEANUP(sandbox_side_done) struct sandbox_side side = { 0 };
    if (!settings_load(&s, NULL, e) || !sandbox_side_start(&side, &s, false, e))
        return EXIT_TROUBLE;

    CLEANUP(fd_close) int into = -1;
    if (o->collect[0] && (into = dir_open(o->into, 0755, e)) < 0)
        return EXIT_TROUBLE;

    /* Files are read and written with the rights of whoever called. */
    CLEANUP(job_free) struct job *job = make_job(o, &s, side.catalogue, words, e);
    if (!job)
        return EXIT_TROUBLE;

    struct engine_config config = settings_engine(&s);
    config.lanes = 1;
    config.collect_bytes = s.disk_bytes;
    config.result_bytes = INT64_MAX / 2; /* one run, with limits of its own */
    CLEANUP(engine_stop)
    struct engine *engine = engine_start(&config, side.keeper, side.catalogue, e);
    CLEANUP(result_free) struct result *result = engine ? run_job(engine, job, e) : NULL;
    if (!result || !add_hints(&s, job, result, e))
        return EXIT_TROUBLE;
    if (into >= 0 && !write_files(result, into, e))
        return EXIT_TROUBLE;
    tell(result, o);
    return exit_status(result);
}

int command_run(int argc, char **argv)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct run_options o = { 0 };
    struct err e = { 0 };

    /* Options up to the first word that is none; a bare --flag means --flag=true. */
    char **options = arena_array(&arena, (size_t)argc + 1, sizeof *options);
    int at = 0;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0 && argv[at][2]; at++)
        options[at] = strchr(argv[at], '=') ? argv[at] : arena_printf(&arena, "%s=true", argv[at]);
    if (at < argc && strcmp(argv[at], "--") == 0)
        at++;

    if (!conf_load(&option_table, options, &o, &arena, NULL, &e) || at == argc) {
        fprintf(stderr, "evalx: run: %s; see evalx run --help\n",
                at == argc ? "no FILE is given" : e.text);
        return EXIT_TROUBLE;
    }
    o.limits.cpu_extra_us = 0;
    int status = run(&o, argv + at, &e);
    if (status == EXIT_TROUBLE && e.text[0])
        fprintf(stderr, "evalx: %s\n", e.text);
    return status;
}
