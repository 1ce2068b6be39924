/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/submissions: create, read, list, cancel, delete.
 */
#include "base/clock.h"
#include "base/text.h"
#include "http/access.h"
#include "http/deliver.h"
#include "http/origin.h"
#include "http/measure.h"
#include "http/problem.h"
#include "http/render.h"
#include "http/route.h"

enum { LIST_DEFAULT = 20, LIST_MOST = 100, KEY_BYTES_MOST = 255 };

/* ---- parameters ---- */

/* A parameter that stands nowhere in known (NULL-ended; "metadata." is a prefix) is an error. */
static bool params_known(struct request *r, const char *const *known)
{
    for (size_t i = 0; i < r->query.count; i++) {
        const char *name = r->query.items[i].name;
        bool found = false;
        for (const char *const *k = known; *k; k++) {
            size_t len = strlen(*k);
            found |= (*k)[len - 1] == '.' ? strncmp(name, *k, len) == 0 : strcmp(name, *k) == 0;
        }
        if (!found) {
            problem_reply(r, 400, "invalid", name, "%.100s: no such query parameter", name);
            return false;
        }
    }
    return true;
}

static bool bad_param(struct request *r, const char *name, const char *why)
{
    problem_reply(r, 400, "invalid", name, "%s: %s", name, why);
    return false;
}

/* wait=SECONDS; bounded by the server. -1 without it. */
static bool read_wait(struct request *r, int64_t *ret_us)
{
    struct str text = params_get(&r->query, "wait");
    double seconds;
    *ret_us = -1;
    if (!text.ptr)
        return true;
    if (!parse_double(text, &seconds) || seconds < 0 || seconds > 1e9)
        return bad_param(r, "wait", "must be a number of seconds, 0 or more");
    *ret_us = MIN((int64_t)(seconds * 1e6), r->context->config.wait_max_us);
    return true;
}

static bool read_include(struct request *r, bool *ret_source)
{
    struct str text = params_get(&r->query, "include");
    *ret_source = text.ptr && str_is(text, "source");
    if (text.ptr && !*ret_source)
        return bad_param(r, "include", "must be \"source\"");
    return true;
}

/* ---- create ---- */

static bool read_key(struct request *r, const char **ret)
{
    const char *key = request_header(r, "Idempotency-Key");
    *ret = key;
    if (!key)
        return true;
    size_t len = strlen(key);
    bool printable = true;
    for (size_t i = 0; i < len; i++)
        printable &= key[i] >= ' ' && key[i] <= '~';
    if (len == 0 || len > KEY_BYTES_MOST || !printable) {
        problem_reply(r, 400, "invalid", "Idempotency-Key",
                      "Idempotency-Key: must be 1 to %d printable ASCII characters",
                      KEY_BYTES_MOST);
        return false;
    }
    return true;
}

static struct job *read_job(struct request *r)
{
    const struct json *json = NULL;
    struct err e;
    if (r->body_kind != BODY_JSON || !media_type_is(r->body_type, "application/json")) {
        problem_reply(r, 415, "unsupported_media_type", "Content-Type",
                      "Content-Type must be application/json, not %.100s",
                      r->body_type ? r->body_type : "absent");
        return NULL;
    }
    if (!request_json(r, &json, &e)) {
        problem_reply(r, 400, "malformed", NULL, "%s", e.text);
        return NULL;
    }
    if (!json) {
        problem_reply(r, 400, "malformed", NULL, "the body is empty; it must be a JSON object");
        return NULL;
    }
    struct job *job = job_from_json(json, false, &e);
    if (!job) {
        problem_err(r, &e);
    } else if (job->webhook_url && !deliver_url_check(r->context, job->webhook_url, false, &e)) {
        problem_reply(r, 422, "invalid", "webhook_url", "webhook_url: %s", e.text);
        job_free(job);
        job = NULL;
    }
    return job;
}

static void put_location(struct request *r, const char *token)
{
    reply_header(r, "Location", arena_printf(&r->arena, "/v1/submissions/%s", token));
}

