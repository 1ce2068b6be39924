/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.h - the backends that keep everything in Redis, for any number of servers.
 *
 * All of them use the same keys (keyspace.h): those who share a Redis and a prefix are one
 * deployment.
 */
#ifndef EVALX_REDIS_CLUSTER_H
#define EVALX_REDIS_CLUSTER_H

#include "bus/bus.h"
#include "queue/queue.h"
#include "store/store.h"

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

/*
 * The records, which are the queue's as well (ops->is_queue): both must be given the same r and
 * prefix. Redis 7, for scripts that may run when its memory is full.
 *
 * config  retention_us 0: final records live for 24 h, and with has_history until that has them
 * errors  SYSTEM. That Redis does not answer yet is no error: the first call says so.
 */
MUST_USE struct store *store_redis_open(struct redis *r, const char *prefix,
                                        const struct store_config *config, struct err *e);

/*
 * A local bus joined with those of all other processes that opened one with the same prefix: a
 * nudge reaches watches of this process at once, those of the others through Redis's pub/sub.
 *
 * r       borrowed, must outlive the bus
 * errors  SYSTEM. That Redis does not answer is no error: nudges stay inside the process until it
 *         does, and then everybody is told to look again.
 */
MUST_USE struct bus *bus_redis_open(struct redis *r, const char *prefix, struct err *e);

#endif
