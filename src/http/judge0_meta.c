/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Judge0 face says about itself: languages, statuses, settings, figures.
 */
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "http/judge0.h"
#include "http/judge0_statistics.h"
#include "http/route.h"

/* ---- languages ---- */

static void put_languages(struct request *r, bool all)
{
    struct judge0_row *rows;
    size_t count = judge0_rows(r->context->catalogue, all, &r->arena, &rows);
    struct json_writer w = reply_json(r, 200);
    json_put_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_put_object(&w);
        json_put_key(&w, "id");
        json_put_int(&w, rows[i].id);
        json_member_text(&w, "name", rows[i].name);
        if (all) {
            json_put_key(&w, "is_archived");
            json_put_bool(&w, rows[i].archived);
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

/* "071" and "71abc" are 71 there. */
static void language(struct request *r)
{
    int64_t id = 0;
    struct judge0_row row;
    size_t digits = strspn(r->args[0], "0123456789");
    if (!digits || digits > 17 || !parse_int((struct str){ r->args[0], digits }, &id) ||
        !judge0_row_find(r->context->catalogue, id, &r->arena, &row)) {
        judge0_error(r, 404);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_put_key(&w, "id");
    json_put_int(&w, row.id);
    json_member_text(&w, "name", row.name);
    json_put_key(&w, "is_archived");
    json_put_bool(&w, row.archived);
    json_member_text(&w, "source_file", row.source_file);
    json_member_text(&w, "compile_cmd", row.compile_cmd);
    json_member_text(&w, "run_cmd", row.run_cmd);
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
        { "homepage", JUDGE0_HOMEPAGE },
        { "source_code", JUDGE0_SOURCE_CODE },
        { "maintainer", JUDGE0_MAINTAINER },
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

static void count_lanes(void *arg, const struct queue_worker *w)
{
    int64_t *lanes = arg;
    lanes[0] += w->slots;
    lanes[1] += MIN(w->running, w->slots);
}

/* All workers of this queue as one row: Judge0's too is a row per queue. */
static void workers(struct request *r)
{
    struct service_stats stats;
    int64_t lanes[2] = { 0 };
    struct err e;
    if (!service_stats(r->context->service, &stats, &e) ||
        !service_workers(r->context->service, count_lanes, lanes, &e)) {
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
    json_member_int(&w, "size", waiting);
    json_member_int(&w, "available", lanes[0]);
    json_member_int(&w, "idle", lanes[0] - lanes[1]);
    json_member_int(&w, "working", lanes[1]);
    json_member_int(&w, "paused", stats.queue.paused ? lanes[0] : 0);
    json_member_int(&w, "failed", stats.queue.dead);
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
    { METHOD_GET, "/statistics", statistics_show, 0 },
    { METHOD_POST, "/authenticate", nothing, 0 },
    { METHOD_POST, "/authorize", nothing, ROUTE_AUTHZ },
    { METHOD_GET, "/", nothing, ROUTE_OPEN },
    { METHOD_GET, "/robots", robots, ROUTE_OPEN },
};
const struct routes judge0_meta_routes = { routes, COUNT_OF(routes) };
