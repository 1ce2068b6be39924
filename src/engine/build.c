/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.c - find, wait for or make what a job's programs start from.
 *
 * Sources of an interpreted language are the artifact themselves. A compiled one comes from the
 * cache, or from a job that is building the same right now, or from a box run of the build command.
 * A build that fails is a result. It is kept in memory when the compiler said no (exit code), which
 * it will say again; a build stopped by a limit or a signal might pass another time.
 */
#include <stdio.h>

#include "base/clock.h"
#include "engine/judge.h"
#include "engine/lane.h"
#include "engine/recipe.h"

enum { COLLECT_MAX = 8, COLLECT_FILES = 2000 };
static const int64_t collect_bytes = INT64_C(128) << 20;

/* A build step about to run. */
struct build {
    const struct language *lang;
    struct box_limits limits;
    const char *const *argv;
    struct arena arena;
};

static void build_done(struct build *b)
{
    arena_done(&b->arena);
}
CLEANUP_FOR_STRUCT(struct build, build_done)

static void prepare(struct build *b, const struct engine *en, const struct active *a)
{
    b->lang = a->lang;
    b->limits = recipe_build_limits(&en->config.build, a->lang);
    struct command_words words = recipe_build_words(a->job, &b->limits, &b->arena);
    b->argv = command_fill(&a->lang->build, &words, &b->arena);
}

static size_t collect_of(const struct language *lang, struct plan_collect *to)
{
    size_t count = 0;
    for (; lang->artifact && lang->artifact[count] && count < COLLECT_MAX; count++)
        to[count] = (struct plan_collect){ .pattern = lang->artifact[count],
                                           .file_bytes = collect_bytes,
                                           .total_bytes = collect_bytes,
                                           .files = COLLECT_FILES };
    return count;
}

static enum got run_compiler(struct lane *l, struct active *a, struct build *b,
                             struct report *report, struct err *e)
{
    CLEANUP(artifact_unref) struct artifact *sources = artifact_of_sources(a->job, 0, e);
    if (!sources)
        return GOT_FAILED;
    struct plan_file *files = arena_array(&b->arena, a->job->file_count, sizeof *files);
    struct plan_collect collect[COLLECT_MAX];
    struct plan plan = {
        .argv = b->argv,
        .env = recipe_env(b->lang, NULL, &b->arena),
        .files = files,
        .file_count = recipe_files(sources, files),
        .exe_fd = -1,
        .stdin_fd = -1,
        .limits = b->limits,
        .merge_stderr = true,
        .all_cores = true,
        .collect = collect,
        .collect_count = collect_of(b->lang, collect),
    };
    return lane_run(l, a, SIZE_MAX, &plan, report, e);
}

/* Why there is no program although one was asked for, or NULL. */
static const char *failure(const struct report *report, const struct outcome *o,
                           const struct language *lang, struct arena *arena)
{
    if (report->end == END_EXIT && report->exit_code != 0)
        return "The compiler found errors.";
    if (o->verdict != VERDICT_ACCEPTED)
        return arena_printf(arena, "While compiling: %s", o->message ? o->message : "it failed.");
    if (report->files_cut)
        return "The build left more or larger files than are kept.";
    if (report->file_count == 0 || (lang->single_executable && report->file_count != 1))
        return arena_printf(arena, "The build did not leave %s.",
                            lang->artifact && lang->artifact[0] ? lang->artifact[0] : "a program");
    return NULL;
}

static struct artifact *artifact_of_build(const struct build *b, struct report *report)
{
    static const struct checker any = { .type = CHECKER_EXACT };
    struct limits limits = recipe_as_limits(&b->limits);
    struct artifact *made = artifact_new();
    judge(report, &any, STR_NULL, &limits, &made->arena, &made->compile);
    made->bytes += (int64_t)made->compile.out.len;
    made->message = failure(report, &made->compile, b->lang, &made->arena);
    if (made->message)
        made->compile.verdict = VERDICT_COMPILE_ERROR;
    else
        artifact_take_files(made, report);
    return made;
}

/* ret GOT_ONE: *made is an artifact, of a failed build perhaps; keep tells whether to keep it. */
static enum got make(struct lane *l, struct active *a, struct build *b, struct artifact **made,
                     bool *keep, struct err *e)
{
    CLEANUP(report_done) struct report report = { 0 };
    enum got got = run_compiler(l, a, b, &report, e);
    if (got != GOT_ONE)
        return got;
    if (report.end == END_NO_EXEC) { /* the command is the language file's, so this is on us */
        err_sysno(e, report.exec_errno, "%s: cannot execute %s", b->lang->id, b->argv[0]);
        return GOT_FAILED;
    }
    *keep = report.end == END_EXIT && !report.files_cut;
    *made = artifact_of_build(b, &report);
    (*made)->rusage_only = report.from_rusage;
    return GOT_ONE;
}

