/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "http/access.h"
#include "http/judge0.h"
#include "http/measure.h"
#include "http/origin.h"
#include "http/route.h"

static const char cannot_convert_one[] =
    "some attributes for this submission cannot be converted to UTF-8, use base64_encoded=true "
    "query parameter";
static const char cannot_convert_some[] =
    "some attributes for one or more submissions cannot be converted to UTF-8, use "
    "base64_encoded=true query parameter";

enum { PER_PAGE_MOST = 1000 };

/* ---- conditions; each writes its refusal and returns false ---- */

static bool open_for_business(struct request *r)
{
    const struct judge0_config *c = &r->context->config.judge0;
    if (c->maintenance_mode)
        judge0_refuse(r, 503, "%s", c->maintenance_message);
    return !c->maintenance_mode;
}

bool judge0_has_room(struct request *r, int64_t n)
{
    const struct judge0_config *c = &r->context->config.judge0;
    struct service_stats stats;
    struct err e;
    bool room;
    if (!service_has_room(r->context->service, n, &room, &e) ||
        !service_stats(r->context->service, &stats, &e)) {
        judge0_err(r, &e);
        return false;
    }
    int64_t waiting = 0;
    for (int i = 0; i < QUEUE_PRIORITIES; i++)
        waiting += stats.queue.waiting[i];
    if (!room || waiting + n > c->max_queue_size) {
        measure_refused(r, REFUSED_QUEUE_FULL);
        judge0_refuse(r, 503, "queue is full");
        return false;
    }
    return true;
}

static bool fields_valid(struct request *r, uint64_t *ret)
{
    const char *why = judge0_fields(judge0_param(r, "fields"), &r->arena, ret);
    if (why)
        judge0_refuse(r, 400, "%s", why);
    return !why;
}

static bool batches_allowed(struct request *r)
{
    bool allowed = r->context->config.judge0.enable_batched_submissions;
    if (!allowed)
        judge0_refuse(r, 400, "batched submissions are not allowed");
    return allowed;
}

static bool batch_size_valid(struct request *r, size_t size)
{
    int64_t most = r->context->config.judge0.max_submission_batch_size;
    if (size == 0)
        judge0_refuse(r, 400, "there should be at least one submission in a batch");
    else if ((int64_t)size > most)
        judge0_refuse(r, 400,
                      "number of submissions in a batch should be less than or equal to %lld",
                      (long long)most);
    return size > 0 && (int64_t)size <= most;
}

/* ---- create ---- */

static void put_token(struct json_writer *w, const char *token)
{
    json_put_object(w);
    json_put_key(w, "token");
    json_put_text(w, token);
    json_put_object_end(w);
}

/* What the floors below refuse that the attributes' own rules let pass: a source too long, ... */
static void put_refusal(struct json_writer *w, const struct err *e)
{
    struct judge0_errors errors = { 0 };
    judge0_errors_add(&errors, e->field[0] ? e->field : "source_code", e->text);
    judge0_errors_put(&errors, w);
}

static void reply_refusal(struct request *r, const struct err *e)
{
    if (e->kind == ERR_INVALID) {
        struct json_writer w = reply_json(r, 422);
        put_refusal(&w, e);
    } else {
        judge0_err(r, e);
    }
}

/* The record's token, for a client that must not get the record. */
static void reply_unsendable(struct request *r, const char *token)
{
    struct json_writer w = reply_json(r, 201);
    json_put_object(&w);
    json_put_key(&w, "error");
    json_put_text(&w, cannot_convert_one);
    json_put_key(&w, "token");
    json_put_text(&w, token);
    json_put_object_end(&w);
}

/* The job is final, or the wait is over. */
static void reply_waited(struct request *r)
{
    const char *token = r->args[0];
    struct err e;
    uint64_t set = judge0_fields_default();
    if (!fields_valid(r, &set)) /* was checked before; kept for its value */
        return;
    CLEANUP(record_done) struct record record = { 0 };
    enum got got =
        service_load(r->context->service, token, RECORD_JOB | RECORD_RESULT, &record, &e);
    if (got == GOT_ONE && record.state != STATE_FINISHED && record.state != STATE_CANCELLED &&
        !service_sync(r->context->service, &e))
        got = GOT_FAILED;
    if (got == GOT_FAILED) {
        judge0_err(r, &e);
        return;
    }
    if (got == GOT_NONE) {
        judge0_error(r, 404);
        return;
    }
    struct json_writer w = reply_json(r, 201);
    if (!judge0_render_record(r, &record, set, judge0_is_encoded(r), &w))
        reply_unsendable(r, token);
}

