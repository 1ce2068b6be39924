/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are looked up by a thread of their own, since a resolver that gets no answer blocks for
 * many seconds: the driver's thread must keep its time-outs, and a line must be woken. Addresses
 * and paths need no thread. Whoever is last, the thread or who asked, frees the lookup.
 */
#include "drivers/redis_internal.h"

#include <netdb.h>

struct lookup {
    struct place place;
    pthread_mutex_t lock; /* guards what follows */
    int fd;               /* an eventfd to write to; -1: nobody waits any more */
    bool done, ok;
    struct addresses found;
    struct err e;
};

static void unix_address(const char *path, struct addresses *ret)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%.107s", path);
    memcpy(&ret->list[0], &a, sizeof a);
    ret->sizes[0] = sizeof a;
    ret->count = 1;
}

static bool resolver_err(const struct place *p, int code, struct err *e)
{
    if (code == EAI_SYSTEM)
        err_sys(e, "redis: name %s", p->host);
    else
        err_set(e, ERR_UNAVAILABLE, "redis: name %s: %s", p->host, gai_strerror(code));
    e->kind = ERR_UNAVAILABLE;
    return false;
}

static bool resolve(const struct place *p, int flags, struct addresses *ret, struct err *e)
{
    struct addresses found = { .count = 0 };
    char port[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
    struct addrinfo *list;
    snprintf(port, sizeof port, "%d", p->port % 100000);
    int code = getaddrinfo(p->host, port, &hints, &list);
    if (code != 0)
        return resolver_err(p, code, e);
    for (struct addrinfo *a = list; a && found.count < ADDRESSES_MAX; a = a->ai_next) {
        memcpy(&found.list[found.count], a->ai_addr, a->ai_addrlen);
        found.sizes[found.count++] = a->ai_addrlen;
    }
    freeaddrinfo(list);
    *ret = found;
    return true;
}

bool place_address(const struct place *p, struct addresses *ret)
{
    struct err ignored = { 0 };
    if (p->port == 0) {
        unix_address(p->host, ret);
        return true;
    }
    return resolve(p, AI_NUMERICHOST, ret, &ignored);
}

static void lookup_free(struct lookup *l)
{
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void *run(void *arg)
{
    struct lookup *l = arg;
    struct addresses found = { .count = 0 };
    struct err e = { 0 };
    bool ok = resolve(&l->place, 0, &found, &e);
    pthread_mutex_lock(&l->lock);
    l->done = true;
    l->ok = ok;
    l->found = found;
    l->e = e;
    bool left = l->fd < 0;
    if (!left)
        eventfd_write(l->fd, 1);
    pthread_mutex_unlock(&l->lock);
    if (left)
        lookup_free(l);
    return NULL;
}

struct lookup *lookup_start(const struct place *p, int fd, struct err *e)
{
    pthread_t thread;
    pthread_attr_t detached;
    struct lookup *l = calloc(1, sizeof *l);
    CHECK(l);
    l->place = *p;
    l->fd = fd;
    pthread_mutex_init(&l->lock, NULL);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int code = pthread_create(&thread, &detached, run, l);
    pthread_attr_destroy(&detached);
    if (code == 0)
        return l;
    lookup_free(l);
    err_sysno(e, code, "redis: thread");
    e->kind = ERR_UNAVAILABLE;
    return NULL;
}

enum got lookup_result(struct lookup *l, struct addresses *ret, struct err *e)
{
    pthread_mutex_lock(&l->lock);
    bool done = l->done, ok = l->ok;
    if (done && ok)
        *ret = l->found;
    else if (done)
        *e = l->e;
    pthread_mutex_unlock(&l->lock);
    if (!done)
        return GOT_NONE;
    lookup_free(l);
    return ok ? GOT_ONE : GOT_FAILED;
}

void lookup_leave(struct lookup *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    bool done = l->done;
    l->fd = -1;
    pthread_mutex_unlock(&l->lock);
    if (done)
        lookup_free(l);
}
