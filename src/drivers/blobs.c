/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind's blobs lie in a few shards, each in one slot of a cluster, so that one script can keep a
 * blob, write down its size and last use, and drop the least recently used until the shard's part
 * of the bound holds again. A shard has room for four blobs of the largest size at least.
 *
 * A cache must not hold anybody up: it waits for Redis a second at most, and when there was no
 * answer nobody asks for the next two; then one asks again, and the others once that was answered.
 *
 * What is kept is a zstd frame with its checksum and its size (RFC 8878).
 */
#include "drivers/blobs_internal.h"

#include <zstd.h>

#include "base/clock.h"

enum { SHARDS_MAX = 16, LEVEL = 3 };
static const int64_t answer_us = US_PER_S, away_us = 2 * US_PER_S;
static const int64_t under_way_max = 64 << 20, unpacked_max = 1 << 30;

/* ---- scripts ---- */

#define DROP                                                                                       \
    "local function drop(key)\n"                                                                   \
    "  local size = tonumber(redis.call('HGET', KEYS[2], key) or '0')\n"                           \
    "  redis.call('UNLINK', ARGV[2] .. key)\n"                                                     \
    "  redis.call('ZREM', KEYS[1], key)\n"                                                         \
    "  redis.call('HDEL', KEYS[2], key)\n"                                                         \
    "  return redis.call('HINCRBY', KEYS[2], '', -size)\n"                                         \
    "end\n"
#define NOW                                                                                        \
    "local t = redis.call('TIME')\n"                                                               \
    "local now = t[1] * 1000000 + t[2]\n"

/* KEYS use, size, blob, claim; ARGV key, prefix of blobs, bytes, bound, ttl in ms, owner, channel
 */
static struct redis_script put = {
    "blob put",
    DROP NOW
    "local key, bytes, bound, ttl = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])\n"
    "local old = tonumber(redis.call('HGET', KEYS[2], key) or '0')\n"
    "if ttl > 0 then redis.call('SET', KEYS[3], bytes, 'PX', ttl)\n"
    "else redis.call('SET', KEYS[3], bytes) end\n"
    "redis.call('HSET', KEYS[2], key, #bytes)\n"
    "redis.call('ZADD', KEYS[1], now, key)\n"
    "local total = redis.call('HINCRBY', KEYS[2], '', #bytes - old)\n"
    "if ttl > 0 then\n"
    "  local late = redis.call('ZRANGE', KEYS[1], '-inf', now - ttl * 1000, 'BYSCORE',\n"
    "                          'LIMIT', 0, 64)\n"
    "  for _, k in ipairs(late) do total = drop(k) end\n"
    "end\n"
    "while total > bound do\n"
    "  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]\n"
    "  if not oldest then redis.call('HSET', KEYS[2], '', 0) break end\n"
    "  total = drop(oldest)\n"
    "end\n"
    "if ARGV[6] ~= '' and redis.call('GET', KEYS[4]) == ARGV[6] then\n"
    "  redis.call('DEL', KEYS[4])\n"
    "end\n"
    "redis.call('PUBLISH', ARGV[7], key)\n"
    "return total",
    "",
};

/* KEYS use, size, blob; ARGV key, prefix, ttl in ms */
static struct redis_script touch = {
    "blob touch",
    NOW "redis.call('ZADD', KEYS[1], 'XX', now, ARGV[1])\n"
        "if tonumber(ARGV[3]) > 0 then redis.call('PEXPIRE', KEYS[3], ARGV[3]) end",
    "",
};

/* KEYS use, size, blob; ARGV key, prefix */
static struct redis_script discard = { "blob discard", DROP "return drop(ARGV[1])", "" };

/* ---- Redis, if it is there ---- */

/* One of those who come after an absence tries; the others take it for away still. */
static bool may_ask(struct blobs *b)
{
    int64_t until_us = atomic_load(&b->away_until_us);
    int64_t now = mono_us();
    if (!redis_ready(b->redis))
        return false;
    if (until_us == 0)
        return true;
    return now >= until_us &&
           atomic_compare_exchange_strong(&b->away_until_us, &until_us, now + away_us);
}

struct redis_reply *blobs_ask(struct blobs *b, const struct redis_call *call)
{
    struct err e = { 0 };
    if (!may_ask(b))
        return NULL;
    struct redis_reply *reply = redis_ask_within(b->redis, call, answer_us, &e);
    if (reply)
        atomic_store(&b->away_until_us, 0);
    else if (e.kind == ERR_UNAVAILABLE)
        atomic_store(&b->away_until_us, mono_us() + away_us);
    return reply;
}

