/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - the submission: what somebody wants run. Data only, no I/O.
 *
 * A job is built by a face (http) or by `evalx run`, completed and checked by job_check(), and
 * const from then on. Its JSON form is the native API's request body: what a client sends, what the
 * store keeps and what travels through Redis is read by one function. Units in JSON are in the
 * names (cpu_time_ms); inside they are microseconds and bytes.
 *
 * Threads: one while it is built; any once it is const.
 */
#ifndef EVALX_JOB_JOB_H
#define EVALX_JOB_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/trace.h"
#include "job/limits.h"
#include "lang/lang.h"

enum priority {
    PRIORITY_LOW,
    PRIORITY_NORMAL,
    PRIORITY_HIGH,
    PRIORITY_COUNT,
};

enum cache_use {
    CACHE_BUILD,  /* reuse the build of equal sources (default) */
    CACHE_RESULT, /* reuse whole results too */
    CACHE_NONE,
};

enum checker_type {
    CHECKER_LINES,  /* equal line by line but for trailing white space and trailing empty lines */
    CHECKER_EXACT,  /* every byte */
    CHECKER_TOKENS, /* equal sequences of words */
    CHECKER_FLOATS, /* words; numbers within a tolerance */
    CHECKER_UNORDERED, /* the same lines in any order */
};

struct checker {
    enum checker_type type;
    double absolute, relative; /* CHECKER_FLOATS: either suffices; 1e-6 each by default */
    bool ignore_case;
};

struct job_file {
    const char *path; /* relative, no "..", at most 255 bytes; NULL before job_check(): the one
                       * source, which gets the language's name for it */
    struct str content;
};

struct job_test {
    const char *id;        /* as given, or "1", "2", ... */
    struct str stdin_data; /* ptr NULL: empty */
    struct str expected;   /* ptr NULL: output is not judged */
    const char **args;     /* NULL-ended; NULL: the job's */
    struct limits limits;  /* whole, after job_check() */
    double weight;         /* 1 by default */
};

struct job {
    struct arena arena; /* holds everything below */
    char id[TOKEN_TEXT];
    int64_t created_us; /* wall clock */

    /* Which request asked for it, whatever is asked: not part of what is run, kept and passed on.
     * Set by the face; none in records from before there were any. */
    struct trace trace;     /* span: the server's of that request */
    const char *tracestate; /* NULL */

    const char *language;   /* as asked: "cpp", "python@3.11", "54" (a Judge0 id); after job_check()
                             * the catalogue's id */
    struct job_file *files; /* the first is the source when the language has one */
    size_t file_count;
    const char *entrypoint; /* path of the file to run; NULL: the language's */

    const char **compiler_options; /* NULL-ended, never NULL */
    const char **args;             /* NULL-ended, never NULL */
    const char **env;     /* "NAME=value", NULL-ended, never NULL: added to the language's */
    const char **collect; /* globs of files to bring out of each run; NULL-ended, never NULL */
    struct limits limits; /* UNSET members are filled by job_check() */

    struct job_test
        *tests; /* at least one: without tests[] the one made of stdin, expected_output */
    size_t test_count;
    bool has_tests;       /* the client sent tests[] */
    bool stop_on_failure; /* tests behind the first failure are skipped */
    struct checker checker;
    int runs; /* Judge0's number_of_runs; 1 by default */

    bool merge_stderr;
    bool network;
    bool hints, hints_given; /* not given: job_check() takes the policy's */
    enum cache_use cache;
    bool cache_given; /* not: job_check() takes the policy's */
    enum priority priority;
    int64_t retention_us; /* 0: the server's */
    bool forget;          /* "store": false: dropped when a waiting client has the answer, else soon
                           * after its end; never in a history */

    const char *metadata;     /* JSON object as text, echoed; NULL */
    const char *webhook_url;  /* NULL; gets the native form by POST when the job is final */
    const char *callback_url; /* NULL; Judge0's: gets its form by PUT */
    const char *tenant; /* NULL; whose it is: a short hash of the API key, set by the server */
    int64_t start_us;   /* not run before that, wall clock; 0: at once. "delay_seconds" */

    /* What a face needs to render this job its own way: a JSON object as text, NULL for the native
     * face. Opaque below http. */
    const char *face;
};

/* What the server allows; from the settings. */
struct job_policy {
    struct limits defaults, most; /* most: above it a job is refused */
    size_t tests_max;             /* tests per job */
    size_t files_max;
    size_t source_bytes_max; /* all files together */
    bool allow_network;
    bool hints;           /* for jobs that do not say */
    enum cache_use cache; /* likewise */
};

/* An empty job with a new token, created now. Free with job_free(). */
struct job *job_new(void);
void job_free(struct job *job);
CLEANUP_FOR(struct job *, job_free)

/*
 * Read the JSON form. Unknown keys are errors that name the key, so that a misspelt limit is never
 * silently ignored. Purely syntactic: language and limits are looked at by job_check().
 *
 * ret      a new job; "id" and "created_at_us" in the JSON (the store's form) are taken over only
 *          when stored is true, and refused otherwise
 * errors   INVALID with the field
 */
MUST_USE struct job *job_from_json(const struct json *json, bool stored, struct err *e);

/* Append the stored form. job_from_json(…, true) reads it back equal. */
void job_to_json(const struct job *job, struct buf *out);

/*
 * A hash of what was asked for: equal for two jobs that differ in nothing but their id and the time
 * they came. A delay counts by its length, not by the time it ends.
 */
void job_fingerprint(const struct job *job, char out[HASH_TEXT]);

/* A hash of what decides the result alone: not who asked, when, how urgently, whom to tell. */
void job_work_hash(const struct job *job, char out[HASH_TEXT]);

/*
 * Complete and check a job: language found in the catalogue, limits filled in from the defaults and
 * the language's multipliers and held against the most allowed, test ids unique, paths safe.
 *
 * errors   INVALID with the field: unknown language (near names offered), limit out of range, ...
 */
MUST_USE bool job_check(struct job *job, const struct catalogue *catalogue,
                        const struct job_policy *policy, struct err *e);

const char *priority_name(enum priority p); /* "low", "normal", "high" */

#endif
