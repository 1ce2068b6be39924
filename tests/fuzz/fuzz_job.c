/* SPDX-License-Identifier: Apache-2.0 */
/* A job that was read is stored, read back and stored again the same. */
#include "fuzz.h"
#include "job/job.h"

FUZZ(text)
{
    CLEANUP(buf_done) struct buf once = { 0 };
    CLEANUP(buf_done) struct buf twice = { 0 };
    struct err e;

    CLEANUP(json_free) struct json *json = json_parse(text, &e);
    if (!json)
        return;
    CLEANUP(job_free) struct job *job = job_from_json(json, false, &e);
    if (!job) {
        CHECK(e.kind == ERR_INVALID && e.text[0]);
        return;
    }
    CHECK(job->test_count >= 1 && job->file_count >= 1 && token_valid(str_of(job->id)));

    job_to_json(job, &once);
    CLEANUP(json_free) struct json *stored = json_parse(buf_str(&once), &e);
    CHECK(stored);
    CLEANUP(job_free) struct job *again = job_from_json(stored, true, &e);
    CHECK(again);
    job_to_json(again, &twice);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
}
