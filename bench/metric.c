/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counting costs: one addition to a cell that is known, one with its labels looked up, one
 * observation, and all that is counted for one submission, on its way from the request to the kept
 * result. By one thread, and by one on each core that all want the same cells.
 *
 *   metric [ROUNDS]      prints JSON; nanoseconds, the least of seven tries
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/metric.h"

enum { TRIES = 7, THREADS_MOST = 64 };

static const int64_t bounds[] = { 500,     1000,     2500,     5000,    10000,   25000,
                                  50000,   100000,   250000,   500000,  1000000, 2500000,
                                  5000000, 10000000, 30000000, 60000000 };

static const struct metric_info counter_info = {
    .name = "one_total", .help = "One.", .type = METRIC_COUNTER, .labels = { "language", "verdict" }
};
static const struct metric_info gauge_info = { .name = "g", .help = "G.", .type = METRIC_GAUGE };
static const struct metric_info plain_info = { .name = "plain_seconds",
                                               .help = "Plain.",
                                               .type = METRIC_HISTOGRAM,
                                               .unit = METRIC_MICRO,
                                               .bounds = bounds,
                                               .bound_count = COUNT_OF(bounds) };
static const struct metric_info route_info = { .name = "route_seconds",
                                               .help = "Route.",
                                               .type = METRIC_HISTOGRAM,
                                               .unit = METRIC_MICRO,
                                               .labels = { "route", "method", "status" },
                                               .bounds = bounds,
                                               .bound_count = COUNT_OF(bounds) };

static struct metric *counter, *route;
static struct metric_cell *known, *gauge, *plain;
static int rounds = 200000;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- what is measured ---- */

static void add_known(UNUSED int i)
{
    metric_add(known, 1);
}

static void add_labelled(UNUSED int i)
{
    metric_add(metric_at(counter, "cpp", "accepted"), 1);
}

static void observe(int i)
{
    metric_observe(plain, i);
}

static void observe_labelled(int i)
{
    metric_observe(metric_at(route, "/v1/submissions", "POST", "200"), i);
}

/* src/http, src/service and src/engine, in this order. */
static void whole_submission(int i)
{
    metric_add(gauge, 1);     /* in flight */
    add_known(i);             /* accepted */
    observe(i);               /* waited in the queue */
    add_known(i), observe(i); /* a run's end, and its overhead */
    add_known(i), observe(i); /* the same of its build */
    observe_labelled(i);      /* phases */
    observe_labelled(i);
    observe(i);                  /* hints */
    add_labelled(i), observe(i); /* its result, and the time it took */
    observe_labelled(i);         /* the request */
    metric_add(gauge, -1);
}

/* ---- by how many ---- */

static void *run(void *arg)
{
    void (*const *step)(int i) = arg;
    for (int i = 0; i < rounds; i++)
        (*step)(i);
    return NULL;
}

static double once(void (*step)(int i), int threads)
{
    pthread_t ids[THREADS_MOST];
    int64_t began = now_ns();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, run, &step) != 0)
            exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return (double)(now_ns() - began) / rounds;
}

static double least(void (*step)(int i), int threads)
{
    double best = once(step, threads);
    for (int i = 1; i < TRIES; i++) {
        double ns = once(step, threads);
        best = MIN(best, ns);
    }
    return best;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*step)(int i);
    } steps[] = {
        { "add", add_known },
        { "add_labelled", add_labelled },
        { "observe", observe },
        { "observe_labelled", observe_labelled },
        { "submission", whole_submission },
    };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int threads = (int)MIN(MAX(cores, 1), THREADS_MOST);
    if (argc > 1)
        rounds = (int)MAX(strtol(argv[1], NULL, 10), 1);

    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    counter = metric_family(all, &counter_info);
    route = metric_family(all, &route_info);
    known = metric_at(counter, "c", "accepted");
    gauge = metric_only(metric_family(all, &gauge_info));
    plain = metric_only(metric_family(all, &plain_info));

    printf("{\"threads\":%d", threads);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        printf(",\"%s_ns\":%.1f,\"%s_crowd_ns\":%.1f", steps[i].name, least(steps[i].step, 1),
               steps[i].name, least(steps[i].step, threads));
    printf("}\n");
    return 0;
}
