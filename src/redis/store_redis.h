/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_redis.h - what the parts of this backend share: store_redis.c admits and ends,
 * store_redis_read.c reads, store_redis_delivery.c keeps deliveries, store_redis_body.c packs.
 */
#ifndef EVALX_REDIS_STORE_REDIS_H
#define EVALX_REDIS_STORE_REDIS_H

#include <inttypes.h>
#include <pthread.h>

#include "base/buf.h"
#include "drivers/redis.h"
#include "drivers/zip.h"
#include "redis/keyspace.h"
#include "redis/scripts.h"
#include "store/record.h"

enum { ARGS_MOST = 40 };

struct store_redis {
    struct store store; /* first: what callers hold */
    struct store_config config;
    struct redis *redis;
    struct zip *zip;
    char queue_key[KEY_TEXT], key[KEY_TEXT];
    pthread_key_t sender; /* each thread's struct sender */
};

/* A call of a script, put together word by word. Numbers live in it; texts are borrowed. */
struct ask {
    struct redis_script *script;
    struct str words[ARGS_MOST];
    size_t count;
    char numbers[ARGS_MOST][24];
};

static inline void ask_str(struct ask *a, struct str text)
{
    CHECK(a->count < ARGS_MOST);
    a->words[a->count++] = text.ptr ? text : STR("");
}

static inline void ask_text(struct ask *a, const char *text)
{
    ask_str(a, str_of(text ? text : ""));
}

static inline void ask_int(struct ask *a, int64_t value)
{
    CHECK(a->count < ARGS_MOST);
    char *out = a->numbers[a->count];
    ask_str(a, (struct str){ out, (size_t)snprintf(out, sizeof a->numbers[0], "%" PRId64, value) });
}

/* With the two keys every script gets. */
static inline void ask_init(struct ask *a, const struct store_redis *s, struct redis_script *script)
{
    a->script = script;
    a->count = 0;
    ask_text(a, s->queue_key);
    ask_text(a, s->key);
}

static inline struct redis_call ask_call(const struct ask *a)
{
    return (
        struct redis_call){ .script = a->script, .words = a->words, .count = a->count, .keys = 2 };
}

/* The answer, or NULL: e begins with "store". */
static inline struct redis_reply *ask_now(struct store_redis *s, const struct ask *a, struct err *e)
{
    struct redis_call call = ask_call(a);
    struct redis_reply *reply = redis_ask(s->redis, &call, e);
    if (!reply)
        err_add(e, "store");
    return reply;
}

/* The same, and as many replicas as are asked for have it. */
static inline struct redis_reply *ask_kept(struct store_redis *s, const struct ask *a,
                                           struct err *e)
{
    struct redis_call call = ask_call(a);
    struct redis_reply *reply = redis_ask_kept(s->redis, &call, e);
    if (!reply)
        err_add(e, "store");
    return reply;
}

/* For a script that answers 1 or 0. Frees the answer. */
static inline enum got ask_got(struct redis_reply *reply)
{
    enum got got = !reply ? GOT_FAILED : redis_int(reply) ? GOT_ONE : GOT_NONE;
    redis_reply_free(reply);
    return got;
}

static inline void reply_text(const struct redis_reply *reply, char *out, size_t size)
{
    snprintf(out, size, "%.*s", STR_FMT(redis_text(reply)));
}

/* The value of a name in a list of names and values; NULL: it is not there. */
const struct redis_reply *reply_get(const struct redis_reply *flat, const char *name);
int64_t reply_get_int(const struct redis_reply *flat, const char *name); /* 0: not there */

/* store_redis_body.c: texts in their stored form, packed and back. */
struct zip *body_zip(void);
void body_pack(struct store_redis *s, struct str text, struct buf *out);
MUST_USE bool body_job(struct store_redis *s, struct record *r, struct str packed, struct err *e);
MUST_USE bool body_result(struct store_redis *s, struct record *r, struct str packed,
                          struct err *e);

/* store_redis_read.c */
enum got redis_store_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                          struct err *e);
bool redis_store_list(struct store *s, const struct store_filter *f, unsigned parts,
                      void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                      int64_t *ret_total, struct err *e);
bool redis_store_unfinished(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                            void *arg, struct err *e);
bool redis_store_unarchived(struct store *s, int max, void (*fn)(void *arg, struct record *r),
                            void *arg, struct err *e);

/* store_redis_delivery.c */
extern const struct delivery_ops redis_deliveries;

#endif
