/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - the structs that cross the socket pairs, to and from struct wire.
 *
 * Each _put has its _get beside it in message.c, so the two cannot drift apart.
 */
#ifndef EVALX_SANDBOX_MESSAGE_H
#define EVALX_SANDBOX_MESSAGE_H

#include "sandbox/box.h"
#include "sandbox/cgroup.h"
#include "sandbox/wire.h"

/* What a lane's set-up found, in its order. */
struct layers {
    struct layer at[LAYERS_MAX];
    int count;
};

void layers_put(struct wire *w, const struct layers *l);
void layers_get(struct wire *w, struct layers *ret);
/* The first that is not ok, or NULL. */
const struct layer *layers_broken(const struct layers *l);

/* A keeper_config that owns its lists. */
struct config_held {
    struct keeper_config config;
    char **etc, **mounts;
};

void config_put(struct wire *w, const struct keeper_config *c);
MUST_USE bool config_get(struct wire *w, struct config_held *ret, struct err *e);
void config_held_done(struct config_held *c);

/* All a lane must know to build itself; keeper to lane. */
struct lane_setup {
    int lane;
    int cpu; /* -1: not pinned */
    struct cgroup_tree tree;
    char cgroup[CGROUP_NAME]; /* the lane's folder in it */
    bool user_ns;             /* else it stays real root, with fewer capabilities */
    bool one_user;            /* an ordinary user's own id is all there is: runs share it */
    uid_t root_uid;           /* the lane's own user, seen from the host */
    uid_t first_uid;          /* inside; runs use first_uid + 0..uid_count-1 in turn */
    int uid_count;
    struct config_held held;
};

void setup_put(struct wire *w, const struct lane_setup *s);
MUST_USE bool setup_get(struct wire *w, struct lane_setup *ret, struct err *e);

/* A plan that owns its lists and descriptors. */
struct plan_held {
    struct plan plan;
    char **argv, **env;
    struct plan_file *files;
    struct plan_collect *collect;
};

void plan_put(struct wire *w, const struct plan *p);
MUST_USE bool plan_get(struct wire *w, struct plan_held *ret, struct err *e);
void plan_held_done(struct plan_held *p);
CLEANUP_FOR_STRUCT(struct plan_held, plan_held_done)

void report_put(struct wire *w, const struct report *r);
MUST_USE bool report_get(struct wire *w, struct report *ret, struct err *e);

#endif
