/* SPDX-License-Identifier: Apache-2.0 */
#include "service/measure.h"

#include <pthread.h>

#include "base/metric.h"
#include "store/errors.h"

/* Half a millisecond is an idle server; ten minutes is a queue that somebody should look at. */
static const int64_t waits[] = { 500,      1000,      2500,      5000,     10000,
                                 25000,    50000,     100000,    250000,   500000,
                                 1000000,  2500000,   5000000,   10000000, 30000000,
                                 60000000, 120000000, 300000000, 600000000 };
static const int64_t hint_times[] = { 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 100000 };

static const struct metric_info queue_info = {
    .name = "evalx_job_queue_seconds",
    .help = "From accepted (or due) until a worker began it for the first time.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .bounds = waits,
    .bound_count = COUNT_OF(waits),
};
static const struct metric_info total_info = {
    .name = "evalx_job_total_seconds",
    .help = "From accepted (or due) until its result was kept.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .bounds = waits,
    .bound_count = COUNT_OF(waits),
};
static const struct metric_info finished_info = {
    .name = "evalx_submissions_total",
    .help = "Submissions whose result this process kept.",
    .type = METRIC_COUNTER,
    .labels = { "language", "verdict" },
    .cells_most = 2000,
};
static const struct metric_info retries_info = {
    .name = "evalx_job_retries_total",
    .help = "Submissions that went back to the queue.",
    .type = METRIC_COUNTER,
    .labels = { "reason" },
};
static const struct metric_info hints_info = {
    .name = "evalx_hints_total",
    .help = "Hints given, a model's not counted.",
    .type = METRIC_COUNTER,
    .labels = { "language" },
};
static const struct metric_info hint_time_info = {
    .name = "evalx_hint_seconds",
    .help = "Time to look for the hints of a submission.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .bounds = hint_times,
    .bound_count = COUNT_OF(hint_times),
};
static const struct metric_info model_info = {
    .name = "evalx_llm_requests_total",
    .help = "Questions to the language model.",
    .type = METRIC_COUNTER,
    .labels = { "result" },
};

static const char *const reasons[] = { "lease_lost", "trouble", "draining", "elsewhere" };
static const char unknown[] = "unknown";

static struct {
    struct metric *finished, *hints;
    struct metric_cell *queue, *total, *hint_time, *retries[COUNT_OF(reasons)];
} cells;

static struct metric *family(const struct metric_info *info)
{
    return metric_family(metrics_here(), info);
}

static void find_cells(void)
{
    cells.queue = metric_only(family(&queue_info));
    cells.total = metric_only(family(&total_info));
    cells.finished = family(&finished_info);
    cells.hints = family(&hints_info);
    cells.hint_time = metric_only(family(&hint_time_info));
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        cells.retries[i] = metric_at(family(&retries_info), reasons[i]);
}

static void find_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cells);
}

/* What alerts are about begins at 0, so that the first of its kind is seen as a change. */
static void begin_at_zero(const struct language *l)
{
    metric_at(cells.finished, l->id, verdict_name(VERDICT_ACCEPTED));
    metric_at(cells.finished, l->id, verdict_name(VERDICT_INTERNAL_ERROR));
    metric_at(cells.hints, l->id);
}

void measure_service_start(const struct service_config *config, const struct catalogue *catalogue,
                           bool runs)
{
    store_errors_start();
    if (!runs)
        return;
    find_once();
    for (size_t i = 0; i < catalogue_count(catalogue); i++)
        if (catalogue_at(catalogue, i)->offered)
            begin_at_zero(catalogue_at(catalogue, i));
    metric_at(cells.finished, unknown, verdict_name(VERDICT_INTERNAL_ERROR));
    for (int got = GOT_FAILED; config->llm && got <= GOT_ONE; got++)
        metric_at(family(&model_info), got == GOT_FAILED ? "failed" : got ? "hint" : "nothing");
}

void measure_begun(int64_t waited_us)
{
    find_once();
    metric_observe(cells.queue, waited_us);
}

void measure_finished(const struct language *language, enum verdict verdict, int64_t took_us)
{
    find_once();
    metric_add(metric_at(cells.finished, language ? language->id : unknown, verdict_name(verdict)),
               1);
    metric_observe(cells.total, took_us);
}

void measure_retry(enum retry why)
{
    find_once();
    metric_add(cells.retries[why], 1);
}

void measure_hints(const struct language *language, size_t count, int64_t took_us)
{
    find_once();
    metric_observe(cells.hint_time, took_us);
    if (count)
        metric_add(metric_at(cells.hints, language ? language->id : unknown), (int64_t)count);
}

void measure_model(enum got got)
{
    const char *result = got == GOT_FAILED ? "failed" : got == GOT_ONE ? "hint" : "nothing";
    metric_add(metric_at(family(&model_info), result), 1);
}
