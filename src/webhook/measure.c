/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/measure.h"

#include <pthread.h>

#include "base/metric.h"

/* A receiver nearby answers in milliseconds; the longest are the time limit of an attempt. */
static const int64_t bounds[] = { 5000,   10000,   25000,   50000,   100000,   250000,
                                  500000, 1000000, 2500000, 5000000, 10000000, 15000000 };

static const struct metric_info attempts_info = {
    .name = "evalx_webhook_attempts_total",
    .help = "Attempts to send a webhook or callback.",
    .type = METRIC_COUNTER,
    .labels = { "result" },
};
static const struct metric_info seconds_info = {
    .name = "evalx_webhook_attempt_seconds",
    .help = "Duration of an attempt, whatever came of it.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .bounds = bounds,
    .bound_count = COUNT_OF(bounds),
};

static struct {
    struct metric_cell *delivered, *failed, *refused, *seconds;
} cells;

static void find_cells(void)
{
    struct metric *attempts = metric_family(metrics_here(), &attempts_info);
    cells.delivered = metric_at(attempts, "delivered");
    cells.failed = metric_at(attempts, "failed");
    cells.refused = metric_at(attempts, "refused");
    cells.seconds = metric_only(metric_family(metrics_here(), &seconds_info));
}

void measure_sender_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cells);
}

void measure_attempt(enum delivery_state state, int64_t took_us)
{
    measure_sender_start();
    metric_add(state == DELIVERY_DELIVERED ? cells.delivered
               : state == DELIVERY_REFUSED ? cells.refused
                                           : cells.failed,
               1);
    metric_observe(cells.seconds, took_us);
}
