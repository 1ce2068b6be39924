/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A claim is a key of its own in Redis with the claimer's name and a time to live, which a thread
 * of the claimer renews; so a claim ends by itself soon after its process has died. Whoever finds a
 * claim sleeps until the end of one is published, or until the claim would run out, and looks
 * again.
 */
#include "drivers/blobs_internal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"

/* KEYS claim, blob; ARGV owner, hold in ms. 1: ours; 0: the blob is there; else -ms it is held */
static struct redis_script claim = {
    "blob claim",
    "if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end\n"
    "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end\n"
    "return -math.max(redis.call('PTTL', KEYS[1]), 1)",
    "",
};

/* KEYS claim; ARGV owner, hold in ms */
static struct redis_script renew = {
    "blob renew",
    "if redis.call('GET', KEYS[1]) == ARGV[1] then\n"
    "  redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
    "end",
    "",
};

/* KEYS claim; ARGV owner, channel, key */
static struct redis_script release = {
    "blob release",
    "if redis.call('GET', KEYS[1]) == ARGV[1] then\n"
    "  redis.call('DEL', KEYS[1])\n"
    "  redis.call('PUBLISH', ARGV[2], ARGV[3])\n"
    "end",
    "",
};

struct claim {
    char owner[OWNER_TEXT];
    int64_t hold_us, renew_us; /* renewed for that long; next time at */
    char key[];
};

/* A thread that waits for somebody else's claim to end. */
struct waiting {
    struct waiting *next;
    const char *key;
    bool woken;
};

/* ---- life ---- */

