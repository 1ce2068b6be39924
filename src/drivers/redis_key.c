/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a command's words is its key, and which slot of a cluster a key is in: CRC16 (XMODEM) of
 * what stands between the first { and the next }, or of the whole key.
 *
 * Source: redis.io/docs/reference/cluster-spec, "Key distribution model" and appendix A.
 */
#include "drivers/redis_internal.h"

#include <strings.h>

static uint16_t crc16(const char *bytes, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)((unsigned char)bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

int key_slot(struct str key)
{
    const char *open = key.len ? memchr(key.ptr, '{', key.len) : NULL;
    if (open) {
        size_t rest = key.len - (size_t)(open + 1 - key.ptr);
        const char *end = rest ? memchr(open + 1, '}', rest) : NULL;
        if (end && end > open + 1)
            key = (struct str){ open + 1, (size_t)(end - open - 1) };
    }
    return crc16(key.ptr, key.len) % SLOTS;
}

static bool is_word(struct str word, const char *text)
{
    return word.len == strlen(text) && strncasecmp(word.ptr, text, word.len) == 0;
}

/* Index of the key among a plain command's words; 0: none. Most have theirs behind the name. */
static size_t key_at(const struct redis_call *call)
{
    static const char *const keyless[] = {
        "PING",    "ECHO",     "INFO",    "CONFIG",       "PUBLISH",   "TIME",    "SCRIPT",
        "DBSIZE",  "CLIENT",   "CLUSTER", "COMMAND",      "ROLE",      "WAIT",    "FLUSHALL",
        "FLUSHDB", "SCAN",     "DEBUG",   "ACL",          "SUBSCRIBE", "LATENCY", "SLOWLOG",
        "KEYS",    "SHUTDOWN", "BGSAVE",  "BGREWRITEAOF",
    };
    static const char *const second[] = { "XINFO", "XGROUP", "OBJECT", "MEMORY", "BITOP" };

    struct str name = call->words[0];
    for (size_t i = 0; i < COUNT_OF(keyless); i++)
        if (is_word(name, keyless[i]))
            return 0;
    for (size_t i = 0; i < COUNT_OF(second); i++)
        if (is_word(name, second[i]))
            return 2;
    if (is_word(name, "EVAL") || is_word(name, "EVALSHA"))
        return call->count > 2 && !is_word(call->words[2], "0") ? 3 : 0;
    if (is_word(name, "XREAD") || is_word(name, "XREADGROUP")) {
        for (size_t i = 1; i + 1 < call->count; i++)
            if (is_word(call->words[i], "STREAMS"))
                return i + 1;
        return 0;
    }
    return 1;
}

int call_slot(const struct redis_call *call)
{
    if (call->script)
        return call->keys > 0 ? key_slot(call->words[0]) : SLOT_ANY;
    size_t at = call->count ? key_at(call) : 0;
    return at > 0 && at < call->count ? key_slot(call->words[at]) : SLOT_ANY;
}
