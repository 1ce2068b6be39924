/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where commands go. One server: to its node. Sentinel: the Sentinels are asked in turn for the
 * primary each time a connection is to be made, and the server has to say that it is one. Cluster:
 * CLUSTER SLOTS gives the map from slots to nodes; it is asked for again, by any node that answers,
 * whenever a node is lost or an answer says that a slot has moved. A plain redis:// URL becomes a
 * cluster with the first MOVED.
 *
 * Source: redis.io/docs/reference/cluster-spec, redis.io/docs/reference/sentinel-clients.
 */
#include "drivers/redis_internal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/text.h"

static const int64_t map_pause_us = 50 * US_PER_MS, again_us = 20 * US_PER_MS;
enum { HOPS_MAX = 8 };

struct finder {
    struct redis *redis;
    struct node **nodes; /* the first ones are the URL's, but Sentinels; never empty */
    size_t count;
    struct link **links; /* of all nodes, and the asker's */
    size_t link_count;

    /* A cluster's */
    struct node **slots; /* by slot; NULL: not a cluster */
    bool mapped;         /* the map was read once */
    bool map_wanted, map_asked;
    size_t map_turn;
    int64_t map_us, map_pause_us; /* not before; grows while nobody has one */
    struct commands homeless;     /* wait for the map */
    struct commands later;        /* to be tried again at later_us */
    int64_t later_us;

    /* Sentinel's */
    struct node sentinel; /* the one that is being asked */
    struct link *asker;
    size_t sentinel_turn, sentinels_asked;
    bool asker_failed;
    int64_t asker_due_us;
    struct err sentinel_err;
};

/* ---- nodes and links ---- */

static void links_add(struct finder *f, struct link *l)
{
    f->links = reallocarray(f->links, f->link_count + 1, sizeof(struct link *));
    CHECK(f->links);
    f->links[f->link_count++] = l;
}

static void links_remove(struct finder *f, const struct link *l)
{
    for (size_t i = 0; i < f->link_count; i++) {
        if (f->links[i] != l)
            continue;
        f->links[i] = f->links[--f->link_count];
        return;
    }
}

static struct link *node_link(struct finder *f, struct node *n, bool kept)
{
    struct link **at = kept ? &n->kept : &n->plain;
    if (!*at) {
        *at = link_new(f->redis, n, kept);
        links_add(f, *at);
    }
    return *at;
}

static struct node *node_add(struct finder *f, const struct place *p)
{
    struct node *n = calloc(1, sizeof *n);
    CHECK(n);
    n->place = *p;
    n->listed = true;
    f->nodes = reallocarray(f->nodes, f->count + 1, sizeof(struct node *));
    CHECK(f->nodes);
    f->nodes[f->count++] = n;
    return n;
}

static struct node *node_for(struct finder *f, const struct place *p)
{
    for (size_t i = 0; i < f->count; i++)
        if (place_eq(&f->nodes[i]->place, p))
            return f->nodes[i];
    return node_add(f, p);
}

struct link *finder_link(struct finder *f, size_t i)
{
    return i < f->link_count ? f->links[i] : NULL;
}

bool finder_is_sentinel(const struct finder *f, const struct link *l)
{
    return l->node == &f->sentinel;
}

/* ---- telling those with connections of their own ---- */

static void copy_places(const struct finder *f, struct map_copy *map)
{
    map->places = calloc(f->count, sizeof *map->places);
    CHECK(map->places);
    for (size_t i = 0; i < f->count; i++)
        map->places[i] = f->nodes[i]->place;
    map->count = f->count;
    if (!f->slots)
        return;
    map->slots = calloc(SLOTS, sizeof *map->slots);
    CHECK(map->slots);
    for (int slot = 0; slot < SLOTS; slot++) {
        map->slots[slot] = UINT16_MAX;
        for (size_t i = 0; i < f->count && f->slots[slot]; i++)
            if (f->nodes[i] == f->slots[slot])
                map->slots[slot] = (uint16_t)i;
    }
}

