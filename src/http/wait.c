/* SPDX-License-Identifier: Apache-2.0 */
#include "http/wait.h"

#include <pthread.h>

#include "base/clock.h"

enum { NOT_IN_HEAP = -1 };

struct wait {
    struct service *service;
    struct service_watch *watch;
    struct waits *waits; /* NULL until parked */
    void (*wake)(void *arg);
    void *arg;

    pthread_mutex_t lock;
    /* under lock */
    bool parked, woken;

    /* under waits.lock */
    int64_t until_us;
    int place; /* in the heap */
};

struct waits {
    pthread_t thread;
    pthread_mutex_t lock; /* taken before a wait's own, never after */
    pthread_cond_t changed;
    /* under lock */
    struct wait **heap; /* the nearest deadline first */
    int count, capacity;
    bool released, stopping;
};

/* ---- the heap; all under waits.lock ---- */

static void heap_set(struct waits *ws, int place, struct wait *w)
{
    ws->heap[place] = w;
    w->place = place;
}

static void heap_up(struct waits *ws, int place)
{
    struct wait *w = ws->heap[place];
    while (place > 0 && ws->heap[(place - 1) / 2]->until_us > w->until_us) {
        heap_set(ws, place, ws->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_set(ws, place, w);
}

static void heap_down(struct waits *ws, int place)
{
    struct wait *w = ws->heap[place];
    for (;;) {
        int child = 2 * place + 1;
        if (child >= ws->count)
            break;
        if (child + 1 < ws->count && ws->heap[child + 1]->until_us < ws->heap[child]->until_us)
            child++;
        if (ws->heap[child]->until_us >= w->until_us)
            break;
        heap_set(ws, place, ws->heap[child]);
        place = child;
    }
    heap_set(ws, place, w);
}

static void heap_add(struct waits *ws, struct wait *w)
{
    if (ws->count == ws->capacity) {
        ws->capacity = ws->capacity ? 2 * ws->capacity : 64;
        ws->heap = realloc(ws->heap, (size_t)ws->capacity * sizeof(struct wait *));
        CHECK(ws->heap);
    }
    heap_set(ws, ws->count++, w);
    heap_up(ws, w->place);
}

static void heap_remove(struct waits *ws, struct wait *w)
{
    int place = w->place;
    if (place == NOT_IN_HEAP)
        return;
    w->place = NOT_IN_HEAP;
    struct wait *last = ws->heap[--ws->count];
    if (last == w)
        return;
    heap_set(ws, place, last);
    heap_up(ws, place);
    heap_down(ws, last->place);
}

/* ---- waking ---- */

static void wake(struct wait *w)
{
    pthread_mutex_lock(&w->lock);
    bool call = w->parked && !w->woken;
    w->woken = true;
    if (call)
        w->wake(w->arg); /* under the lock, so that wait_free() waits for its end */
    pthread_mutex_unlock(&w->lock);
}

static void on_end(void *arg)
{
    wake(arg);
}

static void wake_due(struct waits *ws, int64_t now_us)
{
    while (ws->count && (ws->released || ws->heap[0]->until_us <= now_us)) {
        struct wait *w = ws->heap[0];
        heap_remove(ws, w);
        wake(w);
    }
}

static void *deadline_main(void *arg)
{
    struct waits *ws = arg;
    pthread_mutex_lock(&ws->lock);
    while (!ws->stopping) {
        wake_due(ws, mono_us());
        if (ws->count) {
            struct timespec until = us_to_timespec(ws->heap[0]->until_us);
            pthread_cond_timedwait(&ws->changed, &ws->lock, &until);
        } else {
            pthread_cond_wait(&ws->changed, &ws->lock);
        }
    }
    pthread_mutex_unlock(&ws->lock);
    return NULL;
}

struct waits *waits_start(struct err *e)
{
    struct waits *ws = calloc(1, sizeof *ws);
    CHECK(ws);
    pthread_mutex_init(&ws->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ws->changed, &attr);
    pthread_condattr_destroy(&attr);
    int why = pthread_create(&ws->thread, NULL, deadline_main, ws);
    if (why) {
        free(ws);
        err_sysno(e, why, "start the deadline thread");
        return NULL;
    }
    pthread_setname_np(ws->thread, "deadlines");
    return ws;
}

void waits_release(struct waits *ws)
{
    pthread_mutex_lock(&ws->lock);
    ws->released = true;
    wake_due(ws, 0);
    pthread_mutex_unlock(&ws->lock);
}

void waits_stop(struct waits *ws)
{
    if (!ws)
        return;
    pthread_mutex_lock(&ws->lock);
    ws->stopping = true;
    pthread_cond_signal(&ws->changed);
    pthread_mutex_unlock(&ws->lock);
    pthread_join(ws->thread, NULL);
    pthread_cond_destroy(&ws->changed);
    pthread_mutex_destroy(&ws->lock);
    free(ws->heap);
    free(ws);
}

size_t waits_parked(struct waits *ws)
{
    pthread_mutex_lock(&ws->lock);
    size_t count = (size_t)ws->count;
    pthread_mutex_unlock(&ws->lock);
    return count;
}

struct wait *wait_new(struct service *s, const char *id)
{
    struct wait *w = calloc(1, sizeof *w);
    CHECK(w);
    w->service = s;
    w->place = NOT_IN_HEAP;
    pthread_mutex_init(&w->lock, NULL);
    if (id)
        w->watch = service_watch(s, id, on_end, w);
    return w;
}

void wait_wake(struct wait *w)
{
    wake(w);
}

void wait_again(struct wait *w)
{
    if (w->waits) {
        pthread_mutex_lock(&w->waits->lock);
        heap_remove(w->waits, w);
        pthread_mutex_unlock(&w->waits->lock);
    }
    pthread_mutex_lock(&w->lock);
    w->parked = w->woken = false;
    pthread_mutex_unlock(&w->lock);
}

bool waits_released(struct waits *ws)
{
    pthread_mutex_lock(&ws->lock);
    bool released = ws->released;
    pthread_mutex_unlock(&ws->lock);
    return released;
}

void wait_park(struct wait *w, struct waits *ws, int64_t until_us, void (*wake_fn)(void *arg),
               void *arg)
{
    pthread_mutex_lock(&ws->lock);
    w->waits = ws;
    w->until_us = until_us;
    heap_add(ws, w);

    pthread_mutex_lock(&w->lock);
    w->wake = wake_fn;
    w->arg = arg;
    w->parked = true;
    if (w->woken)
        wake_fn(arg);
    pthread_mutex_unlock(&w->lock);

    wake_due(ws, 0); /* the server may be stopping */
    if (ws->count && ws->heap[0] == w)
        pthread_cond_signal(&ws->changed);
    pthread_mutex_unlock(&ws->lock);
}

void wait_free(struct wait *w)
{
    if (!w)
        return;
    service_unwatch(w->service, w->watch);
    if (w->waits) {
        pthread_mutex_lock(&w->waits->lock);
        heap_remove(w->waits, w);
        pthread_mutex_unlock(&w->waits->lock);
    }
    pthread_mutex_lock(&w->lock); /* a wake in progress ends first */
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
