/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result.h - the answer: what became of a job. Data only.
 *
 * Threads: one while it is built; any once it is const.
 */
#ifndef EVALX_JOB_RESULT_H
#define EVALX_JOB_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "job/verdict.h"

/* A file a run left and the job asked for. */
struct output_file {
    const char *path; /* relative to the program's folder */
    struct str content;
    bool executable;
};

/* What one program did, judged: a test, or the build step. */
struct outcome {
    enum verdict verdict;
    const char *limit; /* which limit fired: "cpu_time", "wall_time", "memory", "output"; or NULL */
    int exit_code;     /* -1: it did not exit by itself */
    int signal;        /* 0: none */
    int64_t cpu_us, wall_us, memory_bytes;
    struct str out, err;       /* ptr NULL: empty. In a build step all output is in out */
    bool out_cut, err_cut;     /* there was more than the limit */
    const char *message;       /* a sentence on what happened, or NULL */
    struct output_file *files; /* what job.collect brought out */
    size_t file_count;
    bool files_cut; /* there were more, or larger ones, than are kept */
};

/* Why it failed, for a learner: see hints/. */
struct hint {
    const char *id;         /* of the pattern: "python.name-error" */
    const char *title;      /* a few words */
    const char *text;       /* a sentence or two, which name the line if it is known */
    const char *confidence; /* "certain", "likely", "guess" */
    const char *link;       /* to read more; or NULL */
    const char *test;       /* id of the test it is about; NULL: the build */
    int64_t line;           /* of the source; 0: unknown */
    bool follow_up;         /* it is not about the first error of the build */
};

struct test_result {
    const char *id;
    struct outcome outcome;
    double weight;
};

struct result {
    struct arena arena;   /* holds everything below */
    enum verdict verdict; /* of the whole: the first test, in order, that was not accepted */
    const char *message;  /* for compile and internal errors, or NULL */

    bool compiled;          /* the language has a build step and it was reached */
    bool cached;            /* the artifact came from the cache */
    bool reused;            /* all of it is the result of equal work done before */
    struct outcome compile; /* of the run that made the artifact, cached or not */

    struct test_result *tests; /* none when the build failed */
    size_t test_count;

    struct hint *hints; /* none when it was accepted, or the job wants none */
    size_t hint_count;

    int attempt;
    bool rusage_only;                      /* figures from rusage, no cgroup */
    double score;                          /* weights of accepted tests over all weights, 0..1 */
    int64_t cpu_us, wall_us, memory_bytes; /* tests: sum, sum, most */

    /* When, wall clock. */
    int64_t started_us, finished_us;
    int64_t compile_us, run_us; /* time from the begin to the end of each phase */
};

struct result *result_new(void);
void result_free(struct result *r);
CLEANUP_FOR(struct result *, result_free)

/* A result that says internal_error and why; for jobs that outlived their attempts. */
struct result *result_internal_error(const char *why);
/* The result of a job cancelled before it ran. */
struct result *result_cancelled(void);

/* Append the stored form. */
void result_to_json(const struct result *r, struct buf *out);
/* errors   INVALID */
MUST_USE struct result *result_from_json(const struct json *json, struct err *e);

/* Fill verdict, score and sums from the tests. */
void result_sum_up(struct result *r);

#endif