static void accept_one(struct request *r, struct job *job, bool wait)
{
    char token[TOKEN_TEXT];
    struct err e;
    job->tenant = access_tenant(r, &job->arena);
    origin_mark(r, job);
    if (wait)
        request_watch(r, job->id);
    enum got got = service_accept(r->context->service, job, NULL, !wait, token, &e);
    measure_accept(r, got, &e);
    if (got == GOT_FAILED) {
        reply_refusal(r, &e);
        return;
    }
    r->args[0] = arena_text(&r->arena, token);
    if (wait) {
        request_wait(r, r->context->config.wait_max_us, reply_waited);
    } else {
        struct json_writer w = reply_json(r, 201);
        put_token(&w, token);
    }
}

static bool wait_allowed(struct request *r, bool *ret)
{
    const char *flag = judge0_param(r, "wait");
    *ret = flag && strcmp(flag, "true") == 0;
    if (*ret && !r->context->config.judge0.enable_wait_result) {
        judge0_refuse(r, 400, "wait not allowed");
        return false;
    }
    return true;
}

static void create(struct request *r)
{
    bool wait;
    uint64_t ignored;
    const struct json *batch = json_get(r->json, "submissions");
    size_t size = batch && json_kind(batch) == JSON_ARRAY ? json_count(batch) : 0;
    if (!open_for_business(r) || !wait_allowed(r, &wait) ||
        !judge0_has_room(r, MAX((int64_t)size, 1)) || !fields_valid(r, &ignored))
        return;

    struct judge0_source source = { &r->query, r->json, &r->form, judge0_is_encoded(r) };
    struct judge0_submission submission;
    struct judge0_errors errors;
    if (judge0_read(&source, r->context, &r->arena, &submission, &errors)) {
        accept_one(r, judge0_job(&submission, r->context), wait);
    } else {
        struct json_writer w = reply_json(r, 422);
        judge0_errors_put(&errors, &w);
    }
}

/* ---- read ---- */

static void show(struct request *r)
{
    const char *token = r->args[0];
    uint64_t set;
    struct err e;
    if (!fields_valid(r, &set))
        return;
    CLEANUP(record_done) struct record record = { 0 };
    enum got got =
        !token_valid(str_of(token))
            ? GOT_NONE
            : service_load(r->context->service, token, RECORD_JOB | RECORD_RESULT, &record, &e);
    if (got == GOT_FAILED) {
        judge0_err(r, &e);
    } else if (got == GOT_NONE) {
        judge0_error(r, 404);
    } else {
        struct json_writer w = reply_json(r, 200);
        if (!judge0_render_record(r, &record, set, judge0_is_encoded(r), &w))
            judge0_refuse(r, 400, "%s", cannot_convert_one);
    }
}

static bool may_be_removed(struct request *r, const struct record *record)
{
    if (record->state == STATE_FINISHED || record->state == STATE_CANCELLED)
        return true;
    int status = record->state == STATE_QUEUED ? 1 : 2;
    judge0_refuse(r, 400, "submission cannot be deleted because its status is %d (%s)", status,
                  judge0_statuses[status - 1].description);
    return false;
}

