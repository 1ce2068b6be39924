/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_check(): from what was asked to what will run. Checking twice changes nothing, so a job read
 * back from the store may be checked again.
 */
#include <string.h>

#include "job/job.h"
#include "job/refuse.h"

enum { PATH_BYTES = 255, PATH_DEPTH = 8, COLLECT_MOST = 16 };

/* ---- language ---- */

static bool only_digits(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

static const struct language *find_by_id(const char *text, const struct catalogue *catalogue,
                                         const struct judge0_name **ret_name, struct err *e)
{
    int64_t id = -1;
    size_t len = strlen(text);
    for (size_t i = 0; i < len && len < 10; i++)
        id = (i ? id * 10 : 0) + (text[i] - '0');
    const struct language *found = catalogue_find_judge0(catalogue, id, ret_name);
    if (!found) {
        refuse(e, "", "language", "with id %.20s doesn't exist", text);
        return NULL;
    }
    if (*ret_name && (*ret_name)->archived) {
        refuse(e, "", "language", "with id %s is archived and cannot be used anymore", text);
        return NULL;
    }
    return found;
}

static const struct language *settle_language(struct job *job, const struct catalogue *catalogue,
                                              const struct judge0_name **ret_name, struct err *e)
{
    *ret_name = NULL;
    const struct language *found = only_digits(job->language)
                                       ? find_by_id(job->language, catalogue, ret_name, e)
                                       : catalogue_find(catalogue, str_of(job->language), e);
    if (!found)
        return NULL;
    if (!found->offered) {
        refuse(e, "", "language", "%s is not installed on this server (Debian package %s)",
               found->id, found->package);
        return NULL;
    }
    job->language = arena_text(&job->arena, found->id);
    return found;
}

/* ---- files ---- */

/* Why a path may not be put below /box, or NULL. */
static const char *path_trouble(const char *path)
{
    size_t len = strlen(path);
    if (len == 0)
        return "must not be empty";
    if (len > PATH_BYTES)
        return "is too long: at most 255 bytes";
    int depth = 0;
    for (const char *part = path;;) {
        const char *end = strchrnul(part, '/');
        size_t size = (size_t)(end - part);
        if (size == 0)
            return "must be relative, without empty parts";
        if (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.')))
            return "must not hold \".\" or \"..\"";
        if (++depth > PATH_DEPTH)
            return "is too deep: at most 8 parts";
        if (!*end)
            break;
        part = end + 1;
    }
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "must not hold control characters";
    return NULL;
}

/* The same path, or one would have to be a folder of the other. */
static bool paths_clash(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    return (!a[i] && !b[i]) || (!a[i] && b[i] == '/') || (!b[i] && a[i] == '/');
}

/* By path, '/' before everything else, so that a folder's files stand right behind its name. */
static int by_path(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    while (*x && *x == *y)
        x++, y++;
    int left = *x == '/' ? 1 : (unsigned char)*x + (*x != 0);
    int right = *y == '/' ? 1 : (unsigned char)*y + (*y != 0);
    return left - right;
}

static bool check_clashes(const struct job *job, struct err *e)
{
    if (job->file_count < 2)
        return true;
    CLEANUP(arena_done) struct arena scratch = { 0 };
    const char **paths = arena_array(&scratch, job->file_count, sizeof *paths);
    for (size_t i = 0; i < job->file_count; i++)
        paths[i] = job->files[i].path;
    qsort(paths, job->file_count, sizeof *paths, by_path);
    for (size_t i = 1; i < job->file_count; i++)
        if (paths_clash(paths[i - 1], paths[i]))
            return refuse(e, "", "files",
                          "hold \"%.60s\" and \"%.60s\", which cannot both be there", paths[i - 1],
                          paths[i]);
    return true;
}

static bool check_files(struct job *job, const struct job_policy *policy, bool source_only,
                        struct err *e)
{
    size_t bytes = 0;
    if (job->file_count > policy->files_max)
        return refuse(e, "", "files", "has %zu entries, at most %zu are allowed", job->file_count,
                      policy->files_max);
    for (size_t i = 0; i < job->file_count; i++) {
        char key[FIELD_TEXT];
        snprintf(key, sizeof key, "files[%zu].path", i);
        const char *trouble = path_trouble(job->files[i].path);
        if (trouble)
            return refuse(e, "", source_only ? "entrypoint" : key, "%s", trouble);
        if (!job->files[i].content.ptr)
            job->files[i].content = STR("");
        bytes += job->files[i].content.len;
    }
    if (bytes > policy->source_bytes_max)
        return refuse(e, "", source_only ? "source" : "files",
                      "is too long: %zu bytes, at most %zu are allowed", bytes,
                      policy->source_bytes_max);
    return check_clashes(job, e);
}

/* The entry point goes to the front; the others keep their order. */
static bool front(struct job *job, const char *path)
{
    for (size_t i = 0; i < job->file_count; i++) {
        struct job_file entry = job->files[i];
        if (strcmp(entry.path, path) != 0)
            continue;
        memmove(job->files + 1, job->files, i * sizeof entry);
        job->files[0] = entry;
        return true;
    }
    return false;
}

static bool settle_entry(struct job *job, const struct language *language, const char *usual,
                         struct err *e)
{
    const char *entry = job->entrypoint ? job->entrypoint : usual;
    if (!entry) /* the language runs no file in particular */
        return true;
    if (!front(job, entry)) {
        if (job->entrypoint)
            return refuse(e, "", "entrypoint", "is none of the submitted files");
        if (job->file_count > 1)
            return refuse(e, "", "entrypoint", "is missing: there is no file \"%s\" to start with",
                          entry);
        entry = job->files[0].path;
    }
    if (!language->source_file || strcmp(entry, language->source_file) != 0)
        job->entrypoint = arena_text(&job->arena, entry);
    return true;
}

static bool settle_files(struct job *job, const struct language *language,
                         const struct judge0_name *name, const struct job_policy *policy,
                         struct err *e)
{
    const char *usual = name && name->source_file ? name->source_file : language->source_file;
    if (job->file_count == 0)
        return refuse(e, "", "source", "is missing");
    bool source_only = job->file_count == 1 && !job->files[0].path;
    if (source_only) {
        const char *path = job->entrypoint ? job->entrypoint : usual;
        if (!path)
            return refuse(e, "", "source", "must be files: %s takes a whole project", language->id);
        job->files[0].path = arena_text(&job->arena, path);
    }
    return check_files(job, policy, source_only, e) && settle_entry(job, language, usual, e);
}

/* ---- limits ---- */

static void keep_below(struct limits *l, const struct limits *most)
{
    for (size_t i = 0; i < limit_count; i++) {
        int64_t bound = limit_get(most, &limit_infos[i]);
        if (bound != LIMIT_UNSET && limit_get(l, &limit_infos[i]) > bound)
            limit_set(l, &limit_infos[i], bound);
    }
}

/* The server's defaults as this language needs them, still within the most allowed. */
static struct limits defaults_for(const struct language *language, const struct job_policy *policy)
{
    struct limits l = policy->defaults;
    l.cpu_us = (int64_t)((double)l.cpu_us * language->time_factor);
    l.wall_us = (int64_t)((double)l.wall_us * language->time_factor);
    l.memory_bytes =
        (int64_t)((double)l.memory_bytes * language->memory_factor) + language->memory_extra_bytes;
    l.processes = MAX(l.processes, language->processes_least);
    keep_below(&l, &policy->most);
    return l;
}

/*
 * Fill what was not asked for. Who asks for CPU time alone also needs the wall time to use it: a
 * program that waits a little must not end at a wall limit nobody thought of.
 */
static void settle_limits(struct limits *l, const struct limits *defaults,
                          const struct limits *most)
{
    bool raise = l->wall_us == LIMIT_UNSET && l->cpu_us != LIMIT_UNSET;
    limits_fill(l, defaults);
    if (!raise)
        return;
    int64_t wall;
    if (__builtin_mul_overflow(l->cpu_us, 2, &wall))
        wall = l->cpu_us;
    wall = MAX(wall, defaults->wall_us);
    l->wall_us = most->wall_us == LIMIT_UNSET ? wall : MIN(wall, most->wall_us);
}

static bool check_limits(const struct limits *l, const struct limits *most, const char *where,
                         struct err *e)
{
    for (size_t i = 0; i < limit_count; i++) {
        const struct limit_info *info = &limit_infos[i];
        int64_t value = limit_get(l, info), bound = limit_get(most, info);
        long long shown = (long long)(value / info->json_unit);
        if (value < info->least)
            return refuse(e, where, info->json_name, "is %lld, at least %lld is needed", shown,
                          (long long)(info->least / info->json_unit));
        if (bound != LIMIT_UNSET && value > bound)
            return refuse(e, where, info->json_name, "is %lld, at most %lld is allowed", shown,
                          (long long)(bound / info->json_unit));
    }
    return true;
}

/* ---- tests ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_test_ids(const struct job *job, struct err *e)
{
    CLEANUP(arena_done) struct arena scratch = { 0 };
    const char **ids = arena_array(&scratch, job->test_count, sizeof *ids);
    for (size_t i = 0; i < job->test_count; i++)
        ids[i] = job->tests[i].id;
    qsort(ids, job->test_count, sizeof *ids, by_text);
    for (size_t i = 1; i < job->test_count; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            return refuse(e, "", "tests", "hold the id \"%.60s\" twice", ids[i]);
    return true;
}

/* A face that builds a job by hand may leave the one test out. */
static void ensure_test(struct job *job)
{
    if (job->test_count > 0)
        return;
    job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
    job->test_count = 1;
    job->tests[0] = (struct job_test){ .id = "1", .limits = limits_unset(), .weight = 1 };
}

static bool settle_tests(struct job *job, const struct job_policy *policy, struct err *e)
{
    ensure_test(job);
    if (job->test_count > policy->tests_max)
        return refuse(e, "", "tests", "has %zu entries, at most %zu are allowed", job->test_count,
                      policy->tests_max);
    for (size_t i = 0; i < job->test_count; i++) {
        struct job_test *test = &job->tests[i];
        char where[FIELD_TEXT];
        snprintf(where, sizeof where, "tests[%zu].limits.", i);
        settle_limits(&test->limits, &job->limits, &policy->most);
        if (!check_limits(&test->limits, &policy->most, where, e))
            return false;
        if (!test->id)
            test->id = arena_printf(&job->arena, "%zu", i + 1);
    }
    return check_test_ids(job, e);
}

/* ---- files to bring out ---- */

static bool check_collect(const struct job *job, struct err *e)
{
    for (size_t i = 0; job->collect[i]; i++) {
        char key[32];
        snprintf(key, sizeof key, "collect[%zu]", i);
        if (i == COLLECT_MOST)
            return refuse(e, "", "collect", "has more than %d patterns", COLLECT_MOST);
        const char *trouble = path_trouble(job->collect[i]);
        if (trouble)
            return refuse(e, "", key, "%s", trouble);
    }
    return true;
}

/* ---- the whole ---- */

bool job_check(struct job *job, const struct catalogue *catalogue, const struct job_policy *policy,
               struct err *e)
{
    const struct judge0_name *name;
    if (!job->language)
        return refuse(e, "", "language", "is missing");
    const struct language *language = settle_language(job, catalogue, &name, e);
    if (!language || !settle_files(job, language, name, policy, e))
        return false;
    if (job->compiler_options[0] && !language->build.argv)
        return refuse(e, "", "compiler_options", "are for compiled languages, %s is not",
                      language->id);
    if (job->network && !policy->allow_network)
        return refuse(e, "", "network", "is not allowed on this server");
    if (!check_collect(job, e))
        return false;

    if (!job->cache_given)
        job->cache = policy->cache;
    if (!job->hints_given)
        job->hints = policy->hints;
    struct limits defaults = defaults_for(language, policy);
    settle_limits(&job->limits, &defaults, &policy->most);
    return check_limits(&job->limits, &policy->most, "limits.", e) && settle_tests(job, policy, e);
}
