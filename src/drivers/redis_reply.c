/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A struct redis_reply is hiredis's redisReply under another name. Commands are written here rather
 * than by redisFormatCommandArgv(), straight to where they stay until they are answered: one
 * allocation and one copy per command.
 */
#include "drivers/redis_internal.h"

#include "base/hash.h"
#include "base/text.h"

/* ---- answers ---- */

static const redisReply *raw(const struct redis_reply *reply)
{
    return (const redisReply *)reply;
}

void redis_reply_free(struct redis_reply *reply)
{
    if (reply)
        freeReplyObject(reply);
}

enum redis_kind redis_kind(const struct redis_reply *reply)
{
    switch (raw(reply)->type) {
    case REDIS_REPLY_NIL:
        return REDIS_NIL;
    case REDIS_REPLY_INTEGER:
        return REDIS_INT;
    case REDIS_REPLY_ARRAY:
        return REDIS_LIST;
    default: /* a status is a text, and so is an error inside a list */
        return REDIS_TEXT;
    }
}

int64_t redis_int(const struct redis_reply *reply)
{
    int64_t value;
    if (raw(reply)->type == REDIS_REPLY_INTEGER)
        return raw(reply)->integer;
    return redis_kind(reply) == REDIS_TEXT && parse_int(redis_text(reply), &value) ? value : 0;
}

struct str redis_text(const struct redis_reply *reply)
{
    if (redis_kind(reply) != REDIS_TEXT)
        return STR_NULL;
    return (struct str){ raw(reply)->str, raw(reply)->len };
}

size_t redis_count(const struct redis_reply *reply)
{
    return raw(reply)->type == REDIS_REPLY_ARRAY ? raw(reply)->elements : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i)
{
    CHECK(i < redis_count(reply));
    return (const struct redis_reply *)raw(reply)->element[i];
}

/* ---- errors ---- */

bool reply_code_is(const redisReply *r, const char *code)
{
    size_t len = strlen(code);
    return reply_is_error(r) && r->len >= len && memcmp(r->str, code, len) == 0 &&
           (r->len == len || r->str[len] == ' ');
}

/* Codes are the first words of src/server.c createSharedObjects() and src/cluster.c of Redis. */
static enum err_kind kind_of(const redisReply *r)
{
    static const char *const again[] = { "LOADING",  "READONLY",   "CLUSTERDOWN", "MASTERDOWN",
                                         "TRYAGAIN", "BUSY",       "MISCONF",     "NOREPLICAS",
                                         "MOVED",    "ASK",        "UNBLOCKED",   "NOSCRIPT",
                                         "INPROG",   "NOGOODSLAVE" };
    static const char *const denied[] = { "NOAUTH", "WRONGPASS", "NOPERM" };

    if (reply_code_is(r, "OOM"))
        return ERR_LIMIT;
    for (size_t i = 0; i < COUNT_OF(again); i++)
        if (reply_code_is(r, again[i]))
            return ERR_UNAVAILABLE;
    for (size_t i = 0; i < COUNT_OF(denied); i++)
        if (reply_code_is(r, denied[i]))
            return ERR_INVALID;
    if (strstr(r->str, "max number of clients"))
        return ERR_UNAVAILABLE;
    return ERR_SYSTEM;
}

bool reply_err(const redisReply *r, const char *what, struct err *e)
{
    return err_set(e, kind_of(r), "redis: %s: %s", what, r->str);
}

bool reply_place(const redisReply *r, const struct place *asked, int *slot, struct place *ret)
{
    const char *colon = strrchr(r->str, ':');
    const char *space = strrchr(r->str, ' ');
    int64_t port;
    if (sscanf(r->str, "%*s %d", slot) != 1 || *slot < 0 || *slot >= SLOTS || !colon || !space ||
        space > colon || !parse_int(str_of(colon + 1), &port) || port < 1 || port > 65535)
        return false;
    struct str host = { space + 1, (size_t)(colon - space - 1) };
    *ret = (struct place){ .port = (int)port };
    if (!host.len || str_is(host, "?"))
        host = str_of(asked->host);
    snprintf(ret->host, sizeof ret->host, "%.*s", (int)MIN(host.len, PLACE_HOST - 1), host.ptr);
    return true;
}

