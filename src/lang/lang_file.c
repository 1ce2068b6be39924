/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a language file, and the step from libcyaml's structs to ours. */
#include "lang/lang_file.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>

#include "lang/command.h"
#include "lang/yaml.h"

/* ---- what libcyaml fills ---- */

struct raw_judge0 {
    int id;
    char *name, *source_file;
    bool archived;
};

struct raw_probe {
    char **argv;
    unsigned argv_count;
    char *file, *pattern;
};

struct raw_test {
    char *source, *input, *expected;
};

struct raw {
    char *id, *name, *package, *source_file;
    char **aliases, **build, **run, **artifact, **env, **etc, **mounts;
    unsigned aliases_count, build_count, run_count, artifact_count, env_count, etc_count,
        mounts_count;
    struct raw_judge0 *judge0;
    unsigned judge0_count;
    struct raw_probe version;
    struct raw_test test;
    bool single_executable;
    double *time_factor, *memory_factor;
    int memory_extra_mb, processes_least, build_memory_mb, build_wall_s;
};

enum { LIST_MOST = 64, TEXT_MOST = 64 * 1024, PATTERN_MOST = 200 };

#define FIELD_LIST(key, flags, member)                                                             \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), struct raw, member, &word_schema, 0,   \
                         LIST_MOST)
#define FIELD_TEXT(key, flags, type, member)                                                       \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, member, 1, TEXT_MOST)
#define OPTIONAL CYAML_FLAG_OPTIONAL
#define NEEDED   CYAML_FLAG_DEFAULT

static const cyaml_schema_value_t word_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, TEXT_MOST),
};

static const cyaml_schema_field_t judge0_fields[] = {
    CYAML_FIELD_INT("id", NEEDED, struct raw_judge0, id),
    FIELD_TEXT("name", OPTIONAL, struct raw_judge0, name),
    FIELD_TEXT("source_file", OPTIONAL, struct raw_judge0, source_file),
    CYAML_FIELD_BOOL("archived", OPTIONAL, struct raw_judge0, archived),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t judge0_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_judge0, judge0_fields),
};

