/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/queue: what an operator sees of the queue and may do to it. Entries are named by the token of
 * their submission.
 */
#include "base/clock.h"
#include "base/text.h"
#include "http/problem.h"
#include "http/route.h"

enum { LIST_DEFAULT = 100, LIST_MOST = 1000 };

static const char *const place_names[] = {
    [PLACED_WAITING] = "waiting",
    [PLACED_DELAYED] = "delayed",
    [PLACED_LEASED] = "running",
    [PLACED_DEAD] = "dead",
};

static void put_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[32];
    wall_text(us, text, sizeof text);
    json_member_text(w, key, us ? text : NULL);
}

/* ---- the whole ---- */

struct crew {
    struct json_writer *w;
    int64_t count, slots;
};

static void put_worker(void *arg, const struct queue_worker *worker)
{
    struct crew *crew = arg;
    struct json_writer *w = crew->w;
    crew->count++;
    crew->slots += worker->slots;
    json_put_object(w);
    json_member_text(w, "name", worker->name);
    json_member_int(w, "slots", worker->slots);
    json_member_int(w, "running", worker->running);
    put_time(w, "started_at", worker->started_us);
    put_time(w, "seen_at", worker->seen_us);
    json_put_key(w, "languages");
    json_put_raw(w, str_of(worker->languages ? worker->languages : "[]"));
    json_put_object_end(w);
}

static void put_stats(struct json_writer *w, const struct queue_stats *q)
{
    json_member_bool(w, "paused", q->paused);
    json_put_key(w, "waiting");
    json_put_object(w);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        json_member_int(w, priority_name((enum priority)p), q->waiting[p]);
    json_put_object_end(w);
    json_member_int(w, "running", q->leased);
    json_member_int(w, "dead", q->dead);
    json_put_key(w, "oldest_seconds");
    if (q->oldest_us)
        json_put_double(w, (double)MAX(wall_us() - q->oldest_us, 0) / 1e6);
    else
        json_put_null(w);
    json_member_int(w, "lease_expiries", q->lease_expiries);
}

