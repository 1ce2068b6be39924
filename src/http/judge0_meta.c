/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Judge0 face says about itself: languages, statuses, settings, figures.
 */
#include <strings.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "http/judge0.h"
#include "http/route.h"

/* ---- languages ---- */

struct listed {
    int id;
    const char *name;
    bool archived;
};

static int by_name(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int order = strcasecmp(x->name, y->name);
    return order ? order : x->id - y->id;
}

/* Every id that may be shown, by name. */
static size_t languages_listed(struct request *r, bool archived_too, struct listed **ret)
{
    const struct catalogue *c = r->context->catalogue;
    size_t most = 0, count = 0;
    for (size_t i = 0; i < catalogue_count(c); i++)
        most += catalogue_at(c, i)->judge0_count;
    struct listed *all = arena_array(&r->arena, most + 1, sizeof *all);
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        for (size_t k = 0; k < l->judge0_count; k++) {
            const struct judge0_name *n = &l->judge0[k];
            if (n->archived ? archived_too : l->offered)
                all[count++] =
                    (struct listed){ n->id, judge0_language_name(l, n, &r->arena), n->archived };
        }
    }
    qsort(all, count, sizeof *all, by_name);
    *ret = all;
    return count;
}

static void put_languages(struct request *r, bool all)
{
    struct listed *languages;
    size_t count = languages_listed(r, all, &languages);
    struct json_writer w = reply_json(r, 200);
    json_put_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_put_object(&w);
        json_put_key(&w, "id");
        json_put_int(&w, languages[i].id);
        json_put_key(&w, "name");
        json_put_text(&w, languages[i].name);
        if (all) {
            json_put_key(&w, "is_archived");
            json_put_bool(&w, languages[i].archived);
        }
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
}

static void languages(struct request *r)
{
    put_languages(r, false);
}

static void languages_all(struct request *r)
{
    put_languages(r, true);
}

/* A template as Judge0 writes it: "gcc %s main.c"; NULL for none. */
static const char *command_shown(struct request *r, const struct command *c, const char *source)
{
    static const char *const options[] = { "%s", NULL };
    static const char *const none[] = { NULL };
    if (!c->argv)
        return NULL;
    const char *dot = strrchr(source, '.');
    struct command_words words = {
        .options = options,
        .args = none,
        .source = source,
        .main =
            dot ? arena_str(&r->arena, (struct str){ source, (size_t)(dot - source) }).ptr : source,
        .memory_bytes = r->context->config.judge0.memory_limit * 1024,
    };
    const char *const *argv = command_fill(c, &words, &r->arena);
    const char *text = argv[0] ? argv[0] : "";
    for (size_t i = 1; argv[0] && argv[i]; i++)
        text = arena_printf(&r->arena, "%s %s", text, argv[i]);
    return text;
}

static void language(struct request *r)
{
    int64_t id = 0;
    size_t digits = strspn(r->args[0], "0123456789");
    const struct judge0_name *n = NULL;
    const struct language *l = NULL;
    if (digits && digits < 18 && parse_int((struct str){ r->args[0], digits }, &id))
        l = judge0_language(r->context->catalogue, id, &n);
    if (!l) {
        judge0_error(r, 404);
        return;
    }
    const char *source = n->source_file ? n->source_file : l->source_file;
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_put_key(&w, "id");
    json_put_int(&w, id);
    json_put_key(&w, "name");
    json_put_text(&w, judge0_language_name(l, n, &r->arena));
    json_put_key(&w, "is_archived");
    json_put_bool(&w, n->archived);
    json_put_key(&w, "source_file");
    json_put_text(&w, source);
    json_put_key(&w, "compile_cmd");
    json_put_text(&w, source ? command_shown(r, &l->build, source) : NULL);
    json_put_key(&w, "run_cmd");
    json_put_text(&w, source ? command_shown(r, &l->run, source) : NULL);
    json_put_object_end(&w);
}

/* ---- fixed facts ---- */

static void statuses(struct request *r)
{
    struct json_writer w = reply_json(r, 200);
    json_put_array(&w);
    for (size_t i = 0; i < JUDGE0_STATUS_COUNT; i++) {
        json_put_object(&w);
        json_put_key(&w, "id");
        json_put_int(&w, judge0_statuses[i].id);
        json_put_key(&w, "description");
        json_put_text(&w, judge0_statuses[i].description);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
}

static void about(struct request *r)
{
    const char *const rows[][2] = {
        { "version", r->context->config.judge0.version },
        { "homepage", "https://judge0.com" },
        { "source_code", "https://github.com/judge0/judge0" },
        { "maintainer", "Herman Zvonimir Došilović <hermanz.dosilovic@gmail.com>" },
    };
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_put_key(&w, rows[i][0]);
        json_put_text(&w, rows[i][1]);
    }
    json_put_object_end(&w);
}

