/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract.h - one suite per plug-point, run on every backend.
 *
 * A suite is a list of tests that know no backend; each runs once per backend, with a world of its
 * own (a folder, a clock) that is set up before it and removed after it. A new backend is a row in
 * the suite's table of backends.
 */
#ifndef EVALX_TESTS_CONTRACT_H
#define EVALX_TESTS_CONTRACT_H

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../unit/test.h"
#include "base/clock.h"

/* A folder for one test. */
static inline void folder_make(char path[64])
{
    snprintf(path, 64, "/tmp/evalx-contract-XXXXXX");
    if (!mkdtemp(path))
        abort();
}

static inline int folder_remove_one(const char *path, UNUSED const struct stat *st, UNUSED int flag,
                                    UNUSED struct FTW *ftw)
{
    return remove(path);
}

static inline void folder_remove(const char *path)
{
    nftw(path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline pthread_t thread_start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, arg) != 0)
        abort();
    return thread;
}

/* The clock of a test: stands still until the test moves it. */
static _Atomic int64_t test_now = 1000000;

UNUSED static int64_t test_clock(void)
{
    return atomic_load(&test_now);
}

UNUSED static void pass_time(int64_t us)
{
    atomic_fetch_add(&test_now, us);
}

/* Run every test on every backend (an array of structs that begin with their name). */
#define RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown)                                     \
    ({                                                                                             \
        enum { T_COUNT = COUNT_OF(tests), B_COUNT = COUNT_OF(backends) };                          \
        static struct CMUnitTest all_[T_COUNT * B_COUNT];                                          \
        static char names_[T_COUNT * B_COUNT][160];                                                \
        for (size_t b_ = 0; b_ < B_COUNT; b_++) {                                                  \
            for (size_t t_ = 0; t_ < T_COUNT; t_++) {                                              \
                size_t i_ = b_ * T_COUNT + t_;                                                     \
                snprintf(names_[i_], sizeof names_[i_], "%s: %s", (backends)[b_].name,             \
                         (tests)[t_].name);                                                        \
                all_[i_] = (struct CMUnitTest){ names_[i_], (tests)[t_].test_func, setup,          \
                                                teardown, (void *)(uintptr_t) & (backends)[b_] };  \
            }                                                                                      \
        }                                                                                          \
        _cmocka_run_group_tests("contract", all_, T_COUNT *B_COUNT, NULL, NULL);                   \
    })

#endif