static void remove_one(struct request *r)
{
    const char *token = r->args[0];
    uint64_t set;
    struct err e;
    if (!open_for_business(r) || !fields_valid(r, &set))
        return;
    if (!r->context->config.judge0.enable_submission_delete) {
        judge0_refuse(r, 400, "delete not allowed");
        return;
    }
    CLEANUP(record_done) struct record record = { 0 };
    enum got got =
        !token_valid(str_of(token))
            ? GOT_NONE
            : service_load(r->context->service, token, RECORD_JOB | RECORD_RESULT, &record, &e);
    if (got == GOT_FAILED) {
        judge0_err(r, &e);
        return;
    }
    if (got == GOT_NONE) {
        judge0_error(r, 404);
        return;
    }
    if (!may_be_removed(r, &record))
        return;
    if (!service_remove(r->context->service, token, &e)) {
        judge0_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    CHECK(judge0_render_record(r, &record, set, true, &w));
}

/* ---- list ---- */

struct listing {
    struct request *r;
    uint64_t set;
    bool encoded, unsendable;
    struct json_writer *w;
};

static void list_record(void *arg, struct record *record, UNUSED int64_t seq)
{
    struct listing *l = arg;
    if (!l->unsendable && !judge0_render_record(l->r, record, l->set, l->encoded, l->w))
        l->unsendable = true;
}

/* A number as Ruby's to_i reads it; fallback when the parameter is absent. */
static int64_t page_number(struct request *r, const char *name, int64_t fallback)
{
    const char *text = judge0_param(r, name);
    if (!text)
        return fallback;
    size_t len = *text == '-' || *text == '+';
    while (len < 18 && text[len] >= '0' && text[len] <= '9')
        len++;
    int64_t value;
    return parse_int((struct str){ text, len }, &value) ? value : 0;
}

static void put_page(struct json_writer *w, const char *key, int64_t page)
{
    json_put_key(w, key);
    if (page > 0)
        json_put_int(w, page);
    else
        json_put_null(w);
}

static void put_meta(struct json_writer *w, int64_t page, int64_t per_page, int64_t total)
{
    int64_t pages = MAX((total + per_page - 1) / per_page, 1);
    json_put_key(w, "meta");
    json_put_object(w);
    put_page(w, "current_page", page);
    put_page(w, "next_page", page < pages ? page + 1 : 0);
    put_page(w, "prev_page", page - 1);
    put_page(w, "total_pages", pages);
    json_put_key(w, "total_count");
    json_put_int(w, total);
    json_put_object_end(w);
}

static void list(struct request *r)
{
    int64_t page = page_number(r, "page", 1), per_page = page_number(r, "per_page", 20), total = 0;
    uint64_t set;
    struct err e;
    if (page <= 0 || page > INT32_MAX) {
        judge0_refuse(r, 400, "invalid page: %lld", (long long)page);
        return;
    }
    if (per_page <= 0 || per_page > PER_PAGE_MOST) {
        judge0_refuse(r, 400, "invalid per_page: %lld", (long long)per_page);
        return;
    }
    if (!fields_valid(r, &set))
        return;

    struct json_writer w = reply_json(r, 200);
    struct listing l = { r, set, judge0_is_encoded(r), false, &w };
    struct store_filter filter = { .offset = (page - 1) * per_page, .limit = (int)per_page };
    json_put_object(&w);
    json_put_key(&w, "submissions");
    json_put_array(&w);
    if (!service_list(r->context->service, &filter, RECORD_JOB | RECORD_RESULT, list_record, &l,
                      &total, &e)) {
        judge0_err(r, &e);
        return;
    }
    json_put_array_end(&w);
    put_meta(&w, page, per_page, total);
    json_put_object_end(&w);
    if (l.unsendable)
        judge0_refuse(r, 400, "%s", cannot_convert_some);
}

/* ---- batches ---- */

struct entry {
    char token[TOKEN_TEXT]; /* "" when refused */
    struct judge0_errors errors;
    struct err err; /* a refusal from below */
};

static void batch_entry(struct request *r, const struct json *object, struct entry *entry)
{
    struct judge0_source source = { NULL, object, NULL, judge0_is_encoded(r) };
    struct judge0_submission submission;
    if (!judge0_read(&source, r->context, &r->arena, &submission, &entry->errors)) {
        measure_refused(r, REFUSED_INVALID);
        return;
    }
    struct job *job = judge0_job(&submission, r->context);
    job->tenant = access_tenant(r, &job->arena);
    origin_mark(r, job);
    enum got got =
        service_accept(r->context->service, job, NULL, false, entry->token, &entry->err);
    measure_accept(r, got, &entry->err);
    if (got == GOT_FAILED)
        entry->token[0] = '\0';
}

static void put_entry(struct json_writer *w, const struct entry *entry)
{
    if (entry->token[0])
        put_token(w, entry->token);
    else if (entry->errors.count)
        judge0_errors_put(&entry->errors, w);
    else
        put_refusal(w, &entry->err);
}

/* The elements of a batch, nulls left out; false when it is no array of objects. */
static bool batch_elements(struct request *r, const struct json ***ret, size_t *ret_count)
{
    const struct json *array = json_get(r->json, "submissions");
    if (!array || json_kind(array) != JSON_ARRAY)
        return false;
    const struct json **objects = arena_array(&r->arena, json_count(array) + 1, sizeof *objects);
    size_t count = 0;
    for (size_t i = 0; i < json_count(array); i++) {
        const struct json *element = json_at(array, i);
        if (json_kind(element) == JSON_OBJECT)
            objects[count++] = element;
        else if (json_kind(element) != JSON_NULL)
            return false;
    }
    *ret = objects;
    *ret_count = count;
    return true;
}

static void create_batch(struct request *r)
{
    const struct json **objects = NULL;
    size_t count = 0;
    struct err e;
    if (!batches_allowed(r) || !open_for_business(r))
        return;
    if (!batch_elements(r, &objects, &count))
        count = 0;
    if (!judge0_has_room(r, (int64_t)count) || !batch_size_valid(r, count))
        return;

    struct entry *entries = arena_array(&r->arena, count, sizeof *entries);
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        batch_entry(r, objects[i], &entries[i]);
        any |= entries[i].token[0] != '\0';
    }
    if (any && !service_sync(r->context->service, &e)) {
        judge0_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, any ? 201 : 422);
    json_put_array(&w);
    for (size_t i = 0; i < count; i++)
        put_entry(&w, &entries[i]);
    json_put_array_end(&w);
}

