/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What INFO says, and what it leaves out from CONFIG GET, which many operators forbid: then the
 * field keeps its empty value.
 */
#include "drivers/redis_internal.h"

#include "base/text.h"

/* "name:value\r\n" in INFO's text; ptr NULL when it is not there. */
static struct str info_value(struct str info, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = info.ptr, *end = info.ptr + info.len; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        size_t line = (size_t)(line_end - at);
        if (line > len && memcmp(at, name, len) == 0 && at[len] == ':') {
            size_t size = line - len - 1;
            if (size > 0 && at[len + size] == '\r')
                size--;
            return (struct str){ at + len + 1, size };
        }
        at = line_end + 1;
    }
    return STR_NULL;
}

static int64_t info_int(struct str info, const char *name)
{
    int64_t value = 0;
    return parse_int(info_value(info, name), &value) ? value : 0;
}

static void read_info(struct redis *r, struct str info, struct redis_state *ret)
{
    char text[PLACE_TEXT] = "";
    struct place place;
    struct err ignored = { 0 };
    if (redis_place(r, SLOT_ANY, &place, &ignored) == GOT_ONE)
        place_text(&place, text);
    snprintf(ret->server, sizeof ret->server, "%.90s, Redis %.*s", text,
             STR_FMT(info_value(info, "redis_version")));
    snprintf(ret->policy, sizeof ret->policy, "%.*s",
             STR_FMT(info_value(info, "maxmemory_policy")));
    ret->append_only = info_int(info, "aof_enabled") == 1;
    ret->memory_bytes = info_int(info, "used_memory");
    ret->memory_max_bytes = info_int(info, "maxmemory");
}

static void read_config(struct redis *r, struct redis_state *ret)
{
    struct err ignored = { 0 };
    CLEANUP(redis_reply_free)
    struct redis_reply *reply = redis_words(r, &ignored, "CONFIG", "GET", "appendfsync");
    if (reply && redis_count(reply) == 2)
        ret->fsync_always = str_is(redis_text(redis_at(reply, 1)), "always");
}

bool redis_state(struct redis *r, struct redis_state *ret, struct err *e)
{
    *ret = (struct redis_state){ .reconnects = atomic_load(&r->reconnects) };
    CLEANUP(redis_reply_free) struct redis_reply *info = redis_words(r, e, "INFO");
    if (!info) {
        snprintf(ret->trouble, sizeof ret->trouble, "%.199s", e->text);
        return false;
    }
    ret->connected = true;
    read_info(r, redis_text(info), ret);
    read_config(r, ret);
    return true;
}