static void tell(struct finder *f)
{
    struct redis *r = f->redis;
    const struct link *l = f->nodes[0]->plain;
    struct map_copy map = { .known = true };
    copy_places(f, &map);
    if (f->slots) {
        map.known = f->mapped;
    } else if (l && l->state != LINK_READY) {
        map.known = false;
        map.refused = l->refused;
        map.trouble = l->trouble;
        map.down_us = l->down_us;
    }

    pthread_mutex_lock(&r->lock);
    free(r->map.places);
    free(r->map.slots);
    r->map = map;
    for (struct nudged *n = r->nudged; n; n = n->next)
        eventfd_write(n->fd, 1);
    pthread_mutex_unlock(&r->lock);
}

/* ---- Sentinel ---- */

static void seekers_found(struct finder *f, bool ok, const struct err *e, int64_t now);

static void stop_asking(struct finder *f, const struct err *why)
{
    if (!f->asker)
        return;
    links_remove(f, f->asker);
    link_free(TAKE(f->asker), why);
}

static void primary_answered(struct redis *r, UNUSED struct command *c, redisReply *reply,
                             const struct err *e)
{
    struct finder *f = r->finder;
    struct place found = { 0 };
    int64_t port = 0;
    f->asker_failed = true;
    if (!reply) {
        f->sentinel_err = *e;
        if (!e->kind)
            err_set(&f->sentinel_err, ERR_UNAVAILABLE, "redis: Sentinel does not answer");
        return;
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        port = redis_int(reply_of(reply->element[1]));
        snprintf(found.host, sizeof found.host, "%.255s", reply->element[0]->str);
        found.port = (int)port;
    }
    if (reply_is_error(reply))
        reply_err(reply, "SENTINEL", &f->sentinel_err);
    else if (!found.host[0] || port < 1 || port > 65535)
        err_set(&f->sentinel_err, ERR_UNAVAILABLE, "redis: Sentinel knows no primary named %s",
                r->url.primary);
    else
        f->nodes[0]->place = found;
    f->asker_failed = !found.host[0];
    f->asker_due_us = 0; /* it has done its work: finder_drive() goes on */
    freeReplyObject(reply);
}

static void ask_sentinel(struct finder *f, int64_t now)
{
    struct redis *r = f->redis;
    struct str words[] = { STR("SENTINEL"), STR("get-master-addr-by-name"),
                           str_of(r->url.primary) };
    struct redis_call call = { .words = words, .count = COUNT_OF(words) };
    f->sentinel = (struct node){ .place = r->url.places[f->sentinel_turn % r->url.count] };
    f->asker = link_new(r, &f->sentinel, false);
    links_add(f, f->asker);
    f->asker_failed = false;
    f->asker_due_us = now + MIN(r->timeout_us, US_PER_S);

    struct command *c = command_new(&call, f->asker_due_us);
    c->inside = primary_answered;
    link_take(f->asker, c, now);
}

/* The Sentinel that was asked is done, one way or the other. */
static void sentinel_over(struct finder *f, int64_t now)
{
    struct err late = { 0 };
    bool failed = f->asker_failed;
    if (!failed && f->asker_due_us > 0) {
        err_set(&late, ERR_UNAVAILABLE, "redis: Sentinel does not answer");
        f->sentinel_err = late;
        failed = true;
    }
    struct err why = f->sentinel_err;
    stop_asking(f, &late); /* calls primary_answered() when the question is still open */
    if (!failed) {
        seekers_found(f, true, NULL, now);
        return;
    }
    f->sentinel_turn++;
    if (++f->sentinels_asked < f->redis->url.count)
        ask_sentinel(f, now);
    else
        seekers_found(f, false, &why, now);
}

static void drive_sentinel(struct finder *f, int64_t now)
{
    if (!f->asker)
        return;
    if (f->asker->trouble.kind && f->asker->state == LINK_DOWN) {
        f->sentinel_err = f->asker->trouble;
        f->asker_failed = true;
    }
    if (f->asker_failed || now >= f->asker_due_us)
        sentinel_over(f, now);
}

/* ---- links that look for their place ---- */