/* The list of tokens: a header of that name, else the parameter. */
static size_t batch_tokens(struct request *r, struct str **ret)
{
    const char *text = request_header(r, "tokens");
    if (!text)
        text = judge0_param(r, "tokens");
    struct str all = str_of(text ? text : "");
    while (all.len && strchr(" \t\r\n", all.ptr[0]))
        all = (struct str){ all.ptr + 1, all.len - 1 };
    while (all.len && strchr(" \t\r\n", all.ptr[all.len - 1]))
        all.len--;

    struct str *tokens = arena_array(&r->arena, all.len / 2 + 2, sizeof *tokens);
    size_t count = 0;
    while (all.len) {
        const char *comma = memchr(all.ptr, ',', all.len);
        struct str token = { all.ptr, comma ? (size_t)(comma - all.ptr) : all.len };
        size_t used = token.len + (comma != NULL);
        all = (struct str){ all.ptr + used, all.len - used };
        if (token.len)
            tokens[count++] = token;
    }
    *ret = tokens;
    return count;
}

/* One element: the submission, or null for an unknown token. */
static enum got put_batch_record(struct listing *l, struct str token, struct err *e)
{
    char id[TOKEN_TEXT];
    CLEANUP(record_done) struct record record = { 0 };
    if (!token_valid(token)) {
        json_put_null(l->w);
        return GOT_NONE;
    }
    snprintf(id, sizeof id, "%.*s", STR_FMT(token));
    enum got got = service_load(l->r->context->service, id, RECORD_JOB | RECORD_RESULT, &record, e);
    if (got == GOT_ONE)
        list_record(l, &record, 0);
    else if (got == GOT_NONE)
        json_put_null(l->w);
    return got;
}

static void show_batch(struct request *r)
{
    struct str *tokens;
    uint64_t set;
    struct err e;
    if (!batches_allowed(r))
        return;
    size_t count = batch_tokens(r, &tokens);
    if (!batch_size_valid(r, count) || !fields_valid(r, &set))
        return;

    struct json_writer w = reply_json(r, 200);
    struct listing l = { r, set, judge0_is_encoded(r), false, &w };
    json_put_object(&w);
    json_put_key(&w, "submissions");
    json_put_array(&w);
    for (size_t i = 0; i < count; i++) {
        if (put_batch_record(&l, tokens[i], &e) == GOT_FAILED) {
            judge0_err(r, &e);
            return;
        }
    }
    json_put_array_end(&w);
    json_put_object_end(&w);
    if (l.unsendable)
        judge0_refuse(r, 400, "%s", cannot_convert_some);
}

static const struct route submission_routes[] = {
    { METHOD_POST, "/submissions", create, ROUTE_SUBMITS },
    { METHOD_GET, "/submissions", list, ROUTE_AUTHZ },
    { METHOD_GET, "/submissions/:token", show, 0 },
    { METHOD_DELETE, "/submissions/:token", remove_one, ROUTE_AUTHZ },
};
const struct routes judge0_submissions_routes = { submission_routes, COUNT_OF(submission_routes) };

/* Looked at first: "batch" is no token. */
static const struct route batch_routes[] = {
    { METHOD_POST, "/submissions/batch", create_batch, ROUTE_SUBMITS },
    { METHOD_GET, "/submissions/batch", show_batch, 0 },
};
const struct routes judge0_batch_routes = { batch_routes, COUNT_OF(batch_routes) };
