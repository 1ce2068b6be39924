/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/recipe.h"

#include <string.h>

#include "base/clock.h"

static const char *const common_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/tmp",
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    NULL,
};

/* The build step's, where the server's settings leave a limit at 0. */
static const struct box_limits build_defaults = {
    .wall_us = 30 * US_PER_S,
    .memory_bytes = INT64_C(1) << 30,
    .stack_bytes = INT64_C(64) << 20,
    .output_bytes = INT64_C(1) << 20,
    .file_bytes = INT64_C(256) << 20,
    .processes = 128,
};

static const char *source_of(const struct job *job)
{
    if (job->entrypoint)
        return job->entrypoint;
    return job->file_count > 0 ? job->files[0].path : "";
}

/* "Main" for "Main.java", "pkg/Main" for "pkg/Main.java", ".x" for ".x". */
static const char *main_of(const struct job *job, struct arena *arena)
{
    const char *source = source_of(job);
    const char *slash = strrchr(source, '/');
    const char *name = slash ? slash + 1 : source;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name)
        return source;
    return arena_str(arena, (struct str){ source, (size_t)(dot - source) }).ptr;
}

struct command_words recipe_build_words(const struct job *job, const struct box_limits *limits,
                                        struct arena *arena)
{
    return (struct command_words){
        .options = job->compiler_options,
        .source = source_of(job),
        .main = main_of(job, arena),
        .memory_bytes = limits->memory_bytes,
    };
}

struct command_words recipe_run_words(const struct job *job, size_t k, struct arena *arena)
{
    const struct job_test *test = &job->tests[k];
    return (struct command_words){
        .options = job->compiler_options,
        .args = test->args ? test->args : job->args,
        .source = source_of(job),
        .main = main_of(job, arena),
        .memory_bytes = test->limits.memory_bytes,
    };
}

static size_t list_len(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* exec hands both on when a name stands twice, and programs then disagree on which one counts. */
static size_t put_env(const char **env, size_t count, const char *item)
{
    size_t name = strcspn(item, "=");
    for (size_t i = 0; i < count; i++)
        if (strncmp(env[i], item, name) == 0 && env[i][name] == '=') {
            env[i] = item;
            return count;
        }
    env[count] = item;
    return count + 1;
}

const char *const *recipe_env(const struct language *lang, const char *const *extra,
                              struct arena *arena)
{
    const char *const *const lists[] = { common_env, lang->env, extra };
    size_t most = 1;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        most += list_len(lists[i]);

    const char **env = arena_array(arena, most, sizeof *env);
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t j = 0; j < list_len(lists[i]); j++)
            count = put_env(env, count, lists[i][j]);
    return env;
}

static int64_t first_set(int64_t a, int64_t b, int64_t c)
{
    return a > 0 ? a : b > 0 ? b : c;
}

struct box_limits recipe_build_limits(const struct box_limits *server, const struct language *lang)
{
    const struct box_limits *d = &build_defaults;
    struct box_limits l = *server;
    l.wall_us = first_set(lang->build_wall_us, server->wall_us, d->wall_us);
    l.memory_bytes = first_set(lang->build_memory_bytes, server->memory_bytes, d->memory_bytes);
    l.stack_bytes = first_set(server->stack_bytes, d->stack_bytes, 0);
    l.output_bytes = first_set(server->output_bytes, d->output_bytes, 0);
    l.file_bytes = first_set(server->file_bytes, d->file_bytes, 0);
    l.processes = server->processes > 0 ? server->processes : d->processes;
    l.processes = MAX(l.processes, lang->processes_least);
    if (l.cpu_us > 0)
        l.cpu_us = MAX(l.cpu_us, lang->build_wall_us); /* a slow language is slow in both */
    return l;
}

struct box_limits recipe_run_limits(const struct limits *limits, int64_t disk_bytes)
{
    return (struct box_limits){
        .cpu_us = limits->cpu_us,
        .cpu_extra_us = limits->cpu_extra_us,
        .wall_us = limits->wall_us,
        .memory_bytes = limits->memory_bytes,
        .stack_bytes = limits->stack_bytes,
        .output_bytes = limits->output_bytes,
        .file_bytes = limits->file_bytes,
        .disk_bytes = disk_bytes,
        .processes = (int)MIN(limits->processes, INT32_MAX),
    };
}

struct limits recipe_as_limits(const struct box_limits *limits)
{
    return (struct limits){
        .cpu_us = limits->cpu_us,
        .cpu_extra_us = limits->cpu_extra_us,
        .wall_us = limits->wall_us,
        .memory_bytes = limits->memory_bytes,
        .stack_bytes = limits->stack_bytes,
        .processes = limits->processes,
        .output_bytes = limits->output_bytes,
        .file_bytes = limits->file_bytes,
    };
}

void recipe_key(const struct job *job, const struct language *lang, const char *const *argv,
                char out[HASH_TEXT])
{
    struct hash *h = hash_new();
    hash_add(h, STR("build 1")); /* another number when a build means something else */
    hash_add(h, str_of(lang->id));
    hash_add(h, str_of(lang->toolchain ? lang->toolchain : ""));
    hash_add_int(h, (int64_t)list_len(argv));
    for (size_t i = 0; argv[i]; i++)
        hash_add(h, str_of(argv[i]));
    hash_add_int(h, (int64_t)job->file_count);
    for (size_t i = 0; i < job->file_count; i++) {
        hash_add(h, str_of(job->files[i].path));
        hash_add(h, job->files[i].content);
    }
    hash_finish(h, out);
}

size_t recipe_files(const struct artifact *a, struct plan_file *to)
{
    size_t count = a ? a->file_count : 0;
    for (size_t i = 0; i < count; i++)
        to[i] = (struct plan_file){ .path = a->files[i].path,
                                    .fd = a->files[i].fd,
                                    .mode = a->files[i].mode };
    return count;
}
