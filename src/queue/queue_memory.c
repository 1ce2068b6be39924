/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/queue_line.h"

static const struct queue_ops ops = LINE_OPS("memory");

struct queue *queue_memory_open(const struct queue_config *config)
{
    return &line_new(&ops, config, (struct line_journal){ 0 })->queue;
}
