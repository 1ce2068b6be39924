/* SPDX-License-Identifier: Apache-2.0 */
/* A line of an exported history, whoever wrote it: read, written, read back and written again the
 * same, on one line. */
#include "fuzz.h"
#include "store/record_line.h"

FUZZ(text)
{
    CLEANUP(buf_done) struct buf once = { 0 };
    CLEANUP(buf_done) struct buf twice = { 0 };
    CLEANUP(record_done) struct record r = { 0 };
    CLEANUP(record_done) struct record again = { 0 };
    struct err e;

    if (!record_from_line(text, &r, &e)) {
        CHECK(e.kind == ERR_INVALID && e.text[0]);
        return;
    }
    record_to_line(&r, &once);
    CHECK(memchr(once.ptr, '\n', once.len) == once.ptr + once.len - 1);
    CHECK(record_from_line(buf_str(&once), &again, &e));
    record_to_line(&again, &twice);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
}
