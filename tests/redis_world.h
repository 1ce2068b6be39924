/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_world.h - Redis servers of a test's own: their folders, their sockets, nobody else's
 * business.
 *
 *   CLEANUP(redis_server_done) struct redis_server s = { 0 };
 *   redis_server_start(&s, NULL);                 AOF, a unix socket; some 30 ms
 *   redis_server_start(&s, "maxmemory 20mb\n");   with more lines of configuration
 *   redis_server_stop(&s, SIGKILL);
 *   redis_server_go_on(&s);                       the same data again
 *
 * All die with the test, however it ends, and their folders go. What cannot be done aborts, with
 * the reason and the server's log on standard error.
 */
#ifndef EVALX_TESTS_REDIS_WORLD_H
#define EVALX_TESTS_REDIS_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct redis_server {
    char folder[64];
    char url[128];  /* unix://, or redis:// when it has a port */
    char more[600]; /* configuration */
    const char *program;
    int port; /* 0: a unix socket alone; set it, or -1 for a free one, before the start */
    int bus;  /* a cluster node's second port */
    pid_t pid;
    pid_t janitor; /* removes the folder */
    int alive_fd;
};

/* Whether there is one to start. When not, a test is skipped: exit 77. */
bool redis_is_here(void);

void redis_server_start(struct redis_server *s, const char *more);
void redis_server_stop(struct redis_server *s, int signal_number);
void redis_server_go_on(struct redis_server *s);
void redis_server_done(struct redis_server *s);
CLEANUP_FOR_STRUCT(struct redis_server, redis_server_done)

/* Started once for a whole test program, ended at exit. */
struct redis_server *redis_shared(void);

/* Say something to it as redis-cli would (printf's format; words between spaces), and have its
 * answer as text: a number, "" for nil, the last element of a list. */
const char *redis_say(struct redis_server *s, const char *format, ...) PRINTF(2, 3);
int64_t redis_say_int(struct redis_server *s, const char *format, ...) PRINTF(2, 3);
/* Repeat it until the answer contains text, at most 30 s. */
void redis_say_until(struct redis_server *s, const char *text, const char *command);

/* A primary, a replica of it, and a Sentinel that watches them under the name "jobs". */
struct redis_sentinel {
    struct redis_server primary, replica, sentinel;
    char url[128];
};
void redis_sentinel_start(struct redis_sentinel *w);
/* Make the replica the primary, the hard way: the primary is killed. Returns once it is one. */
void redis_sentinel_fail_over(struct redis_sentinel *w);
void redis_sentinel_done(struct redis_sentinel *w);
CLEANUP_FOR_STRUCT(struct redis_sentinel, redis_sentinel_done)

/* Three primaries with a replica each: nodes 0 to 2, and 3 to 5. */
enum { CLUSTER_NODES = 6 };
struct redis_cluster {
    struct redis_server nodes[CLUSTER_NODES];
    char url[256]; /* redis+cluster:// of the first two */
};
void redis_cluster_start(struct redis_cluster *w);
/* Index of the primary that has the slot now. */
int redis_cluster_owner(struct redis_cluster *w, int slot);
void redis_cluster_done(struct redis_cluster *w);
CLEANUP_FOR_STRUCT(struct redis_cluster, redis_cluster_done)

#endif