static void seekers_found(struct finder *f, bool ok, const struct err *e, int64_t now)
{
    struct link *seekers[] = { f->nodes[0]->plain, f->nodes[0]->kept };
    for (size_t i = 0; i < COUNT_OF(seekers); i++) {
        if (!seekers[i] || seekers[i]->state != LINK_FINDING)
            continue;
        if (ok)
            link_found(seekers[i], now);
        else
            link_lost(seekers[i], e, now);
    }
}

void finder_find(struct finder *f, struct link *l, int64_t now)
{
    if (f->redis->url.mode != URL_SENTINEL || l->node == &f->sentinel) {
        link_found(l, now);
    } else if (!f->asker) {
        f->sentinels_asked = 0;
        ask_sentinel(f, now);
    }
}

/* ---- the cluster's map ---- */

static bool read_place(const redisReply *node, const struct place *asked, struct place *ret)
{
    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 ||
        node->element[1]->type != REDIS_REPLY_INTEGER)
        return false;
    const redisReply *host = node->element[0];
    bool named = host->type == REDIS_REPLY_STRING && host->len > 0 && strcmp(host->str, "?") != 0;
    *ret = (struct place){ .port = (int)node->element[1]->integer };
    snprintf(ret->host, sizeof ret->host, "%.255s", named ? host->str : asked->host);
    return ret->port > 0 && ret->port < 65536;
}

static void read_range(struct finder *f, const redisReply *range, const struct place *asked)
{
    struct place p;
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
        !read_place(range->element[2], asked, &p))
        return;
    int64_t first = redis_int(reply_of(range->element[0]));
    int64_t last = redis_int(reply_of(range->element[1]));
    struct node *n = node_for(f, &p);
    n->listed = true;
    for (int64_t slot = MAX(first, 0); slot <= last && slot < SLOTS; slot++)
        f->slots[slot] = n;
}

static void become_cluster(struct finder *f)
{
    if (f->slots)
        return;
    f->slots = calloc(SLOTS, sizeof(struct node *));
    CHECK(f->slots);
    atomic_store(&f->redis->clustered, true);
    f->map_wanted = true;
}

static void append_all(struct commands *to, struct commands *from)
{
    for (struct command *c; (c = commands_take(from));)
        commands_add(to, c);
}

/* What is not yet on a wire looks for its way again. */
static void reroute(struct finder *f, int64_t now)
{
    struct commands all;
    commands_init(&all);
    append_all(&all, &f->homeless);
    for (size_t i = 0; i < f->link_count; i++)
        if (f->links[i]->node != &f->sentinel)
            append_all(&all, &f->links[i]->waiting);
    for (struct command *c; (c = commands_take(&all));)
        finder_route(f, c, now);
}

static void read_map(struct finder *f, const redisReply *reply, const struct place *asked)
{
    for (size_t i = 0; i < f->count; i++)
        f->nodes[i]->listed = false;
    memset(f->slots, 0, SLOTS * sizeof(struct node *));
    for (size_t i = 0; i < reply->elements; i++)
        read_range(f, reply->element[i], asked);
    f->mapped = true;
}

/* No map to be had from there: another one is asked, unless asking is no use. */
static void map_failed(struct finder *f, const redisReply *reply, int64_t now)
{
    struct err e = { 0 };
    f->map_wanted = true;
    f->map_turn++;
    f->map_pause_us = MIN(MAX(f->map_pause_us * 2, map_pause_us), US_PER_S);
    f->map_us = now + f->map_pause_us;
    if (!reply || !reply_is_error(reply) || reply_err(reply, "CLUSTER SLOTS", &e) ||
        e.kind == ERR_UNAVAILABLE)
        return;
    struct commands hopeless = { 0 };
    commands_init(&hopeless);
    append_all(&hopeless, &f->homeless);
    e.kind = ERR_INVALID;
    for (struct command *c; (c = commands_take(&hopeless));)
        command_fail(f->redis, c, &e);
}

