/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/measure.h"

#include <pthread.h>

#include "base/metric.h"

/* A warm box costs some tens of microseconds, a large source or result more. */
static const int64_t overheads[] = { 10,   25,   50,    100,   250,   500,   1000,
                                     2500, 5000, 10000, 25000, 50000, 100000 };
/* From a script that ends at once to the longest a build or all tests may take. */
static const int64_t phases[] = { 1000,     2500,     5000,     10000,    25000,   50000,
                                  100000,   250000,   500000,   1000000,  2500000, 5000000,
                                  10000000, 30000000, 60000000, 120000000 };

static const struct metric_info runs_info = {
    .name = "evalx_box_runs_total",
    .help = "Runs in a box, builds included, by how they ended.",
    .type = METRIC_COUNTER,
    .labels = { "outcome" },
};
static const struct metric_info overhead_info = {
    .name = "evalx_box_overhead_seconds",
    .help = "Time a lane spent around a program: preparing and collecting.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .bounds = overheads,
    .bound_count = COUNT_OF(overheads),
};
static const struct metric_info phase_info = {
    .name = "evalx_job_phase_seconds",
    .help =
        "Time a submission spent being built (from no cache) and being run, all tests together.",
    .type = METRIC_HISTOGRAM,
    .unit = METRIC_MICRO,
    .labels = { "phase", "language" },
    .bounds = phases,
    .bound_count = COUNT_OF(phases),
    .cells_most = 1000,
};

static const char *const outcomes[] = {
    [END_CANCELLED] = "cancelled", [END_MEMORY] = "memory",   [END_OUTPUT] = "output",
    [END_CPU] = "cpu_time",        [END_WALL] = "wall_time",  [END_SIGNAL] = "signal",
    [END_EXIT] = "exit",           [END_NO_EXEC] = "no_exec",
};
enum { OUTCOMES = COUNT_OF(outcomes) };

static struct {
    struct metric *phase;
    struct metric_cell *runs[OUTCOMES], *trouble, *overhead;
} cells;

static void find_cells(void)
{
    struct metric *runs = metric_family(metrics_here(), &runs_info);
    for (int i = 0; i < OUTCOMES; i++)
        cells.runs[i] = metric_at(runs, outcomes[i]);
    cells.trouble = metric_at(runs, "trouble");
    cells.overhead = metric_only(metric_family(metrics_here(), &overhead_info));
    cells.phase = metric_family(metrics_here(), &phase_info);
}

void measure_engine_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cells);
}

void measure_run(const struct report *report)
{
    measure_engine_start();
    if (!report) {
        metric_add(cells.trouble, 1);
        return;
    }
    metric_add(cells.runs[report->end], 1);
    metric_observe(cells.overhead, report->overhead_us);
}

void measure_phases(const struct language *lang, const struct result *result)
{
    if (!lang)
        return;
    measure_engine_start();
    if (result->compiled && !result->cached)
        metric_observe(metric_at(cells.phase, "compile", lang->id), result->compile_us);
    if (result->run_us > 0)
        metric_observe(metric_at(cells.phase, "run", lang->id), result->run_us);
}