void blobs_tell(struct blobs *b, const struct redis_call *call)
{
    if (redis_ready(b->redis))
        redis_send(b->redis, call, false, NULL, NULL);
}

/* ---- names ---- */

bool blob_names(const struct blobs *b, const char *key, struct blob_names *ret)
{
    int shard = key_slot(str_of(key)) % b->shards;
    if (!key[0] || strlen(b->name) + strlen(key) + 16 > BLOB_NAME)
        return false;
    snprintf(ret->use, BLOB_NAME, "{%s:%d}:use", b->name, shard);
    snprintf(ret->size, BLOB_NAME, "{%s:%d}:size", b->name, shard);
    snprintf(ret->prefix, BLOB_NAME, "{%s:%d}:b:", b->name, shard);
    snprintf(ret->blob, BLOB_NAME, "{%s:%d}:b:%s", b->name, shard, key);
    snprintf(ret->claim, BLOB_NAME, "{%s:%d}:c:%s", b->name, shard, key);
    return true;
}

/* ---- bytes ---- */

static void discard_blob(struct blobs *b, const struct blob_names *n, const char *key)
{
    struct str words[] = { str_of(n->use), str_of(n->size), str_of(n->blob), str_of(key),
                           str_of(n->prefix) };
    blobs_tell(b, &(struct redis_call){ &discard, words, COUNT_OF(words), 3 });
}

static void touch_blob(struct blobs *b, const struct blob_names *n, const char *key)
{
    char ttl[24];
    snprintf(ttl, sizeof ttl, "%lld", (long long)(b->ttl_us / US_PER_MS));
    struct str words[] = { str_of(n->use), str_of(n->size), str_of(n->blob), str_of(key),
                           str_of(ttl) };
    blobs_tell(b, &(struct redis_call){ &touch, words, COUNT_OF(words), 3 });
}

/* False: not what was put in. */
static bool unpack(struct str packed, struct buf *out)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed.ptr, packed.len);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
        size > (unsigned long long)unpacked_max)
        return false;
    char *at = buf_reserve(out, (size_t)size);
    size_t got = ZSTD_decompress(at, (size_t)size, packed.ptr, packed.len);
    if (ZSTD_isError(got) || got != size) {
        at[0] = '\0'; /* what was there before stays as it was */
        return false;
    }
    out->len += got;
    out->ptr[out->len] = '\0';
    return true;
}

static bool get(struct blobs *b, const char *key, struct buf *out)
{
    struct blob_names n;
    if (!blob_names(b, key, &n))
        return false;
    struct str words[] = { STR("GET"), str_of(n.blob) };
    CLEANUP(redis_reply_free)
    struct redis_reply *reply =
        blobs_ask(b, &(struct redis_call){ .words = words, .count = COUNT_OF(words) });
    if (!reply || redis_kind(reply) != REDIS_TEXT)
        return false;
    if (!unpack(redis_text(reply), out)) {
        atomic_fetch_add(&b->damaged, 1);
        discard_blob(b, &n, key);
        return false;
    }
    touch_blob(b, &n, key);
    return true;
}

bool blobs_get(struct blobs *b, const char *key, struct buf *out)
{
    bool found = get(b, key, out);
    atomic_fetch_add(found ? &b->hits : &b->misses, 1);
    return found;
}

static bool pack(struct str bytes, struct buf *out)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    CHECK(ctx);
    size_t room = ZSTD_compressBound(bytes.len);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
    size_t got = ZSTD_compress2(ctx, buf_reserve(out, room), room, bytes.ptr, bytes.len);
    ZSTD_freeCCtx(ctx);
    if (ZSTD_isError(got))
        return false;
    out->len += got;
    return true;
}

/* What is on its way to Redis; it may still be so when the blobs are closed. */
struct traffic {
    _Atomic int users;
    _Atomic int64_t bytes;
};

struct parcel {
    struct traffic *traffic;
    int64_t bytes;
};

static void traffic_leave(struct traffic *t)
{
    if (atomic_fetch_sub(&t->users, 1) == 1)
        free(t);
}

static void arrived(void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    struct parcel *p = arg;
    atomic_fetch_sub(&p->traffic->bytes, p->bytes);
    traffic_leave(p->traffic);
    redis_reply_free(reply);
    free(p);
}

