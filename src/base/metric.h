/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric.h - what a process counts about itself, for Prometheus to read.
 *
 * A *family* has a name, a sentence and label names; a *cell* is one line of it, or one histogram:
 * the numbers of one combination of label values. Whoever counts asks for its families once, and
 * where the label values are known for the cells too; from then on counting is an atomic addition.
 *
 *   static const struct metric_info info = { .name = "evalx_box_runs_total",
 *                                            .help = "Runs in a box, by how they ended.",
 *                                            .type = METRIC_COUNTER, .labels = { "outcome" } };
 *   struct metric *runs = metric_family(metrics_here(), &info);
 *   metric_add(metric_at(runs, "exit"), 1);
 *
 * Numbers  integers, always: of the unit METRIC_WHOLE they mean themselves, of METRIC_MICRO
 *          millionths, so that times stay microseconds inside and are seconds outside (and ratios
 *          need no floating point). No histogram bound is ever written as 0.30000000000000004.
 * Bounded  a family has at most so many cells; what comes then shares one, all of whose label
 *          values are "other". Values should come from lists of ours, never from a client.
 * Reading  metrics_write(): families by name, cells by label values, always in the same order.
 *          What is known only when it is asked for (a queue's length) is set just before; what is
 *          not known any more is hidden, since an old number is worse than none.
 *
 * Threads  any, for every call but metrics_free(). Counting takes no lock and orders nothing: a
 *          page shows each cell at some moment of its making, not all at one. One cell per number
 * is enough here: an addition that several cores fight for costs tens of nanoseconds, a request
 * tens of microseconds (bench/metric.c). Source
 * https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4),
 *          https://prometheus.io/docs/practices/naming/
 */
#ifndef EVALX_BASE_METRIC_H
#define EVALX_BASE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum metric_type {
    METRIC_COUNTER, /* only grows; its name ends in _total */
    METRIC_GAUGE,   /* goes up and down; a cell is shown once it was set */
    METRIC_HISTOGRAM,
};

enum metric_unit {
    METRIC_WHOLE,
    METRIC_MICRO, /* microseconds are shown as seconds, millionths as a ratio */
};

enum { METRIC_LABELS = 4, METRIC_BOUNDS = 32, METRIC_CELLS = 200 };

struct metric_info {
    const char *name; /* [a-zA-Z_][a-zA-Z0-9_]* */
    const char *help; /* one sentence */
    enum metric_type type;
    enum metric_unit unit;
    const char *labels[METRIC_LABELS]; /* their names, the rest NULL */
    const int64_t *bounds;             /* of a histogram, ascending, in its unit; +Inf is implied */
    size_t bound_count;                /* at most METRIC_BOUNDS */
    size_t cells_most;                 /* 0: METRIC_CELLS */
};

struct metrics;     /* all families of a process, or of a test */
struct metric;      /* a family */
struct metric_cell; /* numbers of one combination of label values */

/* The process's own. Lives as long as the process. */
struct metrics *metrics_here(void);

/* One of their own, for tests. */
struct metrics *metrics_new(void);
/* Families and cells go with it. Accepts NULL. */
void metrics_free(struct metrics *all);
CLEANUP_FOR(struct metrics *, metrics_free)

/*
 * The family of that name, made when it is not there yet. info must live as long as the family; two
 * of one name must be the same. A family without labels has its cell from the start.
 */
struct metric *metric_family(struct metrics *all, const struct metric_info *info);

/*
 * The cell for these label values (as many as there are labels), made when it is not there yet;
 * valid as long as the family. Looking one up takes no lock. NULL as a value is "".
 */
struct metric_cell *metric_cell(struct metric *m, const char *const *values, size_t count);
#define metric_at(m, ...)                                                                          \
    metric_cell((m), (const char *const[]){ __VA_ARGS__ },                                         \
                sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
/* The only cell of a family without labels. */
struct metric_cell *metric_only(struct metric *m);

/* Counters and gauges: by how much, in the family's unit. A counter never gets less than 0. */
void metric_add(struct metric_cell *c, int64_t by);

/* Gauges, and counters that are kept elsewhere. Shows the cell. */
void metric_set(struct metric_cell *c, int64_t value);

/* Gauges, and counters that are kept elsewhere: leave it out until it is set again. */
void metric_hide(struct metric_cell *c);

/* Histograms: one more of that size, in the family's unit; below 0 counts as 0. */
void metric_observe(struct metric_cell *c, int64_t value);

/* What is counted: of a counter or gauge its number; of a histogram how many were observed. */
int64_t metric_read(const struct metric_cell *c);

/* Append all that is shown, in the text format 0.0.4. */
void metrics_write(struct metrics *all, struct buf *out);

/* The families' infos by name, until fn returns false: what documentation is checked with. */
void metrics_each(struct metrics *all, bool (*fn)(void *arg, const struct metric_info *info),
                  void *arg);

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
