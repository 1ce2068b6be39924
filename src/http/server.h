/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - both faces of the API over one service: the native one below /v1 (and /health,
 * /openapi.json), Judge0's at the root.
 *
 * A request lives in an arena of its own: read whole (bounded), handled on one of a few threads,
 * answered, freed. Handlers may block for one fsync. A client that waits for a verdict holds no
 * thread: its connection is put aside and taken up again by the end of its job or by its deadline.
 *
 * Not here  what a submission may do (job/), how it is run (service/).
 */
#ifndef EVALX_HTTP_SERVER_H
#define EVALX_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "drivers/web.h"
#include "sandbox/box.h"
#include "service/service.h"

/*
 * What Judge0's configuration file says, in its units: seconds and kilobytes. The comment of each
 * group names the variables; judge0_config_read() fills all but the last group.
 *
 * Additional files are not served yet: whatever is configured, /config_info says that they are off,
 * and asking for them is a 422 as it is there.
 */
struct judge0_config {
    /* MAINTENANCE_MODE, MAINTENANCE_MESSAGE: new submissions get 503 and this text */
    bool maintenance_mode;
    const char *maintenance_message;

    /* ENABLE_WAIT_RESULT, ... */
    bool enable_wait_result;
    bool enable_compiler_options;
    const char *allowed_languages_for_compiler_options; /* words; "": all */
    bool enable_command_line_arguments;
    bool enable_submission_delete;
    bool enable_batched_submissions;
    int64_t max_submission_batch_size;
    bool enable_callbacks;
    int64_t callbacks_max_tries;
    double callbacks_timeout;         /* seconds, of one try */
    double submission_cache_duration; /* reported only: evalX is always fresh */
    bool use_docs_as_homepage;
    int64_t max_queue_size; /* reported and obeyed; the service's own bound holds as well */
    int64_t max_extract_size;

    /* CPU_TIME_LIMIT, MAX_CPU_TIME_LIMIT, ...: seconds */
    double cpu_time_limit, max_cpu_time_limit;
    double cpu_extra_time, max_cpu_extra_time;
    double wall_time_limit, max_wall_time_limit;
    /* MEMORY_LIMIT, MAX_MEMORY_LIMIT, ...: kilobytes (of 1024 bytes), counts */
    int64_t memory_limit, max_memory_limit;
    int64_t stack_limit, max_stack_limit;
    int64_t max_processes_and_or_threads, max_max_processes_and_or_threads;
    int64_t max_file_size, max_max_file_size;
    int64_t number_of_runs, max_number_of_runs;

    bool enable_per_process_and_thread_time_limit;
    bool allow_enable_per_process_and_thread_time_limit;
    bool enable_per_process_and_thread_memory_limit;
    bool allow_enable_per_process_and_thread_memory_limit;
    bool redirect_stderr_to_stdout;
    bool enable_network;
    bool allow_enable_network;

    /* Who may talk to us; words separated by spaces, "": see the contract. These guard both faces.
     */
    const char *authn_header, *authn_token; /* AUTHN_HEADER, AUTHN_TOKEN */
    const char *authz_header, *authz_token; /* AUTHZ_HEADER, AUTHZ_TOKEN */
    const char *allow_origin, *disallow_origin;
    const char *allow_ip, *disallow_ip;

    /* Ours. */
    const char *version;  /* what /about and /version report: "1.14.0" */
    bool implicit_base64; /* base64_encoded is on unless "false", as on Judge0's master branch */
    bool precise;         /* signals are statuses 7 to 12, not 11 with exit code 128 + n */
};

/* Judge0's own defaults, with evalX's reported version. */
struct judge0_config judge0_config_default(void);

/*
 * Overwrite c with the variables of Judge0's names that are set; an empty value keeps what is
 * there.
 *
 * environment  NULL-ended "NAME=value", as environ; texts are borrowed from it
 * errors       INVALID, field is the variable's name
 */
MUST_USE bool judge0_config_read(struct judge0_config *c, char *const *environment, struct err *e);

/* The most a Judge0 submission may ask for; job_policy.most must not be below it. */
struct limits judge0_config_most(const struct judge0_config *c);

struct http_config {
    const char *listen;    /* host:port, [v6]:port, :port for every address; port 0: any free one */
    size_t body_bytes_max; /* larger bodies are refused with 413 */
    int64_t wait_max_us;   /* a client waits this long at most */
    int threads;           /* 0: 16 */
    int connections;       /* at one time; 0: 4096 */
    int event_streams;     /* clients that follow a submission, at one time; 0: 1000 */
    bool access_log;       /* a line per request at level info, not debug */
    int64_t idle_us;       /* a connection without progress is closed; 0: 30 s */
    const char *version;   /* evalX's */
    const char *const *auth_tokens;    /* NULL-ended, or NULL: further tokens, as AUTHN_TOKEN's */
    const char *const *admin_tokens;   /* likewise, the operator's; none: from this machine only */
    const char *const *metrics_tokens; /* likewise, who may read /metrics; none: everybody */
    const char *role;                  /* what this process does: "all", "api", "worker" */
    const char *data_dir;              /* whose disk is watched, or NULL */
    bool worker;                       /* a worker's: no submissions, only what tells how it is */
    struct judge0_config judge0;
    const struct web_guard *guard; /* whom results are sent to; NULL: public addresses; borrowed */
    const struct layer *layers;    /* result of keeper_probe(), for /health; borrowed */
    size_t layer_count;
};

struct http;

/*
 * Listen and serve. Texts of the configuration are borrowed until http_stop().
 *
 * errors  INVALID listen is no address; SYSTEM it cannot be bound
 */
MUST_USE struct http *http_start(const struct http_config *config, struct service *service,
                                 struct err *e);

/* Append the body of a delivery: h is a struct http. As webhook/sender.h has it. */
void http_render_delivery(void *h, enum delivery_kind kind, const struct record *r,
                          struct buf *out);

/* The port that was bound. */
int http_port(const struct http *h);

/* Take no new connections; those there are go on being served, each until its next answer. */
void http_quiesce(struct http *h);

/* Accept nothing more, answer those who wait with what is known, close. Accepts NULL. */
void http_stop(struct http *h);
CLEANUP_FOR(struct http *, http_stop)

#endif