void claims_init(struct claims *c)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_cond_init(&c->due, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void claims_done(struct blobs *b)
{
    struct claims *c = &b->claims;
    redis_deafen(c->ear);
    pthread_mutex_lock(&c->lock);
    CHECK(!c->first);
    c->stop = true;
    pthread_cond_broadcast(&c->due);
    bool has_renewer = c->has_renewer;
    pthread_mutex_unlock(&c->lock);
    if (has_renewer)
        pthread_join(c->renewer, NULL);

    size_t at = 0;
    for (struct claim *one; (one = map_next(&c->mine, &at));) {
        claim_free(b, one->key, one->owner);
        free(one);
    }
    map_done(&c->mine);
    pthread_cond_destroy(&c->due);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

/* ---- renewing ---- */

static void send_renewal(struct blobs *b, const struct claim *one)
{
    struct blob_names n;
    char hold[24];
    if (!blob_names(b, one->key, &n))
        return;
    snprintf(hold, sizeof hold, "%lld", (long long)(one->hold_us / US_PER_MS));
    struct str words[] = { str_of(n.claim), str_of(one->owner), str_of(hold) };
    blobs_tell(b, &(struct redis_call){ &renew, words, COUNT_OF(words), 1 });
}

/* Renew what is due; when the next one will be, INT64_MAX: none. */
static int64_t renew_due(struct blobs *b, int64_t now)
{
    int64_t next = INT64_MAX;
    size_t at = 0;
    for (struct claim *one; (one = map_next(&b->claims.mine, &at));) {
        if (one->renew_us <= now) {
            send_renewal(b, one);
            one->renew_us = now + one->hold_us / 3;
        }
        next = MIN(next, one->renew_us);
    }
    return next;
}

static void *renew_on(void *arg)
{
    struct blobs *b = arg;
    struct claims *c = &b->claims;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        int64_t next = renew_due(b, mono_us());
        if (next == INT64_MAX) {
            pthread_cond_wait(&c->due, &c->lock);
        } else {
            struct timespec until = us_to_timespec(next);
            pthread_cond_timedwait(&c->due, &c->lock, &until);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* The claim is this process's from now on. */
static void claim_begin(struct blobs *b, const char *key, const char *owner, int64_t hold_us)
{
    struct claims *c = &b->claims;
    size_t size = strlen(key) + 1;
    struct claim *one = calloc(1, sizeof *one + size);
    CHECK(one);
    memcpy(one->key, key, size);
    snprintf(one->owner, sizeof one->owner, "%s", owner);
    one->hold_us = hold_us;
    one->renew_us = mono_us() + hold_us / 3;

    pthread_mutex_lock(&c->lock);
    free(map_take(&c->mine, key)); /* one that ran out while nobody could renew it */
    map_put(&c->mine, one->key, one);
    /* Without the thread the claim ends early, which costs a second build at worst. */
    if (!c->has_renewer)
        c->has_renewer = pthread_create(&c->renewer, NULL, renew_on, b) == 0;
    pthread_cond_signal(&c->due);
    pthread_mutex_unlock(&c->lock);
}

void claim_end(struct blobs *b, const char *key, char owner[OWNER_TEXT])
{
    struct claims *c = &b->claims;
    owner[0] = '\0';
    pthread_mutex_lock(&c->lock);
    struct claim *one = map_take(&c->mine, key);
    pthread_mutex_unlock(&c->lock);
    if (one)
        snprintf(owner, OWNER_TEXT, "%s", one->owner);
    free(one);
}

void claim_free(struct blobs *b, const char *key, const char *owner)
{
    struct blob_names n;
    if (!owner[0] || !blob_names(b, key, &n))
        return;
    struct str words[] = { str_of(n.claim), str_of(owner), str_of(b->name), str_of(key) };
    blobs_tell(b, &(struct redis_call){ &release, words, COUNT_OF(words), 1 });
}

void blobs_release(struct blobs *b, const char *key)
{
    char owner[OWNER_TEXT];
    claim_end(b, key, owner);
    claim_free(b, key, owner);
}

/* ---- waiting ---- */

static void wake_those(struct blobs *b, const char *key)
{
    struct claims *c = &b->claims;
    pthread_mutex_lock(&c->lock);
    for (struct waiting *w = c->first; w; w = w->next)
        if (!key || strcmp(w->key, key) == 0)
            w->woken = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void hear_end(void *arg, struct str text)
{
    char key[BLOB_NAME];
    snprintf(key, sizeof key, "%.*s", STR_FMT(text));
    wake_those(arg, key);
}

static void hear_gap(void *arg)
{
    wake_those(arg, NULL);
}

/* Subscribed, so that no end is missed from now on. */
static bool listen_to_ends(struct blobs *b)
{
    struct claims *c = &b->claims;
    struct err ignored = { 0 };
    pthread_mutex_lock(&c->lock);
    bool has = c->ear != NULL;
    pthread_mutex_unlock(&c->lock);
    if (has)
        return true;
    struct redis_ear *ear = redis_listen(b->redis, b->name, hear_end, hear_gap, b, &ignored);
    pthread_mutex_lock(&c->lock);
    if (!c->ear)
        c->ear = TAKE(ear);
    has = c->ear != NULL;
    pthread_mutex_unlock(&c->lock);
    redis_deafen(ear); /* another thread was quicker */
    return has;
}

static void waiting_begin(struct claims *c, struct waiting *w)
{
    pthread_mutex_lock(&c->lock);
    w->next = c->first;
    c->first = w;
    pthread_mutex_unlock(&c->lock);
}

static void waiting_end(struct claims *c, const struct waiting *w)
{
    pthread_mutex_lock(&c->lock);
    struct waiting **at = &c->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&c->lock);
}

static void wait_woken(struct claims *c, struct waiting *w, int64_t until_us)
{
    struct timespec until = us_to_timespec(until_us);
    pthread_mutex_lock(&c->lock);
    while (!w->woken && pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT)
        continue;
    w->woken = false;
    pthread_mutex_unlock(&c->lock);
}

/* ---- claiming ---- */

/* As the script; INT64_MAX: Redis does not answer. */
static int64_t try_claim(struct blobs *b, const char *key, const char *owner, int64_t hold_us)
{
    struct blob_names n;
    char hold[24];
    if (!blob_names(b, key, &n))
        return INT64_MAX;
    snprintf(hold, sizeof hold, "%lld", (long long)MAX(hold_us / US_PER_MS, 1));
    struct str words[] = { str_of(n.claim), str_of(n.blob), str_of(owner), str_of(hold) };
    CLEANUP(redis_reply_free)
    struct redis_reply *reply =
        blobs_ask(b, &(struct redis_call){ &claim, words, COUNT_OF(words), 2 });
    return reply ? redis_int(reply) : INT64_MAX;
}

/* Wait as long as it takes, but not beyond until_us. */
static enum blobs_claim wait_claim(struct blobs *b, struct waiting *w, const char *owner,
                                   int64_t hold_us, int64_t until_us)
{
    for (;;) {
        int64_t now = mono_us();
        int64_t got = try_claim(b, w->key, owner, hold_us);
        if (got == 1)
            return BLOBS_MINE;
        if (got == 0)
            return BLOBS_THERE;
        if (got == INT64_MAX || now >= until_us)
            return BLOBS_ALONE;
        wait_woken(&b->claims, w, MIN(until_us, now - got * US_PER_MS + US_PER_MS));
    }
}

static enum blobs_claim claim_for(struct blobs *b, const char *key, const char *owner,
                                  int64_t hold_us, int64_t wait_us)
{
    int64_t until_us = mono_us() + wait_us;
    int64_t got = try_claim(b, key, owner, hold_us);
    if (got == 0 || got == 1)
        return got == 1 ? BLOBS_MINE : BLOBS_THERE;
    if (got == INT64_MAX || wait_us <= 0 || !listen_to_ends(b))
        return BLOBS_ALONE;
    struct waiting w = { .key = key };
    waiting_begin(&b->claims, &w);
    enum blobs_claim result = wait_claim(b, &w, owner, hold_us, until_us);
    waiting_end(&b->claims, &w);
    return result;
}

enum blobs_claim blobs_claim(struct blobs *b, const char *key, int64_t hold_us, int64_t wait_us)
{
    char owner[OWNER_TEXT];
    uint8_t dice[OWNER_TEXT / 2];
    random_bytes(dice, sizeof dice);
    hex_text(dice, sizeof dice, owner);
    enum blobs_claim got = claim_for(b, key, owner, hold_us, wait_us);
    if (got == BLOBS_MINE)
        claim_begin(b, key, owner, hold_us);
    return got;
}