static void send_blob(struct blobs *b, const char *key, const char *owner, struct str packed)
{
    struct blob_names n;
    char bound[24], ttl[24];
    int64_t len = (int64_t)packed.len;
    bool fits = len <= MIN(b->blob_max, b->shard_bytes);
    if (!fits || !redis_ready(b->redis) || !blob_names(b, key, &n) ||
        atomic_load(&b->traffic->bytes) + len > under_way_max) {
        claim_free(b, key, owner);
        return;
    }
    snprintf(bound, sizeof bound, "%lld", (long long)b->shard_bytes);
    snprintf(ttl, sizeof ttl, "%lld", (long long)(b->ttl_us / US_PER_MS));
    struct str words[] = { str_of(n.use), str_of(n.size),   str_of(n.blob), str_of(n.claim),
                           str_of(key),   str_of(n.prefix), packed,         str_of(bound),
                           str_of(ttl),   str_of(owner),    str_of(b->name) };
    struct parcel *p = malloc(sizeof *p);
    CHECK(p);
    *p = (struct parcel){ b->traffic, len };
    atomic_fetch_add(&b->traffic->users, 1);
    atomic_fetch_add(&b->traffic->bytes, len);
    atomic_fetch_add(&b->puts, 1);
    redis_send(b->redis, &(struct redis_call){ &put, words, COUNT_OF(words), 4 }, false, arrived,
               p);
}

void blobs_put(struct blobs *b, const char *key, struct str bytes)
{
    CLEANUP(buf_done) struct buf packed = { 0 };
    char owner[OWNER_TEXT];
    claim_end(b, key, owner);
    if (bytes.len <= (size_t)unpacked_max && pack(bytes, &packed))
        send_blob(b, key, owner, buf_str(&packed));
    else
        claim_free(b, key, owner);
}

/* ---- life ---- */

struct blobs *blobs_open(struct redis *r, const struct blobs_config *config)
{
    struct blobs *b = calloc(1, sizeof *b);
    CHECK(b);
    CLEANUP(buf_done) struct buf name = { 0 };
    buf_addf(&name, "%s:blob:%s", config->prefix, config->kind);
    CHECK(name.len < BLOB_NAME / 2);
    b->name = TAKE(name.ptr);
    b->redis = r;
    b->blob_max = MAX(config->blob_max, 1);
    b->ttl_us = config->ttl_us;
    b->shards = (int)MIN(MAX(config->bytes_max / b->blob_max / 4, 1), SHARDS_MAX);
    b->shard_bytes = config->bytes_max / b->shards;
    b->traffic = calloc(1, sizeof *b->traffic);
    CHECK(b->traffic);
    b->traffic->users = 1;
    claims_init(&b->claims);
    return b;
}

void blobs_close(struct blobs *b)
{
    if (!b)
        return;
    claims_done(b);
    traffic_leave(b->traffic);
    free(b->name);
    free(b);
}

/* ---- figures ---- */

static bool add_shard(struct blobs *b, int shard, struct blobs_stats *ret)
{
    char key[BLOB_NAME];
    struct str size[] = { STR("HGET"), { 0 }, STR("") }, count[] = { STR("ZCARD"), { 0 } };
    snprintf(key, sizeof key, "{%s:%d}:size", b->name, shard);
    size[1] = str_of(key);
    CLEANUP(redis_reply_free)
    struct redis_reply *bytes = blobs_ask(b, &(struct redis_call){ .words = size, .count = 3 });
    snprintf(key, sizeof key, "{%s:%d}:use", b->name, shard);
    count[1] = str_of(key);
    CLEANUP(redis_reply_free)
    struct redis_reply *blobs = blobs_ask(b, &(struct redis_call){ .words = count, .count = 2 });
    if (!bytes || !blobs)
        return false;
    ret->bytes += redis_int(bytes);
    ret->count += redis_int(blobs);
    return true;
}

void blobs_stats(struct blobs *b, struct blobs_stats *ret)
{
    *ret = (struct blobs_stats){ .hits = atomic_load(&b->hits),
                                 .misses = atomic_load(&b->misses),
                                 .puts = atomic_load(&b->puts),
                                 .damaged = atomic_load(&b->damaged) };
    for (int shard = 0; shard < b->shards; shard++) {
        if (add_shard(b, shard, ret))
            continue;
        ret->bytes = ret->count = -1;
        return;
    }
}
