/* SPDX-License-Identifier: Apache-2.0 */
/* A build on disk whose checksum holds, whatever it says: read or refused; what is read is written
 * and read again the same. */
#include "base/hash.h"
#include "engine/artifact.h"
#include "fuzz.h"

static void seal(struct buf *b)
{
    char sum[HASH_TEXT];
    struct hash *h = hash_new();
    hash_add(h, buf_str(b));
    hash_finish(h, sum);
    buf_add_text(b, sum);
}

FUZZ(text)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    CLEANUP(buf_done) struct buf once = { 0 };
    CLEANUP(buf_done) struct buf twice = { 0 };
    struct err e;

    buf_add_text(&bytes, "evalx-artifact-2\n");
    buf_add_str(&bytes, text);
    seal(&bytes);
    CLEANUP(artifact_unref) struct artifact *a = artifact_read(buf_str(&bytes), &e);
    if (!a)
        return;
    CHECK(artifact_write(a, &once, &e));
    CLEANUP(artifact_unref) struct artifact *again = artifact_read(buf_str(&once), &e);
    CHECK(again && artifact_write(again, &twice, &e));
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
}
