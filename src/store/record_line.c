/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record_line.h"

#include "store/record.h"

enum { VERSION = 1 };

/* What stands in a line besides its texts. */
static const struct {
    const char *key;
    size_t offset; /* in struct record, an int64_t */
} numbers[] = {
    { "seq", offsetof(struct record, seq) },
    { "created_us", offsetof(struct record, created_us) },
    { "started_us", offsetof(struct record, started_us) },
    { "finished_us", offsetof(struct record, finished_us) },
};

/* A client's metadata may be laid out over several lines: between the words of JSON that is space.
 */
static void make_one_line(struct buf *b, size_t from)
{
    for (char *at; (at = memchr(b->ptr + from, '\n', b->len - from)); from = (size_t)(at - b->ptr))
        *at = ' ';
}

void record_to_line(const struct record *r, struct buf *out)
{
    size_t from = out->len;
    struct json_writer w = { .out = out };
    json_put_object(&w);
    json_put_key(&w, "record");
    json_put_int(&w, VERSION);
    json_put_key(&w, "id");
    json_put_text(&w, r->id);
    json_put_key(&w, "state");
    json_put_text(&w, state_name(r->state));
    json_put_key(&w, "attempts");
    json_put_int(&w, r->attempts);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        json_put_key(&w, numbers[i].key);
        json_put_int(&w, *(const int64_t *)(const void *)((const char *)r + numbers[i].offset));
    }
    CLEANUP(buf_done) struct buf body = { 0 };
    job_to_json(r->job, &body);
    json_put_key(&w, "job");
    json_put_raw(&w, buf_str(&body));
    buf_reset(&body);
    result_to_json(r->result, &body);
    json_put_key(&w, "result");
    json_put_raw(&w, buf_str(&body));
    json_put_object_end(&w);
    make_one_line(out, from);
    buf_add_char(out, '\n');
}

/* ---- reading ---- */

static bool read_int(const struct json *root, const char *key, int64_t *ret, struct err *e)
{
    const struct json *node = json_get(root, key);
    if (!node || json_kind(node) != JSON_INT || json_as_int(node) < 0)
        return err_invalid(e, key, "%s must be a whole number", key);
    *ret = json_as_int(node);
    return true;
}

static bool read_head(const struct json *root, struct record *r, struct err *e)
{
    int64_t version = 0, attempts = 0;
    const struct json *id = json_get(root, "id"), *state = json_get(root, "state");
    if (!read_int(root, "record", &version, e))
        return false;
    if (version != VERSION)
        return err_invalid(e, "record", "a record of version %lld; this program knows %d",
                           (long long)version, VERSION);
    if (!id || json_kind(id) != JSON_TEXT || !token_valid(json_as_str(id)))
        return err_invalid(e, "id", "id must be a submission's token");
    snprintf(r->id, sizeof r->id, "%.*s", STR_FMT(json_as_str(id)));

    bool cancelled = state && json_kind(state) == JSON_TEXT &&
                     str_is(json_as_str(state), state_name(STATE_CANCELLED));
    r->state = cancelled ? STATE_CANCELLED : STATE_FINISHED;
    if (!state || json_kind(state) != JSON_TEXT ||
        !str_is(json_as_str(state), state_name(r->state)))
        return err_invalid(e, "state", "state must be finished or cancelled");
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int64_t *value = (int64_t *)(void *)((char *)r + numbers[i].offset);
        if (!read_int(root, numbers[i].key, value, e))
            return false;
    }
    if (!read_int(root, "attempts", &attempts, e))
        return false;
    r->attempts = (int)MIN(attempts, 1000000);
    return r->seq > 0 || err_invalid(e, "seq", "seq must be above 0");
}

static bool read_body(const struct json *root, struct record *r, struct err *e)
{
    const struct json *job = json_get(root, "job"), *result = json_get(root, "result");
    if (!job || !result)
        return err_invalid(e, job ? "result" : "job", "%s is missing", job ? "result" : "job");
    r->job = job_from_json(job, true, e);
    if (!r->job)
        return err_add(e, "job");
    r->result = result_from_json(result, e);
    if (!r->result)
        return err_add(e, "result");
    if (strcmp(r->job->id, r->id) != 0)
        return err_invalid(e, "id", "job is that of %s", r->job->id);
    return true;
}

bool record_from_line(struct str line, struct record *ret, struct err *e)
{
    CLEANUP(json_free) struct json *root = json_parse(line, e);
    CLEANUP(record_done) struct record r = { 0 };
    if (!root || !read_head(root, &r, e) || !read_body(root, &r, e))
        return false;
    *ret = r;
    r.job = NULL;
    r.result = NULL;
    return true;
}
