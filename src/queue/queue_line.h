/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_line.h - a whole queue inside one process: the order, its lock, the waiting. queue_memory.c
 * is nothing else; queue_sqlite.c adds a journal that keeps every change in a table.
 */
#ifndef EVALX_QUEUE_LINE_H
#define EVALX_QUEUE_LINE_H

#include <pthread.h>

#include "queue/queue.h"
#include "queue/queue_order.h"

/*
 * Told of every change that must outlive the process, in the order of the changes: under the lock
 * of the line, so it must not block nor call back. All members may be NULL together.
 */
struct line_journal {
    void (*pushed)(void *arg, const struct entry *x, int64_t delay_us);
    void (*changed)(void *arg, const struct entry *x, int64_t delay_us); /* attempts, delay */
    void (*removed)(void *arg, const struct entry *x);
    void (*buried)(void *arg, const struct entry *x);
    void (*paused)(void *arg, bool paused);
    void *arg;
};

struct line {
    struct queue queue; /* first: what callers hold */
    struct queue_config config;
    struct line_journal journal;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct order order;
    bool woken, paused;
    struct queue_worker worker; /* the last announcement; languages is owned */
};

/* ops: those of line_ops with another scheme. now_us of config is filled in. */
struct line *line_new(const struct queue_ops *ops, const struct queue_config *config,
                      struct line_journal journal);

bool line_push(struct queue *q, const struct queue_entry *x, struct err *e);
enum got line_pull(struct queue *q, int64_t wait_us, struct ticket *ret, int max, int *ret_count,
                   struct err *e);
bool line_extend(struct queue *q, const struct ticket *t, struct err *e);
bool line_give_back(struct queue *q, const struct ticket *t, int64_t delay_us, bool attempt_counts,
                    struct err *e);
bool line_ack(struct queue *q, const struct ticket *t, struct err *e);
bool line_bury(struct queue *q, const struct ticket *t, const char *reason, struct err *e);
enum got line_drop(struct queue *q, const char *id, struct err *e);
enum got line_retry(struct queue *q, const char *id, struct err *e);
bool line_pause_all(struct queue *q, bool paused, struct err *e);
enum got line_look(struct queue *q, const char *id, struct queue_view *ret, struct err *e);
bool line_list(struct queue *q, enum queue_place place, int64_t offset, int limit,
               void (*fn)(void *arg, const struct queue_view *v), void *arg, struct err *e);
bool line_announce(struct queue *q, const struct queue_worker *w, struct err *e);
bool line_workers(struct queue *q, void (*fn)(void *arg, const struct queue_worker *w), void *arg,
                  struct err *e);
bool line_tend(struct queue *q, struct err *e);
bool line_stats(struct queue *q, struct queue_stats *ret, struct err *e);
void line_wake(struct queue *q);
void line_close(struct queue *q);

#define LINE_OPS(name)                                                                             \
    {                                                                                              \
        .scheme = (name), .push = line_push, .pull = line_pull, .extend = line_extend,             \
        .give_back = line_give_back, .ack = line_ack, .bury = line_bury, .drop = line_drop,        \
        .retry = line_retry, .pause = line_pause_all, .look = line_look, .list = line_list,        \
        .announce = line_announce, .workers = line_workers, .tend = line_tend,                     \
        .stats = line_stats, .wake = line_wake, .close = line_close,                               \
    }

#endif