static void version(struct request *r)
{
    reply_text(r, 200, "text/plain; charset=utf-8", str_of(r->context->config.judge0.version));
}

static void isolate(struct request *r)
{
    const char *text = arena_printf(&r->arena,
                                    "evalX's own sandbox, version %s\n"
                                    "One warm box per lane: namespaces, seccomp, cgroups\n"
                                    "It is not isolate, but it keeps the same promises\n",
                                    r->context->config.version);
    reply_text(r, 200, "text/plain; charset=utf-8", str_of(text));
}

static void license(struct request *r)
{
    reply_text(r, 200, "text/plain; charset=utf-8",
               STR("evalX is free software under the Apache License, Version 2.0:\n"
                   "https://www.apache.org/licenses/LICENSE-2.0\n"));
}

static void config_info(struct request *r)
{
    struct json_writer w = reply_json(r, 200);
    judge0_config_put(&r->context->config.judge0, &w);
}

static void nothing(struct request *r)
{
    reply_empty(r, 200, "text/html; charset=UTF-8");
}

static void robots(struct request *r)
{
    reply_text(r, 200, "text/plain; charset=utf-8", STR("User-agent: *\nDisallow: /\n"));
}

/* ---- figures ---- */

static const char *gigabytes(struct request *r, unsigned long units, unsigned unit)
{
    return arena_printf(&r->arena, "%.1fGi",
                        (double)units * (double)unit / (1024.0 * 1024.0 * 1024.0));
}

static void system_info(struct request *r)
{
    struct utsname name = { 0 };
    struct sysinfo info = { 0 };
    (void)uname(&name);
    (void)sysinfo(&info);
    const char *const rows[][2] = {
        { "Architecture", name.machine },
        { "CPU(s)", arena_printf(&r->arena, "%ld", sysconf(_SC_NPROCESSORS_ONLN)) },
        { "Mem", gigabytes(r, info.totalram, info.mem_unit) },
        { "Swap", gigabytes(r, info.totalswap, info.mem_unit) },
    };
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_put_key(&w, rows[i][0]);
        json_put_text(&w, rows[i][1]);
    }
    json_put_object_end(&w);
}

static void put_int(struct json_writer *w, const char *key, int64_t value)
{
    json_put_key(w, key);
    json_put_int(w, value);
}

static void workers(struct request *r)
{
    struct service_stats stats;
    struct err e;
    if (!service_stats(r->context->service, &stats, &e)) {
        judge0_err(r, &e);
        return;
    }
    int64_t waiting = 0;
    for (int i = 0; i < QUEUE_PRIORITIES; i++)
        waiting += stats.queue.waiting[i];
    struct json_writer w = reply_json(r, 200);
    json_put_array(&w);
    json_put_object(&w);
    json_put_key(&w, "queue");
    json_put_text(&w, r->context->config.judge0.version);
    put_int(&w, "size", waiting);
    put_int(&w, "available", stats.engine.lanes);
    put_int(&w, "idle", stats.engine.lanes - stats.engine.lanes_busy);
    put_int(&w, "working", stats.engine.lanes_busy);
    put_int(&w, "paused", 0);
    put_int(&w, "failed", 0);
    json_put_object_end(&w);
    json_put_array_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/languages", languages, 0 },
    { METHOD_GET, "/languages/all", languages_all, 0 },
    { METHOD_GET, "/languages/:id", language, 0 },
    { METHOD_GET, "/statuses", statuses, 0 },
    { METHOD_GET, "/about", about, 0 },
    { METHOD_GET, "/version", version, 0 },
    { METHOD_GET, "/isolate", isolate, 0 },
    { METHOD_GET, "/license", license, 0 },
    { METHOD_GET, "/config_info", config_info, 0 },
    { METHOD_GET, "/system_info", system_info, 0 },
    { METHOD_GET, "/workers", workers, 0 },
    { METHOD_POST, "/authenticate", nothing, 0 },
    { METHOD_POST, "/authorize", nothing, ROUTE_AUTHZ },
    { METHOD_GET, "/", nothing, ROUTE_OPEN },
    { METHOD_GET, "/robots", robots, ROUTE_OPEN },
};
const struct routes judge0_meta_routes = { routes, COUNT_OF(routes) };
