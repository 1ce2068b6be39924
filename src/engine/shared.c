/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.c - builds that other machines made, or are making right now.
 *
 * Behind the cache of this process, before the compiler: the build is asked for in the cache that
 * all workers share; when it is not there, it is claimed, so that equal builds at one time run once
 * in the whole deployment. Who waits for another machine's compiler lends its core meanwhile. A
 * machine that dies while building loses its claim; when the cache is away everybody builds for
 * himself, as if there were none.
 *
 * What a machine built runs on another one of the same kind and C library only, so both are in the
 * key.
 */
#include <gnu/libc-version.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "drivers/blobs.h"
#include "engine/lane.h"

/* A claim is renewed while its owner lives; a step of waiting is short, to notice a cancel. */
static const int64_t shared_bytes_max = INT64_C(64) << 20; /* as it is; compressed it is less */
static const int64_t hold_us = 10 * US_PER_S, step_us = US_PER_S;

static void shared_key(const char *key, char *out, size_t size)
{
    struct utsname machine;
    if (uname(&machine) != 0)
        machine.machine[0] = '\0';
    snprintf(out, size, "%s-%s-%s", machine.machine, gnu_get_libc_version(), key);
}

static struct artifact *fetch(struct blobs *b, const char *key)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct err ignored;
    if (!blobs_get(b, key, &bytes))
        return NULL;
    return artifact_read(buf_str(&bytes), &ignored); /* of another version: as good as none */
}

static void lend(struct lane *l, bool lends)
{
    pthread_mutex_lock(&l->en->lock);
    lane_state_set(l, lends ? LANE_LENDING : LANE_COMPUTING);
    if (lends)
        engine_schedule(l->en);
    pthread_mutex_unlock(&l->en->lock);
}

static bool is_wanted(struct engine *en, const struct active *a)
{
    pthread_mutex_lock(&en->lock);
    bool wanted = active_wanted(a, SIZE_MAX) && !en->stopping;
    pthread_mutex_unlock(&en->lock);
    return wanted;
}

/* Wait for whoever builds it, as long as a build may take. */
static enum blobs_claim wait_for(struct lane *l, const struct active *a, const char *key)
{
    struct blobs *b = l->en->config.shared;
    int64_t now = mono_us(), end = now + l->en->config.build.wall_us + hold_us;
    enum blobs_claim got = BLOBS_ALONE;
    lend(l, true);
    while (now < end && is_wanted(l->en, a)) {
        int64_t began = now;
        got = blobs_claim(b, key, hold_us, step_us);
        now = mono_us();
        if (got != BLOBS_ALONE || now - began < step_us / 2)
            break; /* alone before the step was over: the cache is away */
    }
    lend(l, false);
    return got;
}

struct artifact *shared_get(struct lane *l, const struct active *a, bool *claimed)
{
    struct blobs *b = l->en->config.shared;
    *claimed = false;
    if (!b)
        return NULL;
    char key[SHARED_KEY];
    shared_key(a->key, key, sizeof key);
    struct artifact *found = fetch(b, key);
    if (found)
        return found;
    enum blobs_claim got = blobs_claim(b, key, hold_us, 0);
    if (got == BLOBS_ALONE)
        got = wait_for(l, a, key);
    *claimed = got == BLOBS_MINE;
    return got == BLOBS_THERE ? fetch(b, key) : NULL;
}

void shared_put(struct engine *en, const char *key, const struct artifact *made)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct err ignored;
    char full[SHARED_KEY];
    shared_key(key, full, sizeof full);
    if (made && made->bytes <= shared_bytes_max && artifact_write(made, &bytes, &ignored))
        blobs_put(en->config.shared, full, buf_str(&bytes));
    else
        blobs_release(en->config.shared, full);
}
