/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches hang in lists: one per id that somebody watches, one for those who watch every id; and
 * each hangs in the list of all watches too, which BUS_AGAIN walks. A nudge walks a list and calls
 * each without holding the lock, so a watcher may be slow without stopping others. It counts itself
 * in ("running") meanwhile: a watch stays in its lists until nobody runs it, which is both what
 * unwatch() waits for and what keeps the walk's place.
 */
#include <pthread.h>
#include <string.h>

#include "base/map.h"
#include "bus/bus.h"

enum { DATA_MAX = 64 * 1024 };

/* The two lists a watch is in. */
enum chain { CHAIN_ID, CHAIN_ALL, CHAINS };

struct bus_watch {
    struct bus_watch *next[CHAINS], *previous[CHAINS];
    struct list *list[CHAINS];
    bus_fn fn;
    void *arg;
    int running; /* calls of fn in progress */
    bool ended;  /* unwatch() has begun */
};

struct list {
    struct bus_watch *first;
    char id[]; /* the key in the map; empty for every id */
};

struct local {
    struct bus bus; /* first: what callers hold */

    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t stopped;  /* a running call ended */
    struct map lists;        /* id -> struct list */
    struct list *everything; /* those who watch every id */
    struct list *all;        /* every watch */
};

static struct list *list_new(const char *id)
{
    size_t len = strlen(id);
    struct list *list = calloc(1, sizeof *list + len + 1);
    CHECK(list);
    memcpy(list->id, id, len);
    return list;
}

struct nudge {
    const char *id;
    enum bus_event event;
    struct str data;
};

/* Under the lock, given up around each call. */
static void call_each(struct local *l, struct list *list, enum chain chain, const struct nudge *n)
{
    for (struct bus_watch *w = list ? list->first : NULL; w; w = w->next[chain]) {
        if (w->ended)
            continue;
        w->running++;
        pthread_mutex_unlock(&l->lock);
        w->fn(w->arg, n->id, n->event, n->data);
        pthread_mutex_lock(&l->lock);
        w->running--;
        if (w->ended)
            pthread_cond_broadcast(&l->stopped);
    }
}

static void local_announce(struct bus *b, const char *id, enum bus_event event, struct str data)
{
    struct local *l = (struct local *)b;
    struct nudge n = { id, event, data.len <= DATA_MAX ? data : STR_NULL };
    pthread_mutex_lock(&l->lock);
    if (event == BUS_AGAIN) {
        call_each(l, l->all, CHAIN_ALL, &n);
    } else {
        call_each(l, map_get(&l->lists, id), CHAIN_ID, &n);
        call_each(l, l->everything, CHAIN_ID, &n);
    }
    pthread_mutex_unlock(&l->lock);
}

static struct list *list_for(struct local *l, const char *id)
{
    if (!id)
        return l->everything;
    struct list *list = map_get(&l->lists, id);
    if (!list) {
        list = list_new(id);
        map_put(&l->lists, list->id, list);
    }
    return list;
}

/* In front: a walk in progress does not meet it, it looks for itself. */
static void link_watch(struct list *list, struct bus_watch *w, enum chain c)
{
    w->list[c] = list;
    w->next[c] = list->first;
    if (w->next[c])
        w->next[c]->previous[c] = w;
    list->first = w;
}

static struct bus_watch *local_watch(struct bus *b, const char *id, bus_fn fn, void *arg)
{
    struct local *l = (struct local *)b;
    struct bus_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    w->fn = fn;
    w->arg = arg;

    pthread_mutex_lock(&l->lock);
    link_watch(list_for(l, id), w, CHAIN_ID);
    link_watch(l->all, w, CHAIN_ALL);
    pthread_mutex_unlock(&l->lock);
    return w;
}

static void unlink_watch(struct bus_watch *w, enum chain c)
{
    *(w->previous[c] ? &w->previous[c]->next[c] : &w->list[c]->first) = w->next[c];
    if (w->next[c])
        w->next[c]->previous[c] = w->previous[c];
}

static void drop_empty(struct local *l, struct list *list)
{
    if (!list->first && list != l->everything) {
        map_take(&l->lists, list->id);
        free(list);
    }
}

static void local_unwatch(struct bus *b, struct bus_watch *w)
{
    struct local *l = (struct local *)b;
    pthread_mutex_lock(&l->lock);
    w->ended = true;
    while (w->running > 0)
        pthread_cond_wait(&l->stopped, &l->lock);
    unlink_watch(w, CHAIN_ALL);
    unlink_watch(w, CHAIN_ID);
    drop_empty(l, w->list[CHAIN_ID]);
    pthread_mutex_unlock(&l->lock);
    free(w);
}

/* Whoever still watches is a bug of theirs; their memory is theirs too. */
static void local_close(struct bus *b)
{
    struct local *l = (struct local *)b;
    CHECK(l->lists.count == 0 && !l->all->first);
    map_done(&l->lists);
    free(l->everything);
    free(l->all);
    pthread_cond_destroy(&l->stopped);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static const struct bus_ops ops = {
    .scheme = "local",
    .announce = local_announce,
    .watch = local_watch,
    .unwatch = local_unwatch,
    .close = local_close,
};

struct bus *bus_local_open(void)
{
    struct local *l = calloc(1, sizeof *l);
    CHECK(l);
    l->bus.ops = &ops;
    l->everything = list_new("");
    l->all = list_new("");
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->stopped, NULL);
    return &l->bus;
}
