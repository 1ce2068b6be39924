/* SPDX-License-Identifier: Apache-2.0 */
/* What is read is written and read again the same; the writer never makes what the reader refuses.
 */
#include "base/json.h"
#include "fuzz.h"

FUZZ(text)
{
    CLEANUP(buf_done) struct buf once = { 0 };
    CLEANUP(buf_done) struct buf twice = { 0 };
    struct err e;

    CLEANUP(json_free) struct json *root = json_parse(text, &e);
    if (!root) {
        CHECK(e.kind == ERR_INVALID && e.text[0]);
        return;
    }
    json_dump(root, &once);
    CLEANUP(json_free) struct json *again = json_parse(buf_str(&once), &e);
    CHECK(again);
    json_dump(again, &twice);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
}
