/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses without waiting: getaddrinfo(3) blocks for as long as a name server keeps
 * silent, so it is called on threads of its own. They are started when all others are busy, up to
 * a bound, and end when there is nothing to do for a while. Nobody waits for them: a lookup that
 * was forgotten is answered into the void, and what is shared is freed by whoever leaves last.
 */
#include <netdb.h>
#include <pthread.h>

#include "base/clock.h"
#include "drivers/web_internal.h"

enum { THREADS_MOST = 32, STACK_BYTES = 512 * 1024, IDLE_S = 10 };

struct web_lookup {
    struct web_lookup *next; /* while it waits for a thread */
    char host[WEB_HOST];
    web_resolve_fn resolve;
    void *resolve_arg;
    web_found_fn found; /* NULL: forgotten */
    void *arg;
    struct web_lookup **slot; /* the owner's pointer to this; NULL as soon as it is gone */
    bool taken;               /* a thread has it, and frees it */
};

struct web_resolver {
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* under lock */
    struct web_lookup *first, **last;
    int refs; /* its owner's and one per thread */
    int threads, idle, waiting;
    bool closed;
};

static int resolve_here(UNUSED void *arg, const char *host, struct sockaddr_storage *out, int max,
                        struct err *e)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    int why = getaddrinfo(host, NULL, &hints, &found);
    if (why) {
        err_set(e, ERR_UNAVAILABLE, "the name %.100s cannot be resolved: %s", host,
                gai_strerror(why));
        return 0;
    }
    int count = 0;
    for (const struct addrinfo *a = found; a && count < max; a = a->ai_next) {
        if (a->ai_addrlen > sizeof *out)
            continue;
        out[count] = (struct sockaddr_storage){ 0 };
        memcpy(&out[count++], a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(found);
    if (!count)
        err_set(e, ERR_UNAVAILABLE, "the name %.100s has no address", host);
    return count;
}

/* With the lock held, which is given back. */
static void unref(struct web_resolver *r)
{
    bool last = --r->refs == 0;
    pthread_mutex_unlock(&r->lock);
    if (!last)
        return;
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* The next lookup, or NULL when there was none for a while. With the lock held. */
static struct web_lookup *next_lookup(struct web_resolver *r)
{
    struct timespec until = us_to_timespec(mono_us() + IDLE_S * US_PER_S);
    int why = 0;
    r->idle++;
    while (!r->first && !r->closed && why == 0)
        why = pthread_cond_timedwait(&r->more, &r->lock, &until);
    r->idle--;
    struct web_lookup *l = r->first;
    if (!l || r->closed)
        return NULL;
    r->first = l->next;
    if (!r->first)
        r->last = &r->first;
    r->waiting--;
    l->taken = true;
    return l;
}

static void *thread_main(void *arg)
{
    struct web_resolver *r = arg;
    struct web_lookup *l;
    pthread_mutex_lock(&r->lock);
    while ((l = next_lookup(r))) {
        pthread_mutex_unlock(&r->lock);
        struct sockaddr_storage addresses[WEB_ADDRESSES];
        struct err e = { 0 };
        int count = l->resolve(l->resolve_arg, l->host, addresses, WEB_ADDRESSES, &e);
        pthread_mutex_lock(&r->lock);
        if (l->found) { /* under the lock: forgetting it waits for this call */
            *l->slot = NULL;
            l->found(l->arg, addresses, count, &e);
        }
        free(l);
    }
    r->threads--;
    unref(r);
    return NULL;
}

/* With the lock held. A thread that cannot be started leaves the lookup to the others. */
static void start_thread(struct web_resolver *r)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, thread_main, r) == 0;
    pthread_attr_destroy(&attr);
    if (ok) {
        pthread_setname_np(thread, "resolver");
        r->threads++;
        r->refs++;
    }
}

struct web_resolver *web_resolver_new(void)
{
    struct web_resolver *r = calloc(1, sizeof *r);
    CHECK(r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->more, &attr);
    pthread_condattr_destroy(&attr);
    r->last = &r->first;
    r->refs = 1;
    return r;
}

void web_resolver_free(struct web_resolver *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->closed = true;
    for (struct web_lookup *l = r->first, *next; l; l = next) {
        next = l->next;
        *l->slot = NULL;
        free(l);
    }
    r->first = NULL;
    pthread_cond_broadcast(&r->more);
    unref(r);
}

void web_resolver_find(struct web_resolver *r, const char *host, web_resolve_fn resolve,
                       void *resolve_arg, web_found_fn found, void *arg, struct web_lookup **slot)
{
    struct web_lookup *l = calloc(1, sizeof *l);
    CHECK(l);
    snprintf(l->host, sizeof l->host, "%s", host);
    l->resolve = resolve ? resolve : resolve_here;
    l->resolve_arg = resolve_arg;
    l->found = found;
    l->arg = arg;
    l->slot = slot;
    pthread_mutex_lock(&r->lock);
    *slot = l;
    *r->last = l;
    r->last = &l->next;
    r->waiting++;
    if (r->waiting > r->idle && r->threads < THREADS_MOST)
        start_thread(r);
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void web_resolver_forget(struct web_resolver *r, struct web_lookup **slot)
{
    pthread_mutex_lock(&r->lock);
    struct web_lookup *l = *slot;
    if (l && l->taken) {
        l->found = NULL;
    } else if (l) {
        struct web_lookup **at = &r->first;
        while (*at != l)
            at = &(*at)->next;
        *at = l->next;
        if (r->last == &l->next)
            r->last = at;
        r->waiting--;
        free(l);
    }
    *slot = NULL;
    pthread_mutex_unlock(&r->lock);
}
