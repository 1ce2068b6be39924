/* SPDX-License-Identifier: Apache-2.0 */
/* A stored result, whoever wrote it: read, stored, read back and stored again the same. */
#include "fuzz.h"
#include "job/result.h"

FUZZ(text)
{
    CLEANUP(buf_done) struct buf once = { 0 };
    CLEANUP(buf_done) struct buf twice = { 0 };
    struct err e;

    CLEANUP(json_free) struct json *json = json_parse(text, &e);
    if (!json)
        return;
    CLEANUP(result_free) struct result *result = result_from_json(json, &e);
    if (!result) {
        CHECK(e.kind == ERR_INVALID && e.text[0]);
        return;
    }
    result_to_json(result, &once);
    CLEANUP(json_free) struct json *stored = json_parse(buf_str(&once), &e);
    CHECK(stored);
    CLEANUP(result_free) struct result *again = result_from_json(stored, &e);
    CHECK(again);
    result_to_json(again, &twice);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
}