/* ---- equal builds at the same time ---- */

/* True when another lane is at this build; a then waits for it. Else a is the one that builds. */
static bool park_or_claim(struct engine *en, struct active *a)
{
    bool parked = false;
    pthread_mutex_lock(&en->lock);
    struct active *other;
    for (other = TAILQ_FIRST(&en->all); other; other = TAILQ_NEXT(other, all))
        if (other != a && other->building && strcmp(other->key, a->key) == 0)
            break;
    if (other && !a->cancelled) {
        TAILQ_INSERT_TAIL(&other->parked, a, line);
        a->in_parked = other;
        en->parked++;
        parked = true;
    } else if (!other) {
        a->building = true;
    }
    pthread_mutex_unlock(&en->lock);
    return parked;
}

/* The build is over. made: what those that waited get; NULL: they have to see for themselves. */
static void release_parked(struct engine *en, struct active *a, struct artifact *made)
{
    pthread_mutex_lock(&en->lock);
    a->building = false;
    for (struct active *w; (w = TAILQ_LAST(&a->parked, active_list));) {
        TAILQ_REMOVE(&a->parked, w, line);
        w->in_parked = NULL;
        en->parked--;
        w->artifact = artifact_ref(made);
        active_line_up(en, w, true);
    }
    engine_schedule(en);
    pthread_mutex_unlock(&en->lock);
}

static void count_lookup(struct engine *en, bool hit)
{
    pthread_mutex_lock(&en->lock);
    if (hit)
        en->stats.cache_hits++;
    else
        en->stats.cache_misses++;
    pthread_mutex_unlock(&en->lock);
}

static void count_shared(struct engine *en, bool hit)
{
    pthread_mutex_lock(&en->lock);
    if (hit)
        en->stats.shared_hits++;
    else
        en->stats.shared_misses++;
    pthread_mutex_unlock(&en->lock);
}

/* Not in this process's cache: from the one all machines share, or made and offered to it. */
static enum got share_or_make(struct lane *l, struct active *a, struct build *b, struct err *e)
{
    struct engine *en = l->en;
    bool keep = false, claimed;
    enum got got = GOT_ONE;
    a->artifact = shared_get(l, a, &claimed);
    a->cached = a->artifact != NULL;
    if (en->config.shared)
        count_shared(en, a->cached);
    if (!a->artifact)
        got = make(l, a, b, &a->artifact, &keep, e);
    bool kept = got == GOT_ONE && (keep || a->cached);
    if (kept)
        cache_put(en->cache, a->key, a->artifact);
    if (claimed)
        shared_put(en, a->key, kept ? a->artifact : NULL);
    return got;
}

static enum got make_and_keep(struct lane *l, struct active *a, struct build *b, struct err *e)
{
    struct engine *en = l->en;
    /* Another lane may have put it there between our look and our claim. */
    a->artifact = cache_get(en->cache, a->key);
    a->cached = a->artifact != NULL;
    count_lookup(en, a->cached);
    enum got got = a->artifact ? GOT_ONE : share_or_make(l, a, b, e);
    release_parked(en, a, a->artifact);
    return got;
}

static enum got from_cache_or_make(struct lane *l, struct active *a, bool *parked, struct err *e)
{
    struct engine *en = l->en;
    CLEANUP(build_done) struct build b = { 0 };
    prepare(&b, en, a);
    if (a->job->cache == CACHE_NONE) {
        bool keep;
        return make(l, a, &b, &a->artifact, &keep, e);
    }
    if (!a->key[0])
        recipe_key(a->job, a->lang, b.argv, a->key);
    a->artifact = cache_get(en->cache, a->key);
    if (a->artifact) {
        a->cached = true;
        count_lookup(en, true);
        return GOT_ONE;
    }
    *parked = park_or_claim(en, a);
    return *parked ? GOT_NONE : make_and_keep(l, a, &b, e);
}

/* Compiled programs find the job's other files beside them, as they did while being built. */
static bool add_extra(struct active *a, struct err *e)
{
    if (a->job->file_count < 2 || a->extra)
        return true;
    a->extra = artifact_of_sources(a->job, 1, e);
    return a->extra != NULL;
}

enum got build_get(struct lane *l, struct active *a, bool *parked, struct err *e)
{
    if (!a->lang->build.argv) {
        a->artifact = artifact_of_sources(a->job, 0, e);
        return a->artifact ? GOT_ONE : GOT_FAILED;
    }
    if (!add_extra(a, e))
        return GOT_FAILED;
    if (a->artifact) { /* it was parked, and the other job's build is ours too */
        a->cached = true;
        count_lookup(l->en, true);
        return GOT_ONE;
    }
    return from_cache_or_make(l, a, parked, e);
}