/* "store": false: who waited has the answer now. One that somebody is to be told of stays a while.
 */
static void forget(struct request *r, const struct record *record)
{
    struct err ignored; /* then it goes a few minutes later */
    if (record->job->forget && !record->job->webhook_url &&
        !service_remove(r->context->service, record->id, &ignored))
        ignored.kind = ERR_NONE;
}

static void reply_record(struct request *r, const char *token, int status_final,
                         int status_unfinished, bool with_source)
{
    struct err e;
    CLEANUP(record_done) struct record record = { 0 };
    enum got got =
        !token_valid(str_of(token))
            ? GOT_NONE
            : service_load(r->context->service, token, RECORD_JOB | RECORD_RESULT, &record, &e);
    bool final = record.state == STATE_FINISHED || record.state == STATE_CANCELLED;
    /* A token that is given away names something that will survive. */
    if (got == GOT_ONE && !final && status_unfinished != 200 &&
        !service_sync(r->context->service, &e))
        got = GOT_FAILED;
    if (got == GOT_FAILED) {
        problem_err(r, &e);
    } else if (got == GOT_NONE) {
        problem_reply(r, 404, "not_found", NULL, "no submission with this token");
    } else {
        struct json_writer w = reply_json(r, final ? status_final : status_unfinished);
        render_submission(&record, with_source, &w);
        if (final && status_unfinished == 202)
            forget(r, &record);
    }
}

/* The job is final, or the wait is over. */
static void reply_waited(struct request *r)
{
    put_location(r, r->args[0]);
    reply_record(r, r->args[0], 200, 202, false);
}

static bool is_final(struct request *r, const char *token)
{
    struct record record = { 0 };
    struct err ignored;
    bool final = service_load(r->context->service, token, 0, &record, &ignored) == GOT_ONE &&
                 (record.state == STATE_FINISHED || record.state == STATE_CANCELLED);
    record_done(&record);
    return final;
}

/* The key named an earlier submission: answer with that one. */
static void replay(struct request *r, const char *token, int64_t wait_us)
{
    reply_header(r, "Idempotent-Replayed", "true");
    if (wait_us > 0)
        request_watch(r, token); /* before looking: an end in between is not missed */
    if (wait_us > 0 && !is_final(r, token)) {
        request_wait(r, wait_us, reply_waited);
        return;
    }
    put_location(r, token);
    reply_record(r, token, 200, wait_us >= 0 ? 202 : 201, false);
}

/* A reused key: the status is that of draft-ietf-httpapi-idempotency-key-header, section 2.7. */
static void refuse_accept(struct request *r, const struct err *e)
{
    if (e->kind == ERR_CONFLICT && strcmp(e->field, "Idempotency-Key") == 0)
        problem_reply(r, 422, "idempotency_key_reused", e->field, "%s", e->text);
    else
        problem_err(r, e);
}

static void create(struct request *r)
{
    static const char *const known[] = { "wait", NULL };
    int64_t wait_us;
    const char *key;
    struct err e;
    if (!params_known(r, known) || !read_wait(r, &wait_us) || !read_key(r, &key))
        return;
    struct job *job = read_job(r);
    if (!job)
        return;

    char token[TOKEN_TEXT];
    job->tenant = access_tenant(r, &job->arena);
    origin_mark(r, job);
    if (key && job->tenant) /* two clients may have the same idea of a key */
        key = arena_printf(&r->arena, "%s:%s", job->tenant, key);
    if (wait_us > 0)
        request_watch(r, job->id);
    enum got got = service_accept(r->context->service, job, key, wait_us <= 0, token, &e);
    measure_accept(r, got, &e);
    if (got == GOT_FAILED) {
        refuse_accept(r, &e);
        return;
    }
    r->args[0] = arena_text(&r->arena, token);
    if (got == GOT_NONE) {
        replay(r, r->args[0], wait_us);
    } else if (wait_us > 0) {
        request_wait(r, wait_us, reply_waited);
    } else if (wait_us == 0) {
        reply_waited(r);
    } else {
        put_location(r, token);
        struct json_writer w = reply_json(r, 201);
        json_put_object(&w);
        json_put_key(&w, "token");
        json_put_text(&w, token);
        json_put_key(&w, "state");
        json_put_text(&w, state_name(STATE_QUEUED));
        json_put_object_end(&w);
    }
}

