/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.h - the backends that keep everything in Redis, for any number of servers.
 *
 * All of them use the same keys (keyspace.h): those who share a Redis and a prefix are one
 * deployment.
 */
#ifndef EVALX_REDIS_CLUSTER_H
#define EVALX_REDIS_CLUSTER_H

#include "queue/queue.h"

struct redis;

/*
 * The queue over Redis Streams, one stream per priority, one consumer group. See queue.lua for
 * where an id can be, queue_redis.c for how a pull waits.
 *
 * r       borrowed, must outlive the queue
 * prefix  of every key; NULL: "evalx"
 * config  now_us: a test's clock, microseconds; NULL: the server's, which all processes share
 * errors  SYSTEM. That Redis does not answer yet is no error: the first call says so.
 */
MUST_USE struct queue *queue_redis_open(struct redis *r, const char *prefix,
                                        const struct queue_config *config, struct err *e);

#endif