static void map_answered(struct redis *r, struct command *c, redisReply *reply,
                         UNUSED const struct err *e)
{
    struct finder *f = r->finder;
    const struct node *asked = c->arg;
    int64_t now = mono_us();
    f->map_asked = false;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        map_failed(f, reply, now);
    } else {
        read_map(f, reply, &asked->place);
        f->map_pause_us = 0;
        f->map_us = now + map_pause_us;
        reroute(f, now);
        tell(f);
    }
    if (reply)
        freeReplyObject(reply);
}

/* Whom to ask: one that stands, else each in turn. */
static struct node *map_source(struct finder *f)
{
    CHECK(f->count > 0);
    for (size_t i = 0; i < f->count; i++) {
        struct node *n = f->nodes[(f->map_turn + i) % f->count];
        if (n->plain && n->plain->state == LINK_READY)
            return n;
    }
    return f->nodes[f->map_turn++ % f->count];
}

static void ask_map(struct finder *f, int64_t now)
{
    struct str words[] = { STR("CLUSTER"), STR("SLOTS") };
    struct redis_call call = { .words = words, .count = COUNT_OF(words) };
    struct command *c = command_new(&call, now + f->redis->timeout_us);
    struct node *n = map_source(f);
    c->inside = map_answered;
    c->arg = n;
    f->map_wanted = false;
    f->map_asked = true;
    link_take(node_link(f, n, false), c, now);
}

/* ---- the way of a command ---- */

static struct node *any_node(struct finder *f)
{
    struct node *best = NULL;
    for (size_t i = 0; i < f->count; i++) {
        struct node *n = f->nodes[i];
        if (!n->listed)
            continue;
        if (n->plain && n->plain->state == LINK_READY)
            return n;
        if (!best)
            best = n;
    }
    return best ? best : f->nodes[0];
}

/* NULL: the map does not say. */
static struct node *node_of(struct finder *f, struct command *c)
{
    if (!f->slots)
        return f->nodes[0];
    if (c->to)
        return c->to;
    if (c->slot == SLOT_ANY)
        return f->mapped ? any_node(f) : NULL;
    return f->slots[c->slot];
}

void finder_route(struct finder *f, struct command *c, int64_t now)
{
    struct err e = { 0 };
    struct node *n = node_of(f, c);
    c->to = NULL;
    if (n) {
        link_take(node_link(f, n, c->kept), c, now);
        return;
    }
    f->map_wanted = true;
    if (!f->mapped) {
        commands_add(&f->homeless, c);
        return;
    }
    err_set(&e, ERR_UNAVAILABLE, "redis: %s: no node of the cluster has slot %d", c->name, c->slot);
    command_fail(f->redis, c, &e);
}

static bool send_on(struct finder *f, struct link *l, struct command *c, const redisReply *reply,
                    int64_t now)
{
    int slot;
    struct place place;
    bool moved = reply_code_is(reply, "MOVED");
    if (c->given_up || c->hops++ >= HOPS_MAX || !reply_place(reply, &l->node->place, &slot, &place))
        return false;
    struct node *n = node_for(f, &place);
    become_cluster(f);
    n->listed = true;
    if (moved) {
        f->slots[slot] = n;
        f->map_wanted = true;
        tell(f);
    }
    c->slot = slot;
    c->to = n;
    c->asking = !moved;
    finder_route(f, c, now);
    return true;
}

bool finder_sends_on(struct finder *f, struct link *l, struct command *c, const redisReply *reply,
                     int64_t now)
{
    struct err e = { 0 };
    if (reply_code_is(reply, "MOVED") || reply_code_is(reply, "ASK"))
        return send_on(f, l, c, reply, now);
    if (reply_code_is(reply, "TRYAGAIN") && !c->given_up) {
        commands_add(&f->later, c);
        f->later_us = MIN(f->later_us, now + again_us);
        return true;
    }
    if (reply_code_is(reply, "CLUSTERDOWN"))
        f->map_wanted = f->slots != NULL;
    /* Not for each of many commands: a URL may lead to a replica for good. */
    if (reply_code_is(reply, "READONLY") && now - l->stood_us >= US_PER_S) {
        err_set(&e, ERR_UNAVAILABLE, "redis: the server is a replica");
        link_again(l, &e, now);
    }
    return false;
}

