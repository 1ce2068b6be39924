/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyspace.h - the names of our keys in Redis, and who may touch them.
 *
 * Every key is "{PREFIX}:name": the braces are Redis Cluster's hash tag, so that the queue and the
 * records of one deployment share a slot and one script can change both. That is worth more than
 * spreading them: a result and the end of its place in line are one write. What is bulky and only a
 * cache is spread (drivers/blobs.h).
 *
 *   {PREFIX}:queue ...   the order of work; all names and their meaning: queue.lua
 *   {PREFIX}:...         the records and deliveries: store_redis.c
 *   PREFIX:blob:...      caches: drivers/blobs.h
 *
 * Scripts lie in the .lua files of this folder and are built in (scripts.py: one struct
 * redis_script script_NAME per NAME.lua that begins with "#!lua"; redis/scripts.h declares them).
 * "-- include queue.lua" gives a script the functions that move ids through the queue; its KEYS[1]
 * must then be the queue's key. What they offer to others:
 *
 *   queue_now(given)                        now in microseconds; given: ARGV's, "" is the server's
 *   queue_push(id, priority, tenant, delay_us, now)   false: it is in the queue already
 *   queue_ack(id)                           finished: out of the queue, whoever has it
 *   queue_bury(id, reason)                  a dead letter instead, for a final internal_error
 *   queue_drop(id, now)                     cancel what waits; false: it is leased, or not there
 *   queue_retry(id, now)                    a dead letter back in line; false: it is not dead
 *   entry_get(id)                           nil: not there; else .place 'r', 'd', 's', 'x', ...
 *   held(id, receipt)                       nil: this receipt's lease is over
 *
 * A script that must also work when the server's memory is full begins with "#!lua flags=allow-oom"
 * (all that make room: finishing, dropping), one that takes something in with "#!lua" (refused
 * then: ERR_LIMIT). Redis 7.
 */
#ifndef EVALX_REDIS_KEYSPACE_H
#define EVALX_REDIS_KEYSPACE_H

enum { KEY_TEXT = 160, PREFIX_TEXT = 65 };

/* "{PREFIX}:NAME"; prefix NULL or "": "evalx". */
void key_name(char out[KEY_TEXT], const char *prefix, const char *name);

#endif