/* ---- commands ---- */

void call_name(const struct redis_call *call, char *out, size_t size)
{
    if (call->script)
        snprintf(out, size, "%s", call->script->name);
    else
        snprintf(out, size, "%.*s", STR_FMT(call->words[0]));
}

void script_know(struct redis_script *script)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (__atomic_load_n(&script->sha[0], __ATOMIC_ACQUIRE))
        return;
    char sha[SHA1_TEXT];
    sha1_text(str_of(script->text), sha);
    pthread_mutex_lock(&lock);
    if (!script->sha[0]) {
        memcpy(script->sha + 1, sha + 1, sizeof sha - 1);
        __atomic_store_n(&script->sha[0], sha[0], __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
}

static size_t digits(size_t n)
{
    size_t count = 1;
    while (n >= 10) {
        n /= 10;
        count++;
    }
    return count;
}

/* "$LEN\r\nWORD\r\n" */
static size_t word_size(size_t len)
{
    return 1 + digits(len) + 2 + len + 2;
}

static char *head_write(char *out, char mark, size_t n)
{
    size_t count = digits(n);
    *out++ = mark;
    for (size_t i = count; i > 0; i--) {
        out[i - 1] = (char)('0' + n % 10);
        n /= 10;
    }
    out += count;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *word_write(char *out, struct str word)
{
    out = head_write(out, '$', word.len);
    if (word.len)
        memcpy(out, word.ptr, word.len);
    out += word.len;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

size_t call_size(const struct redis_call *call)
{
    size_t count = call->count + (call->script ? 3 : 0);
    size_t size = 1 + digits(count) + 2;
    for (size_t i = 0; i < call->count; i++)
        size += word_size(call->words[i].len);
    if (call->script)
        size += word_size(7) + word_size(40) + word_size(digits(call->keys));
    return size;
}

void call_write(const struct redis_call *call, char *out)
{
    out = head_write(out, '*', call->count + (call->script ? 3 : 0));
    if (call->script) {
        char keys[24];
        snprintf(keys, sizeof keys, "%zu", call->keys);
        script_know(call->script);
        out = word_write(out, STR("EVALSHA"));
        out = word_write(out, (struct str){ call->script->sha, 40 });
        out = word_write(out, str_of(keys));
    }
    for (size_t i = 0; i < call->count; i++)
        out = word_write(out, call->words[i]);
}

void call_add(struct buf *out, const struct redis_call *call)
{
    size_t size = call_size(call);
    call_write(call, buf_reserve(out, size));
    out->len += size;
    out->ptr[out->len] = '\0';
}

void words_add(struct buf *out, const char *const *words, size_t count)
{
    struct str strs[8];
    CHECK(count <= COUNT_OF(strs));
    for (size_t i = 0; i < count; i++)
        strs[i] = str_of(words[i]);
    call_add(out, &(struct redis_call){ .words = strs, .count = count });
}

void script_as_eval(const struct redis_script *script, struct str evalsha, struct buf *out)
{
    /* "*N\r\n$7\r\nEVALSHA\r\n$40\r\n...\r\n": the head stays, two words change. */
    const char *body = memchr(evalsha.ptr, '\n', evalsha.len);
    CHECK(body);
    body++;
    buf_add(out, evalsha.ptr, (size_t)(body - evalsha.ptr));
    body += word_size(7) + word_size(40);
    buf_add_text(out, "$4\r\nEVAL\r\n");
    buf_addf(out, "$%zu\r\n%s\r\n", strlen(script->text), script->text);
    buf_add(out, body, (size_t)(evalsha.ptr + evalsha.len - body));
}
