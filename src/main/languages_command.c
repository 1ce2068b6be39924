/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "engine/engine.h"
#include "engine/selftest.h"
#include "main/commands.h"
#include "main/privilege.h"
#include "main/sandbox_side.h"

struct options {
    bool test, json;
    char **ids; /* none: all */
    int id_count;
};

static bool wanted(const struct options *o, const struct language *l)
{
    for (int i = 0; i < o->id_count; i++)
        if (strcmp(o->ids[i], l->id) == 0)
            return true;
    return o->id_count == 0;
}

static void print_json(const struct catalogue *c, const struct options *o)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct json_writer w = { .out = &out };
    json_put_array(&w);
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        if (!wanted(o, l))
            continue;
        json_put_object(&w);
        json_put_key(&w, "id");
        json_put_text(&w, l->id);
        json_put_key(&w, "name");
        json_put_text(&w, l->name);
        json_put_key(&w, "version");
        json_put_text(&w, l->version);
        json_put_key(&w, "offered");
        json_put_bool(&w, l->offered);
        json_put_key(&w, "package");
        json_put_text(&w, l->package);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    printf("%s\n", out.ptr);
}

static void print_list(const struct catalogue *c, const struct options *o)
{
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        if (!wanted(o, l))
            continue;
        if (l->offered)
            printf("%-14s %-24s %s\n", l->id, l->name, l->version ? l->version : "");
        else
            printf("%-14s %-24s not here: apt-get install %s\n", l->id, l->name, l->package);
    }
}

static bool test_one(struct engine *engine, const struct language *l)
{
    struct err e;
    CLEANUP(result_free) struct result *result = NULL;
    if (!language_selftest(engine, l, &result, &e)) {
        printf("FAIL  %-14s %s\n", l->id, e.text);
        return false;
    }
    bool ok = result->verdict == VERDICT_ACCEPTED;
    printf("%s  %-14s %-12s %-20s compile %5.0f ms, run %4.0f ms, %5.1f MiB\n",
           ok ? "ok  " : "FAIL", l->id, l->version ? l->version : "", verdict_name(result->verdict),
           (double)result->compile_us / 1e3, (double)result->run_us / 1e3,
           (double)result->memory_bytes / 1048576);
    if (!ok && result->compile.out.len)
        printf("%.*s\n", STR_FMT(result->compile.out));
    if (!ok && result->test_count)
        printf("stdout: %.*s\nstderr: %.*s\n", STR_FMT(result->tests[0].outcome.out),
               STR_FMT(result->tests[0].outcome.err));
    return ok;
}

static int test_all(const struct settings *s, const struct options *o)
{
    struct err e;
    CLEANUP(sandbox_side_done) struct sandbox_side side = { 0 };
    CLEANUP(engine_stop) struct engine *engine = NULL;
    struct engine_config config = settings_engine(s);
    config.lanes = 1;
    if (!sandbox_side_start(&side, s, false, &e) || !drop_root(s->user, &e) ||
        !(engine = engine_start(&config, side.keeper, side.catalogue, &e))) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    const struct catalogue *c = side.catalogue;
    int passed = 0, failed = 0;
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        if (!wanted(o, l))
            continue;
        if (!l->offered)
            printf("----  %-14s not here: apt-get install %s\n", l->id, l->package);
        else if (test_one(engine, l))
            passed++;
        else
            failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed ? 1 : 0;
}

int command_languages(int argc, char **argv)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    struct options o = { .ids = argv };
    struct err e;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--test") == 0)
            o.test = true;
        else if (strcmp(argv[i], "--json") == 0)
            o.json = true;
        else if (argv[i][0] != '-')
            o.ids[o.id_count++] = argv[i];
        else {
            fprintf(stderr, "evalx: languages takes --test, --json and ids, not %s\n", argv[i]);
            return 2;
        }
    }
    CLEANUP(catalogue_free)
    struct catalogue *c = settings_load(&s, NULL, &e) ? catalogue_load(s.languages_dir, &e) : NULL;
    if (!c) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    for (int i = 0; i < o.id_count; i++) {
        const struct language *l = catalogue_find(c, str_of(o.ids[i]), &e);
        if (!l) {
            fprintf(stderr, "evalx: %s\n", e.text);
            return 1;
        }
        o.ids[i] = (char *)(uintptr_t)l->id; /* an alias stands for its language */
    }
    if (o.test)
        return test_all(&s, &o);
    if (o.json)
        print_json(c, &o);
    else
        print_list(c, &o);
    return 0;
}
