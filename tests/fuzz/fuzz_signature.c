/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A webhook as it comes: the first line is the secret, the second the timestamp, the third the
 * signature header, the rest the body. What we sign ourselves must verify, nothing else crashes.
 */
#include "base/arena.h"
#include "fuzz.h"
#include "webhook/schedule.h"
#include "webhook/sign.h"

static const char *next_line(struct str *rest, struct arena *arena)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    const char *line = arena_str(arena, (struct str){ rest->ptr ? rest->ptr : "", len }).ptr;
    *rest = (struct str){ rest->ptr + len + (end != NULL), rest->len - len - (end != NULL) };
    return line;
}

FUZZ(text)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct err e = { 0 };
    if (!text.len)
        return;
    const char *secrets[] = { next_line(&text, &arena), NULL };
    const char *timestamp = next_line(&text, &arena), *header = next_line(&text, &arena);
    struct schedule schedule;
    CHECK(schedule_read(secrets, &schedule, &e) ? schedule.count > 0 : e.text[0] != '\0');

    CLEANUP(signer_free) struct signer *s = signer_new(secrets, &e);
    CHECK(s || e.kind == ERR_INVALID);
    if (!s)
        return;
    CLEANUP(buf_done) struct buf own = { 0 };
    (void)!signer_verify(s, "msg_1", timestamp, text, header, 1000, &e);
    signer_sign(s, "msg_1", 1000, text, &own);
    CHECK(signer_verify(s, "msg_1", "1000", text, own.ptr, 1000, &e));
    buf_add_char(&own, 'x');
    CHECK(!signer_verify(s, "msg_1", "1000", text, own.ptr, 1000, &e));
}