static const cyaml_schema_field_t probe_fields[] = {
    CYAML_FIELD_SEQUENCE("argv", CYAML_FLAG_POINTER | OPTIONAL, struct raw_probe, argv,
                         &word_schema, 0, LIST_MOST),
    FIELD_TEXT("file", OPTIONAL, struct raw_probe, file),
    FIELD_TEXT("pattern", NEEDED, struct raw_probe, pattern),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t test_fields[] = {
    FIELD_TEXT("source", NEEDED, struct raw_test, source),
    CYAML_FIELD_STRING_PTR("stdin", CYAML_FLAG_POINTER | OPTIONAL, struct raw_test, input, 0,
                           TEXT_MOST),
    CYAML_FIELD_STRING_PTR("expected", CYAML_FLAG_POINTER, struct raw_test, expected, 0, TEXT_MOST),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
    FIELD_TEXT("id", NEEDED, struct raw, id),
    FIELD_TEXT("name", NEEDED, struct raw, name),
    FIELD_TEXT("package", NEEDED, struct raw, package),
    FIELD_LIST("aliases", OPTIONAL, aliases),
    CYAML_FIELD_SEQUENCE("judge0", CYAML_FLAG_POINTER | OPTIONAL, struct raw, judge0,
                         &judge0_schema, 0, LIST_MOST),
    CYAML_FIELD_MAPPING("version", NEEDED, struct raw, version, probe_fields),
    FIELD_TEXT("source_file", OPTIONAL, struct raw, source_file),
    FIELD_LIST("build", OPTIONAL, build),
    FIELD_LIST("run", NEEDED, run),
    FIELD_LIST("artifact", OPTIONAL, artifact),
    CYAML_FIELD_BOOL("single_executable", OPTIONAL, struct raw, single_executable),
    FIELD_LIST("env", OPTIONAL, env),
    FIELD_LIST("etc", OPTIONAL, etc),
    FIELD_LIST("mounts", OPTIONAL, mounts),
    CYAML_FIELD_FLOAT_PTR("time_factor", CYAML_FLAG_POINTER | OPTIONAL, struct raw, time_factor),
    CYAML_FIELD_FLOAT_PTR("memory_factor", CYAML_FLAG_POINTER | OPTIONAL, struct raw,
                          memory_factor),
    CYAML_FIELD_INT("memory_extra_mb", OPTIONAL, struct raw, memory_extra_mb),
    CYAML_FIELD_INT("processes_least", OPTIONAL, struct raw, processes_least),
    CYAML_FIELD_INT("build_memory_mb", OPTIONAL, struct raw, build_memory_mb),
    CYAML_FIELD_INT("build_wall_s", OPTIONAL, struct raw, build_wall_s),
    CYAML_FIELD_MAPPING("test", NEEDED, struct raw, test, test_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* ---- checks the schema cannot say ---- */

struct check {
    const char *file;
    struct err *e;
};

static bool bad(const struct check *c, const char *key, const char *why)
{
    return err_invalid(c->e, key, "%s: %s: %s", c->file, key, why);
}

static bool is_name(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '@' || *p == '/' || *p == ',')
            return false;
    return *text && strspn(text, "0123456789") != strlen(text); /* digits alone: a Judge0 id */
}

static bool check_names(const struct check *c, const struct raw *raw)
{
    if (!is_name(raw->id))
        return bad(c, "id", "must be a word without spaces, commas, '/' and '@', not a number");
    for (unsigned i = 0; i < raw->aliases_count; i++)
        if (!is_name(raw->aliases[i]))
            return bad(c, "aliases", "must be words without spaces, commas, '/' and '@'");
    if (raw->source_file && strchr(raw->source_file, '/'))
        return bad(c, "source_file", "must not hold '/'");
    for (unsigned i = 0; i < raw->judge0_count; i++) {
        if (raw->judge0[i].id <= 0)
            return bad(c, "judge0", "an id must be positive");
        if (raw->judge0[i].source_file && strchr(raw->judge0[i].source_file, '/'))
            return bad(c, "judge0", "source_file must not hold '/'");
    }
    return true;
}

static bool check_commands(const struct check *c, const struct raw *raw)
{
    const char *why;
    if (raw->run_count == 0)
        return bad(c, "run", "must not be empty");
    for (unsigned i = 0; i < raw->run_count; i++)
        if ((why = template_trouble(raw->run[i])))
            return bad(c, "run", why);
    for (unsigned i = 0; i < raw->build_count; i++)
        if ((why = template_trouble(raw->build[i])))
            return bad(c, "build", why);
    if ((raw->build_count > 0) != (raw->artifact_count > 0))
        return bad(c, "artifact", "belongs to build: both are given or neither");
    if (raw->single_executable && (raw->artifact_count != 1 || strpbrk(raw->artifact[0], "*?[")))
        return bad(c, "single_executable", "needs one artifact without wildcards");
    return true;
}

static bool check_lists(const struct check *c, const struct raw *raw)
{
    for (unsigned i = 0; i < raw->env_count; i++)
        if (!strchr(raw->env[i], '=') || raw->env[i][0] == '=')
            return bad(c, "env", "must be NAME=value");
    for (unsigned i = 0; i < raw->etc_count; i++)
        if (!raw->etc[i][0] || raw->etc[i][0] == '/' || strstr(raw->etc[i], ".."))
            return bad(c, "etc", "must be names below /etc");
    for (unsigned i = 0; i < raw->mounts_count; i++)
        if (raw->mounts[i][0] != '/' || strstr(raw->mounts[i], ".."))
            return bad(c, "mounts", "must be absolute paths");
    return true;
}

static bool check_probe(const struct check *c, const struct raw_probe *probe)
{
    if ((probe->argv_count > 0) == (probe->file != NULL))
        return bad(c, "version", "needs argv or file, not both");
    if (probe->argv_count > 0 && probe->argv[0][0] != '/')
        return bad(c, "version", "argv must begin with an absolute path");
    if (probe->file && probe->file[0] != '/')
        return bad(c, "version", "file must be an absolute path");
    /* Repetition counts make regcomp() take time and memory without bound. */
    if (strlen(probe->pattern) > PATTERN_MOST || strchr(probe->pattern, '{'))
        return bad(c, "version", "pattern must be short and without repetition counts");
    regex_t compiled;
    if (regcomp(&compiled, probe->pattern, REG_EXTENDED | REG_NEWLINE) != 0)
        return bad(c, "version", "pattern is no POSIX extended expression");
    size_t groups = compiled.re_nsub;
    regfree(&compiled);
    if (groups < 1)
        return bad(c, "version", "pattern needs a group in parentheses around the version");
    return true;
}

static bool in_range(const double *factor)
{
    return !factor || (isfinite(*factor) && *factor >= 0.1 && *factor <= 100);
}

static bool check_numbers(const struct check *c, const struct raw *raw)
{
    if (!in_range(raw->time_factor))
        return bad(c, "time_factor", "must be between 0.1 and 100");
    if (!in_range(raw->memory_factor))
        return bad(c, "memory_factor", "must be between 0.1 and 100");
    if (raw->memory_extra_mb < 0 || raw->memory_extra_mb > 65536)
        return bad(c, "memory_extra_mb", "must be between 0 and 65536");
    if (raw->processes_least < 0 || raw->processes_least > 32768)
        return bad(c, "processes_least", "must be between 0 and 32768");
    if (raw->build_memory_mb < 0 || raw->build_memory_mb > 1048576)
        return bad(c, "build_memory_mb", "must be between 0 and 1048576");
    if (raw->build_wall_s < 0 || raw->build_wall_s > 3600)
        return bad(c, "build_wall_s", "must be between 0 and 3600");
    return true;
}

static bool check_raw(const char *name, const struct raw *raw, struct err *e)
{
    struct check c = { name, e };
    return check_names(&c, raw) && check_commands(&c, raw) && check_lists(&c, raw) &&
           check_probe(&c, &raw->version) && check_numbers(&c, raw);
}

/* ---- from libcyaml's memory into ours ---- */

static const char *const *take_words(struct arena *a, char *const *list, unsigned count)
{
    const char **copy = arena_array(a, (size_t)count + 1, sizeof *copy);
    for (unsigned i = 0; i < count; i++)
        copy[i] = arena_text(a, list[i]);
    return copy;
}

static const struct judge0_name *take_judge0(struct arena *a, const struct raw *raw)
{
    struct judge0_name *names = arena_array(a, (size_t)raw->judge0_count + 1, sizeof *names);
    for (unsigned i = 0; i < raw->judge0_count; i++) {
        const struct raw_judge0 *from = &raw->judge0[i];
        names[i] = (struct judge0_name){ from->id, arena_text(a, from->name),
                                         arena_text(a, from->source_file), from->archived };
    }
    return names;
}

static void take(struct arena *a, const struct raw *raw, struct language_file *ret)
{
    const int64_t mb = INT64_C(1024) * 1024;
    *ret = (struct language_file){
        .language = {
            .id = arena_text(a, raw->id),
            .name = arena_text(a, raw->name),
            .aliases = take_words(a, raw->aliases, raw->aliases_count),
            .judge0 = take_judge0(a, raw),
            .judge0_count = raw->judge0_count,
            .package = arena_text(a, raw->package),
            .source_file = arena_text(a, raw->source_file),
            .build.argv = raw->build_count ? take_words(a, raw->build, raw->build_count) : NULL,
            .run.argv = take_words(a, raw->run, raw->run_count),
            .artifact = take_words(a, raw->artifact, raw->artifact_count),
            .single_executable = raw->single_executable,
            .env = take_words(a, raw->env, raw->env_count),
            .etc = take_words(a, raw->etc, raw->etc_count),
            .mounts = take_words(a, raw->mounts, raw->mounts_count),
            .time_factor = raw->time_factor ? *raw->time_factor : 1,
            .memory_factor = raw->memory_factor ? *raw->memory_factor : 1,
            .memory_extra_bytes = raw->memory_extra_mb * mb,
            .processes_least = raw->processes_least,
            .build_memory_bytes = raw->build_memory_mb * mb,
            .build_wall_us = raw->build_wall_s * INT64_C(1000000),
            .test_source = arena_text(a, raw->test.source),
            .test_stdin = arena_text(a, raw->test.input),
            .test_expected = arena_text(a, raw->test.expected),
        },
        .probe = {
            .argv = raw->version.argv_count
                        ? take_words(a, raw->version.argv, raw->version.argv_count)
                        : NULL,
            .file = arena_text(a, raw->version.file),
            .pattern = arena_text(a, raw->version.pattern),
        },
    };
}

bool language_parse(const char *name, struct str bytes, struct arena *arena,
                    struct language_file *ret, struct err *e)
{
    struct raw *raw = yaml_read(name, bytes, LANGUAGE_FILE_BYTES, &schema, e);
    if (!raw)
        return false;
    bool fits = check_raw(name, raw, e);
    if (fits)
        take(arena, raw, ret);
    yaml_release(&schema, raw);
    return fits;
}