/* ---- one ---- */

/* With wait, the answer comes once the submission is final. */
static void show_waited(struct request *r)
{
    bool source = params_get(&r->query, "include").ptr != NULL;
    reply_record(r, r->args[0], 200, 200, source);
}

static void show(struct request *r)
{
    static const char *const known[] = { "include", "wait", NULL };
    bool source;
    int64_t wait_us;
    if (!params_known(r, known) || !read_include(r, &source) || !read_wait(r, &wait_us))
        return;
    if (wait_us > 0 && token_valid(str_of(r->args[0]))) {
        request_watch(r, r->args[0]);
        struct record record = { 0 };
        struct err ignored;
        bool unfinished =
            service_load(r->context->service, r->args[0], 0, &record, &ignored) == GOT_ONE &&
            (record.state == STATE_QUEUED || record.state == STATE_RUNNING);
        record_done(&record);
        if (unfinished) {
            request_wait(r, wait_us, show_waited);
            return;
        }
    }
    reply_record(r, r->args[0], 200, 200, source);
}

static void cancel(struct request *r)
{
    static const char *const none[] = { NULL };
    enum job_state state;
    struct err e;
    if (!params_known(r, none))
        return;
    if (!token_valid(str_of(r->args[0]))) {
        problem_reply(r, 404, "not_found", NULL, "no submission with this token");
        return;
    }
    if (!service_cancel(r->context->service, r->args[0], &state, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, state == STATE_RUNNING ? 202 : 200);
    json_put_object(&w);
    json_put_key(&w, "token");
    json_put_text(&w, r->args[0]);
    json_put_key(&w, "state");
    json_put_text(&w, state_name(state));
    json_put_object_end(&w);
}

static void remove_one(struct request *r)
{
    static const char *const none[] = { NULL };
    struct err e;
    if (!params_known(r, none))
        return;
    if (!token_valid(str_of(r->args[0])))
        problem_reply(r, 404, "not_found", NULL, "no submission with this token");
    else if (!service_remove(r->context->service, r->args[0], &e))
        problem_err(r, &e);
    else
        reply_empty(r, 204, NULL);
}

/* ---- history ---- */

/* "2026-11-23T12:46:43.982Z"; the fraction, and the time of day as a whole, may be missing. */
static bool time_of(const char *text, int64_t *ret_us)
{
    struct tm tm = { 0 };
    double fraction = 0;
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (rest && *rest) {
        rest = strptime(rest, "T%H:%M:%S", &tm);
        size_t digits = rest && *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
        if (digits && !parse_double((struct str){ rest, digits + 1 }, &fraction))
            return false;
        rest = rest ? rest + (digits ? digits + 1 : 0) : NULL;
        if (!rest || strcmp(rest, "Z") != 0)
            return false;
    }
    if (!rest || tm.tm_year < 70)
        return false;
    *ret_us = (int64_t)timegm(&tm) * US_PER_S + (int64_t)(fraction * 1e6);
    return true;
}

static bool read_time(struct request *r, const char *name, int64_t *ret_us)
{
    struct str text = params_get(&r->query, name);
    double seconds;
    if (!text.ptr || time_of(text.ptr, ret_us))
        return true;
    if (!parse_double(text, &seconds) || seconds < 0 || seconds > 1e11)
        return bad_param(r, name, "must be a UTC time such as 2026-11-23T12:46:43Z, or seconds");
    *ret_us = (int64_t)(seconds * 1e6);
    return true;
}

static bool read_whole(struct request *r, const char *name, int64_t least, int64_t most,
                       int64_t *ret)
{
    struct str text = params_get(&r->query, name);
    if (!text.ptr)
        return true;
    if (parse_int(text, ret) && *ret >= least && *ret <= most)
        return true;
    return bad_param(r, name,
                     arena_printf(&r->arena, "must be a whole number from %lld to %lld",
                                  (long long)least, (long long)most));
}

static bool read_verdict(struct request *r, struct store_filter *f)
{
    struct str text = params_get(&r->query, "verdict");
    if (!text.ptr)
        return true;
    f->verdict = verdict_find(text);
    if (f->verdict == VERDICT_NONE)
        return bad_param(r, "verdict", "no such verdict");
    return true;
}

static bool read_state(struct request *r, struct store_filter *f)
{
    struct str text = params_get(&r->query, "state");
    if (!text.ptr)
        return true;
    for (int s = STATE_QUEUED; s <= STATE_CANCELLED; s++) {
        if (str_is(text, state_name((enum job_state)s))) {
            f->has_state = true;
            f->state = (enum job_state)s;
            return true;
        }
    }
    return bad_param(r, "state", "must be queued, running, finished or cancelled");
}

/* A name or alias; the history keeps ids. */
static bool read_language(struct request *r, struct store_filter *f)
{
    struct str text = params_get(&r->query, "language");
    struct err e;
    if (!text.ptr)
        return true;
    const struct language *l = catalogue_find(r->context->catalogue, text, &e);
    if (!l)
        return bad_param(r, "language", e.text);
    f->language = l->id;
    return true;
}

static bool read_metadata(struct request *r, struct store_filter *f)
{
    static const char prefix[] = "metadata.";
    for (size_t i = 0; i < r->query.count; i++) {
        const struct param *p = &r->query.items[i];
        if (strncmp(p->name, prefix, sizeof prefix - 1) != 0)
            continue;
        if (f->metadata_key)
            return bad_param(r, p->name, "one metadata key can be asked for at a time");
        f->metadata_key = p->name + sizeof prefix - 1;
        f->metadata_value = p->value.ptr;
    }
    return true;
}

struct listing {
    struct json_writer *w;
    int64_t count, most;
    int64_t last_seq; /* of the last one written */
    bool more;
};

static void list_record(void *arg, struct record *record, int64_t seq)
{
    struct listing *l = arg;
    if (l->count == l->most) {
        l->more = true;
        return;
    }
    l->count++;
    l->last_seq = seq;
    render_summary(record, l->w);
}

static void list(struct request *r)
{
    static const char *const known[] = { "language", "verdict", "state",     "since", "until",
                                         "limit",    "cursor",  "metadata.", NULL };
    struct store_filter f = { 0 };
    int64_t limit = LIST_DEFAULT;
    struct err e;
    if (!params_known(r, known) || !read_language(r, &f) || !read_verdict(r, &f) ||
        !read_state(r, &f) || !read_time(r, "since", &f.since_us) ||
        !read_time(r, "until", &f.until_us) || !read_metadata(r, &f) ||
        !read_whole(r, "limit", 1, LIST_MOST, &limit) ||
        !read_whole(r, "cursor", 1, INT64_MAX, &f.before_seq))
        return;

    f.limit = (int)limit + 1; /* one more tells whether there is a next page */
    struct json_writer w = reply_json(r, 200);
    struct listing l = { .w = &w, .most = limit };
    json_put_object(&w);
    json_put_key(&w, "submissions");
    json_put_array(&w);
    if (!service_list(r->context->service, &f, RECORD_JOB | RECORD_RESULT, list_record, &l, NULL,
                      &e)) {
        problem_err(r, &e);
        return;
    }
    json_put_array_end(&w);
    json_put_key(&w, "next_cursor");
    json_put_text(&w, l.more ? arena_printf(&r->arena, "%lld", (long long)l.last_seq) : NULL);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_POST, "/v1/submissions", create, ROUTE_SUBMITS },
    { METHOD_GET, "/v1/submissions", list, 0 },
    { METHOD_GET, "/v1/submissions/:token", show, 0 },
    { METHOD_DELETE, "/v1/submissions/:token", remove_one, 0 },
    { METHOD_POST, "/v1/submissions/:token/cancel", cancel, 0 },
};
const struct routes api_submissions_routes = { routes, COUNT_OF(routes) };
