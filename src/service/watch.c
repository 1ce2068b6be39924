/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that wait for an end, or follow all that happens. A nudge about their job ends the wait.
 * When nudges may have been lost (BUS_AGAIN) the sweeper's thread looks into the records of those
 * who wait, since the bus must not be held up; it finds the watch again by its id and calls it
 * under the lock that taking it back needs too.
 */
#include "base/log.h"
#include "service/parts.h"

static void tell(struct service_watch *w)
{
    if (!atomic_flag_test_and_set(&w->told))
        w->fn(w->arg);
}

static void on_end(void *arg, UNUSED const char *id, enum bus_event event, UNUSED struct str data)
{
    if (event == BUS_FINISHED)
        tell(arg);
}

struct service_watch *service_watch(struct service *s, const char *id, service_watch_fn fn,
                                    void *arg)
{
    struct service_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    w->service = s;
    w->fn = fn;
    w->arg = arg;
    atomic_flag_clear(&w->told);
    snprintf(w->id, sizeof w->id, "%s", id);

    pthread_mutex_lock(&s->watch_lock);
    w->next = s->watches;
    w->link = &s->watches;
    if (w->next)
        w->next->link = &w->next;
    s->watches = w;
    pthread_mutex_unlock(&s->watch_lock);
    w->watch = bus_watch(s->bus, id, on_end, w);
    return w;
}

/* Not in the list: whoever gets all events looks into the record himself. */
struct service_watch *service_watch_events(struct service *s, const char *id, bus_fn fn, void *arg)
{
    struct service_watch *w = calloc(1, sizeof *w);
    CHECK(w);
    w->watch = bus_watch(s->bus, id, fn, arg);
    return w;
}

static void unlist(struct service *s, struct service_watch *w)
{
    pthread_mutex_lock(&s->watch_lock);
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    pthread_mutex_unlock(&s->watch_lock);
}

void service_unwatch(struct service *s, struct service_watch *w)
{
    if (!w)
        return;
    bus_unwatch(s->bus, w->watch);
    if (w->link)
        unlist(s, w);
    free(w);
}

/* ---- looking again ---- */

struct ids {
    char (*list)[TOKEN_TEXT];
    size_t count, room;
};

static void ids_add(struct ids *ids, const char *id)
{
    if (ids->count == ids->room) {
        ids->room = ids->room ? 2 * ids->room : 64;
        ids->list = realloc(ids->list, ids->room * sizeof *ids->list);
        CHECK(ids->list);
    }
    snprintf(ids->list[ids->count++], TOKEN_TEXT, "%s", id);
}

static void tell_all(struct service *s, const char *id)
{
    pthread_mutex_lock(&s->watch_lock);
    for (struct service_watch *w = s->watches; w; w = w->next)
        if (strcmp(w->id, id) == 0)
            tell(w);
    pthread_mutex_unlock(&s->watch_lock);
}

static bool is_over(const struct record *r, enum got got)
{
    return got == GOT_NONE || r->state == STATE_FINISHED || r->state == STATE_CANCELLED;
}

/* False: the store is away; its coming back is told by the bus again, and every wait has an end. */
static bool look(struct service *s, const char *id)
{
    CLEANUP(record_done) struct record r = { 0 };
    struct err e;
    enum got got = store_load(s->store, id, 0, &r, &e);
    if (got == GOT_FAILED) {
        log_warn("watch.look_failed", "id=%s why=%s", id, e.text);
        return false;
    }
    if (is_over(&r, got))
        tell_all(s, id);
    else if (r.cancel_asked && s->engine)
        worker_cancel(s, id);
    return true;
}

static bool look_at_watches(struct service *s)
{
    struct ids ids = { 0 };
    pthread_mutex_lock(&s->watch_lock);
    for (struct service_watch *w = s->watches; w; w = w->next)
        ids_add(&ids, w->id);
    pthread_mutex_unlock(&s->watch_lock);
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a; a = a->next)
        ids_add(&ids, a->ticket.id);
    pthread_mutex_unlock(&s->lock);

    bool well = true;
    for (size_t i = 0; i < ids.count && well; i++)
        well = look(s, ids.list[i]);
    free(ids.list);
    return well;
}

void watches_look_again(struct service *s)
{
    if (look_at_watches(s))
        return;
    pthread_mutex_lock(&s->lock);
    s->look_again = true;
    pthread_mutex_unlock(&s->lock);
}
