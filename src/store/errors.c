/* SPDX-License-Identifier: Apache-2.0 */
#include "store/errors.h"

#include <pthread.h>

#include "base/metric.h"
#include "store/store.h"

static const struct metric_info info = {
    .name = "evalx_store_errors_total",
    .help = "What the store could not do: it was away, full or broken.",
    .type = METRIC_COUNTER,
    .labels = { "operation" },
};

static const char *const names[STORE_OPERATIONS] = {
    [STORE_ADMIT] = "admit",   [STORE_SYNC] = "sync",       [STORE_LOAD] = "load",
    [STORE_FINISH] = "finish", [STORE_CANCEL] = "cancel",   [STORE_REMOVE] = "remove",
    [STORE_LIST] = "list",     [STORE_AMEND] = "amend",     [STORE_REOPEN] = "reopen",
    [STORE_SWEEP] = "sweep",   [STORE_RECOVER] = "recover", [STORE_DELIVER] = "deliver",
};

static struct metric_cell *cells[STORE_OPERATIONS];

static void find_cells(void)
{
    for (int i = 0; i < STORE_OPERATIONS; i++)
        cells[i] = metric_at(metric_family(metrics_here(), &info), names[i]);
}

void store_errors_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_cells);
}

void store_failed(const struct store *s, enum store_operation operation, const struct err *e)
{
    bool ours = e->kind == ERR_UNAVAILABLE || e->kind == ERR_SYSTEM || e->kind == ERR_LIMIT ||
                e->kind == ERR_BUG;
    if (!ours || s->inner)
        return;
    store_errors_start();
    metric_add(cells[operation], 1);
}
