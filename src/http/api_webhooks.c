/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/webhooks/deliveries: the log of what was sent to whom, and sending it again.
 */
#include "base/clock.h"
#include "base/text.h"
#include "drivers/web.h"
#include "http/problem.h"
#include "http/route.h"

enum { LIST_DEFAULT = 20, LIST_MOST = 100 };

static struct store *store_of(const struct request *r)
{
    return service_store(r->context->service);
}

/* "msg_" or "cb_" and 32 digits: nothing else is looked up. */
static bool id_valid(const char *id)
{
    size_t prefix = strncmp(id, "msg_", 4) == 0 ? 4 : strncmp(id, "cb_", 3) == 0 ? 3 : 0;
    return prefix && strlen(id) == prefix + 32 && strspn(id + prefix, "0123456789abcdef") == 32;
}

/* ---- writing ---- */

static void put_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[32];
    wall_text(us, text, sizeof text);
    json_member_text(w, key, us ? text : NULL);
}

/* Credentials of a callback's URL are not shown. */
static void put_url(struct json_writer *w, const char *url)
{
    CLEANUP(buf_done) struct buf plain = { 0 }, user = { 0 };
    bool ok = web_url_take_user(url, &plain, &user);
    json_member_text(w, "url", ok ? buf_str(&plain).ptr : NULL);
}

/* The object stays open. */
static void put_head(struct json_writer *w, const struct delivery *d)
{
    json_put_object(w);
    json_member_text(w, "id", d->id);
    json_member_text(w, "token", d->job);
    json_member_text(w, "kind", delivery_kind_name(d->kind));
    json_member_text(w, "state", delivery_state_name(d->state));
    put_url(w, d->url);
    json_member_int(w, "attempts", d->attempts);
    put_time(w, "created_at", d->created_us);
    put_time(w, "due_at", d->state == DELIVERY_PENDING ? d->due_us : 0);
}

static void put_attempt(void *arg, const struct delivery_attempt *a)
{
    struct json_writer *w = arg;
    json_put_object(w);
    put_time(w, "at", a->at_us);
    json_member_double(w, "took_ms", (double)a->took_us / 1000.0);
    json_put_key(w, "status");
    if (a->status)
        json_put_int(w, a->status);
    else
        json_put_null(w);
    json_member_text(w, "error", a->error[0] ? a->error : NULL);
    json_put_object_end(w);
}

/* ---- one ---- */

static void reply_delivery(struct request *r, int status)
{
    struct delivery d;
    struct err e;
    CLEANUP(buf_done) struct buf log = { 0 };
    struct json_writer attempts = { .out = &log };
    json_put_array(&attempts);
    enum got got = !id_valid(r->args[0])
                       ? GOT_NONE
                       : store_of(r)->ops->deliveries->load(store_of(r), r->args[0], &d,
                                                            put_attempt, &attempts, &e);
    json_put_array_end(&attempts);
    if (got == GOT_FAILED) {
        problem_err(r, &e);
    } else if (got == GOT_NONE) {
        problem_reply(r, 404, "not_found", NULL, "no delivery with this id");
    } else {
        struct json_writer w = reply_json(r, status);
        put_head(&w, &d);
        json_put_key(&w, "log");
        json_put_raw(&w, buf_str(&log));
        json_put_object_end(&w);
    }
}

static void show(struct request *r)
{
    reply_delivery(r, 200);
}

static void replay(struct request *r)
{
    struct err e;
    enum got got =
        !id_valid(r->args[0]) ? GOT_NONE : service_replay(r->context->service, r->args[0], &e);
    if (got == GOT_FAILED)
        problem_err(r, &e);
    else if (got == GOT_NONE)
        problem_reply(r, 404, "not_found", NULL,
                      "no delivery with this id, or its submission has not ended yet");
    else
        reply_delivery(r, 202);
}

/* ---- the log ---- */

static bool refuse_param(struct request *r, const char *name, const char *why)
{
    problem_reply(r, 400, "invalid", name, "%s: %s", name, why);
    return false;
}

static bool read_state(struct request *r, struct delivery_filter *f)
{
    struct str text = params_get(&r->query, "state");
    if (!text.ptr)
        return true;
    for (int s = DELIVERY_OWED; s <= DELIVERY_REFUSED; s++) {
        if (str_is(text, delivery_state_name((enum delivery_state)s))) {
            f->has_state = true;
            f->state = (enum delivery_state)s;
            return true;
        }
    }
    return refuse_param(r, "state", "must be owed, pending, delivered, failed or refused");
}

static bool read_filter(struct request *r, struct delivery_filter *f)
{
    struct str token = params_get(&r->query, "token"), after = params_get(&r->query, "cursor");
    struct str limit = params_get(&r->query, "limit");
    int64_t most = LIST_DEFAULT;
    static const char *const known[] = { "state", "token", "cursor", "limit" };
    for (size_t i = 0; i < r->query.count; i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            found |= strcmp(r->query.items[i].name, known[k]) == 0;
        if (!found)
            return refuse_param(r, r->query.items[i].name, "no such query parameter");
    }
    if (token.ptr && !token_valid(token))
        return refuse_param(r, "token", "must be a submission's token");
    if (after.ptr && !id_valid(after.ptr))
        return refuse_param(r, "cursor", "must be next_cursor of the page before");
    if (limit.ptr && (!parse_int(limit, &most) || most < 1 || most > LIST_MOST))
        return refuse_param(r, "limit", "must be a whole number from 1 to 100");
    f->job = token.ptr;
    f->after = after.ptr;
    f->limit = (int)most;
    return read_state(r, f);
}

struct listing {
    struct json_writer *w;
    int count, most;
    char last[DELIVERY_TEXT];
    bool more;
};

static void list_one(void *arg, const struct delivery *d)
{
    struct listing *l = arg;
    if (l->count == l->most) {
        l->more = true;
        return;
    }
    l->count++;
    memcpy(l->last, d->id, sizeof l->last);
    put_head(l->w, d);
    json_put_object_end(l->w);
}

static void list(struct request *r)
{
    struct delivery_filter f = { 0 };
    struct delivery_stats stats;
    struct err e;
    const struct delivery_ops *ops = store_of(r)->ops->deliveries;
    if (!read_filter(r, &f))
        return;
    struct json_writer w = reply_json(r, 200);
    struct listing l = { .w = &w, .most = f.limit };
    f.limit++; /* one more tells whether there is a next page */
    json_put_object(&w);
    json_put_key(&w, "deliveries");
    json_put_array(&w);
    if (!ops->list(store_of(r), &f, list_one, &l, &e) || !ops->stats(store_of(r), &stats, &e)) {
        problem_err(r, &e);
        return;
    }
    json_put_array_end(&w);
    json_member_text(&w, "next_cursor", l.more ? l.last : NULL);
    json_member_int(&w, "pending", stats.pending);
    put_time(&w, "oldest_due_at", stats.oldest_due_us);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/v1/webhooks/deliveries", list, ROUTE_ADMIN },
    { METHOD_GET, "/v1/webhooks/deliveries/:id", show, ROUTE_ADMIN },
    { METHOD_POST, "/v1/webhooks/deliveries/:id/replay", replay, ROUTE_ADMIN },
};
const struct routes api_webhooks_routes = { routes, COUNT_OF(routes) };
