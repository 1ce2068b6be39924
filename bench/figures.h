/* SPDX-License-Identifier: Apache-2.0 */
/* figures.h - a list of times, and what benches say about it. */
#ifndef EVALX_BENCH_FIGURES_H
#define EVALX_BENCH_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct figures {
    int64_t *us;
    size_t count, room;
};

static inline void figures_add(struct figures *f, int64_t us)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 1024;
        f->us = realloc(f->us, f->room * sizeof(*f->us));
        if (!f->us)
            abort();
    }
    f->us[f->count++] = us;
}

static inline int figures_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline void figures_sort(struct figures *f)
{
    if (f->count)
        qsort(f->us, f->count, sizeof(*f->us), figures_order);
}

/* Of a sorted list; percent 0..100. 0 when the list is empty. */
static inline int64_t figures_at(const struct figures *f, int percent)
{
    return f->count ? f->us[(f->count - 1) * (size_t)percent / 100] : 0;
}

/* "median_us":...,"p10_us":...,"p90_us":...,"p99_us":... of a sorted list, without braces. */
static inline void figures_print(const struct figures *f)
{
    printf("\"median_us\":%lld,\"p10_us\":%lld,\"p90_us\":%lld,\"p99_us\":%lld",
           (long long)figures_at(f, 50), (long long)figures_at(f, 10), (long long)figures_at(f, 90),
           (long long)figures_at(f, 99));
}

static inline void figures_done(struct figures *f)
{
    free(f->us);
    *f = (struct figures){ 0 };
}

#endif
