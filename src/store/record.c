/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/clock.h"

const char *state_name(enum job_state s)
{
    static const char *const names[] = {
        [STATE_QUEUED] = "queued",
        [STATE_RUNNING] = "running",
        [STATE_FINISHED] = "finished",
        [STATE_CANCELLED] = "cancelled",
    };
    CHECK((size_t)s < COUNT_OF(names));
    return names[s];
}

void record_done(struct record *r)
{
    job_free(r->job);
    result_free(r->result);
    *r = (struct record){ 0 };
}

/* What we wrote and cannot read back is our bug, or a broken disk; never the caller's input. */
static bool unreadable(const char *id, const char *what, struct err *e)
{
    err_add(e, "stored %s of %s", what, id);
    e->kind = ERR_BUG;
    return false;
}

bool record_read_job(struct record *r, struct str json, struct err *e)
{
    CLEANUP(json_free) struct json *root = json_parse(json, e);
    r->job = root ? job_from_json(root, true, e) : NULL;
    return r->job || unreadable(r->id, "job", e);
}

bool record_read_result(struct record *r, struct str json, struct err *e)
{
    CLEANUP(json_free) struct json *root = json_parse(json, e);
    r->result = root ? result_from_json(root, e) : NULL;
    return r->result || unreadable(r->id, "result", e);
}

bool record_metadata_is(const char *metadata, const char *key, const char *value)
{
    struct err ignored;
    CLEANUP(json_free) struct json *root = metadata ? json_parse(str_of(metadata), &ignored) : NULL;
    const struct json *node = root ? json_get(root, key) : NULL;
    if (!node || json_kind(node) == JSON_NULL || json_kind(node) >= JSON_ARRAY)
        return false;
    if (json_kind(node) == JSON_TEXT)
        return str_is(json_as_str(node), value);
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(node, &text);
    return str_is(buf_str(&text), value);
}

int64_t record_expires(int64_t finished_us, int64_t own_retention_us, int64_t retention_us)
{
    int64_t keep = own_retention_us > 0 ? own_retention_us : retention_us;
    if (keep <= 0)
        return 0;
    return keep > INT64_MAX - finished_us ? INT64_MAX : finished_us + keep;
}

int64_t job_retention(const struct job *job)
{
    if (!job->forget)
        return job->retention_us;
    return job->retention_us > 0 ? MIN(job->retention_us, FORGET_US) : FORGET_US;
}

void ending_init(struct ending *ending, const struct result *result)
{
    bool cancelled = result->verdict == VERDICT_CANCELLED;
    *ending = (struct ending){
        .state = cancelled ? STATE_CANCELLED : STATE_FINISHED,
        .verdict = result->verdict,
        .attempt = result->attempt,
        .started_us = result->started_us,
        .finished_us = result->finished_us > 0 ? result->finished_us : wall_us(),
    };
    result_to_json(result, &ending->json);
}

void ending_init_cancelled(struct ending *ending)
{
    CLEANUP(result_free) struct result *result = result_cancelled();
    ending_init(ending, result);
}

void ending_done(struct ending *ending)
{
    buf_done(&ending->json);
}

int job_owes(const struct job *job, struct owed out[OWED_MOST])
{
    int count = 0;
    if (job->webhook_url)
        out[count++] = (struct owed){ DELIVERY_WEBHOOK, job->webhook_url };
    if (job->callback_url)
        out[count++] = (struct owed){ DELIVERY_CALLBACK, job->callback_url };
    return count;
}

bool key_conflict(struct err *e)
{
    err_set(e, ERR_CONFLICT, "this idempotency key came before, with another submission");
    snprintf(e->field, sizeof e->field, "Idempotency-Key");
    return false;
}