static void show(struct request *r)
{
    struct service *s = r->context->service;
    struct queue_stats stats;
    struct err e;
    if (!queue_stats(service_queue(s), &stats, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    struct crew crew = { .w = &w };
    json_put_object(&w);
    put_stats(&w, &stats);
    json_put_key(&w, "workers");
    json_put_array(&w);
    if (!service_workers(s, put_worker, &crew, &e)) {
        problem_err(r, &e);
        return;
    }
    json_put_array_end(&w);
    json_member_int(&w, "slots", crew.slots);
    json_put_object_end(&w);
}

/* ---- entries ---- */

static void put_entry(struct json_writer *w, const struct queue_view *v)
{
    json_put_object(w);
    json_member_text(w, "token", v->id);
    json_member_text(w, "place", place_names[v->place]);
    json_member_text(w, "priority", priority_name((enum priority)v->priority));
    json_member_int(w, "attempts", v->attempt);
    json_member_text(w, "tenant", v->tenant[0] ? v->tenant : NULL);
    put_time(w, "pushed_at", v->pushed_us);
    put_time(w, "due_at", v->due_us);
    json_member_text(w, "worker", v->worker[0] ? v->worker : NULL);
    json_member_text(w, "reason", v->place == PLACED_DEAD ? v->reason : NULL);
    json_put_object_end(w);
}

static bool read_place(struct request *r, enum queue_place *ret)
{
    struct str text = params_get(&r->query, "place");
    *ret = PLACED_WAITING;
    if (!text.ptr)
        return true;
    for (size_t i = 0; i < COUNT_OF(place_names); i++) {
        if (str_is(text, place_names[i])) {
            *ret = (enum queue_place)i;
            return true;
        }
    }
    problem_reply(r, 400, "invalid", "place", "place: must be waiting, delayed, running or dead");
    return false;
}

static bool read_number(struct request *r, const char *name, int64_t least, int64_t most,
                        int64_t *ret)
{
    struct str text = params_get(&r->query, name);
    if (!text.ptr || (parse_int(text, ret) && *ret >= least && *ret <= most))
        return true;
    problem_reply(r, 400, "invalid", name, "%s: must be a whole number from %lld to %lld", name,
                  (long long)least, (long long)most);
    return false;
}

struct listing {
    struct json_writer *w;
    int64_t count, most;
};

static void list_entry(void *arg, const struct queue_view *v)
{
    struct listing *l = arg;
    if (l->count++ < l->most)
        put_entry(l->w, v);
}

static void list(struct request *r)
{
    enum queue_place place;
    int64_t offset = 0, limit = LIST_DEFAULT;
    struct err e;
    if (!read_place(r, &place) || !read_number(r, "offset", 0, INT32_MAX, &offset) ||
        !read_number(r, "limit", 1, LIST_MOST - 1, &limit))
        return;
    struct json_writer w = reply_json(r, 200);
    struct listing l = { .w = &w, .most = limit };
    json_put_object(&w);
    json_put_key(&w, "entries");
    json_put_array(&w);
    /* One more tells whether there is a next page. */
    if (!queue_list(service_queue(r->context->service), place, offset, (int)limit + 1, list_entry,
                    &l, &e)) {
        problem_err(r, &e);
        return;
    }
    json_put_array_end(&w);
    json_put_key(&w, "next_offset");
    if (l.count > limit)
        json_put_int(&w, offset + limit);
    else
        json_put_null(&w);
    json_put_object_end(&w);
}

static void not_there(struct request *r, const char *what)
{
    problem_reply(r, 404, "not_found", NULL, "%s", what);
}

static void inspect(struct request *r)
{
    struct queue_view view;
    struct err e;
    enum got got = !token_valid(str_of(r->args[0]))
                       ? GOT_NONE
                       : queue_look(service_queue(r->context->service), r->args[0], &view, &e);
    if (got == GOT_FAILED) {
        problem_err(r, &e);
    } else if (got == GOT_NONE) {
        not_there(r, "no entry of the queue has this token; its submission is final, or unknown");
    } else {
        struct json_writer w = reply_json(r, 200);
        put_entry(&w, &view);
    }
}

/* ---- doing ---- */

static void reply_done(struct request *r, const char *key, int64_t count)
{
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_member_int(&w, key, count);
    json_put_object_end(&w);
}

static void change_one(struct request *r, const char *key, const char *none,
                       enum got (*change)(struct service *s, const char *id, struct err *e))
{
    struct err e;
    enum got got =
        !token_valid(str_of(r->args[0])) ? GOT_NONE : change(r->context->service, r->args[0], &e);
    if (got == GOT_FAILED)
        problem_err(r, &e);
    else if (got == GOT_NONE)
        not_there(r, none);
    else
        reply_done(r, key, 1);
}

static void retry(struct request *r)
{
    change_one(r, "retried", "no dead letter has this token", service_retry);
}

static void drop(struct request *r)
{
    change_one(r, "dropped", "no entry of the queue has this token", service_drop);
}

static void set_paused(struct request *r, bool paused)
{
    struct err e;
    if (!queue_pause(service_queue(r->context->service), paused, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_member_bool(&w, "paused", paused);
    json_put_object_end(&w);
}

static void pause_all(struct request *r)
{
    set_paused(r, true);
}

static void resume(struct request *r)
{
    set_paused(r, false);
}

/* Cancels every submission that waits: to be asked for twice. */
static void drain(struct request *r)
{
    struct str confirm = params_get(&r->query, "confirm");
    int64_t cancelled, left;
    struct err e;
    if (!confirm.ptr || !str_is(confirm, "cancel-all-waiting")) {
        problem_reply(r, 422, "invalid", "confirm",
                      "this cancels every submission that waits; say so: "
                      "?confirm=cancel-all-waiting");
        return;
    }
    if (!service_drain_queue(r->context->service, &cancelled, &left, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_member_int(&w, "cancelled", cancelled);
    json_member_int(&w, "left", left);
    json_put_object_end(&w);
}

enum { ADMIN = ROUTE_ADMIN | ROUTE_ANY_ROLE };

static const struct route routes[] = {
    { METHOD_GET, "/v1/queue", show, ADMIN },
    { METHOD_GET, "/v1/queue/entries", list, ADMIN },
    { METHOD_GET, "/v1/queue/entries/:token", inspect, ADMIN },
    { METHOD_POST, "/v1/queue/entries/:token/retry", retry, ADMIN },
    { METHOD_POST, "/v1/queue/entries/:token/drop", drop, ADMIN },
    { METHOD_POST, "/v1/queue/pause", pause_all, ADMIN },
    { METHOD_POST, "/v1/queue/resume", resume, ADMIN },
    { METHOD_POST, "/v1/queue/drain", drain, ADMIN },
};
const struct routes api_queue_routes = { routes, COUNT_OF(routes) };