/* ---- what links say ---- */

static void fail_inside(struct link *l)
{
    struct commands all = l->waiting;
    if (!all.first)
        return;
    commands_init(&l->waiting);
    for (struct command *c; (c = commands_take(&all));) {
        if (c->inside)
            command_fail(l->redis, c, &l->trouble);
        else
            commands_add(&l->waiting, c);
    }
}

void finder_doubt(struct finder *f, struct link *l, UNUSED int64_t now)
{
    if (l->node == &f->sentinel)
        return;     /* drive_sentinel() sees it */
    fail_inside(l); /* the map can be had from others */
    if (f->slots)
        f->map_wanted = true;
    else
        tell(f);
}

void finder_look(struct finder *f)
{
    if (f->slots)
        f->map_wanted = true;
}

void finder_stands(struct finder *f, struct link *l, UNUSED int64_t now)
{
    if (l->node != &f->sentinel && !l->kept)
        tell(f);
}

/* ---- time ---- */

static void expire(struct redis *r, struct commands *q, const char *why, int64_t now)
{
    struct commands all = *q;
    if (!all.first)
        return;
    commands_init(q);
    for (struct command *c; (c = commands_take(&all));) {
        if (c->due_us > now) {
            commands_add(q, c);
            continue;
        }
        struct err e = { 0 };
        err_set(&e, ERR_UNAVAILABLE, "redis: %s: %s", c->name, why);
        e.sys = ETIMEDOUT;
        command_fail(r, c, &e);
    }
}

/* Servers that are no longer in the map need no connection. */
static void drop_links(struct finder *f)
{
    for (size_t i = 0; f->mapped && i < f->link_count; i++) {
        struct link *l = f->links[i];
        if (l->node->listed || l->waiting.first || l->flying.first || l->held.first)
            continue;
        *(l->kept ? &l->node->kept : &l->node->plain) = NULL;
        links_remove(f, l);
        link_free(l, &(struct err){ 0 });
        i--;
    }
}

void finder_drive(struct finder *f, int64_t now)
{
    drive_sentinel(f, now);
    if (now >= f->later_us) {
        struct commands later = f->later;
        f->later_us = INT64_MAX;
        commands_init(&f->later);
        for (struct command *c; later.first && (c = commands_take(&later));)
            finder_route(f, c, now);
    }
    expire(f->redis, &f->homeless, "no node of the cluster answers", now);
    if (f->slots && f->map_wanted && !f->map_asked && now >= f->map_us)
        ask_map(f, now);
    drop_links(f);
}

int64_t finder_next(const struct finder *f)
{
    int64_t next = f->later_us;
    if (f->asker)
        next = MIN(next, f->asker_due_us);
    if (f->slots && f->map_wanted && !f->map_asked)
        next = MIN(next, f->map_us);
    if (f->homeless.first)
        next = MIN(next, f->homeless.first->due_us);
    return next;
}

/* ---- life ---- */

struct finder *finder_new(struct redis *r)
{
    struct finder *f = calloc(1, sizeof *f);
    CHECK(f);
    f->redis = r;
    f->later_us = INT64_MAX;
    commands_init(&f->homeless);
    commands_init(&f->later);
    if (r->url.mode == URL_SENTINEL)
        node_add(f, &(struct place){ 0 });
    else
        for (size_t i = 0; i < r->url.count; i++)
            node_add(f, &r->url.places[i]);
    if (r->url.mode == URL_CLUSTER)
        become_cluster(f);
    else
        node_link(f, f->nodes[0], false);
    return f;
}

void finder_free(struct finder *f, const struct err *why)
{
    struct commands rest;
    commands_init(&rest);
    append_all(&rest, &f->homeless);
    append_all(&rest, &f->later);
    for (struct command *c; (c = commands_take(&rest));)
        command_fail(f->redis, c, why);
    for (size_t i = 0; i < f->link_count; i++)
        link_free(f->links[i], why);
    for (size_t i = 0; i < f->count; i++)
        free(f->nodes[i]);
    free(f->nodes);
    free(f->links);
    free(f->slots);
    free(f);
}
