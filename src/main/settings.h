/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - every EVALX_ variable, in one table (settings.c).
 *
 * Threads: loaded once at start, const from then on.
 */
#ifndef EVALX_MAIN_SETTINGS_H
#define EVALX_MAIN_SETTINGS_H

#include "base/conf.h"
#include "base/log.h"
#include "engine/engine.h"
#include "hints/llm.h"
#include "job/job.h"
#include "sandbox/box.h"

enum { STORE_SQLITE, STORE_MEMORY };
enum { ROLE_ALL, ROLE_API, ROLE_WORKER };

struct settings {
    struct arena arena; /* the texts */

    const char *listen;
    const char *data_dir; /* NULL: chosen by settings_load() */
    const char *user;     /* the user to become; NULL: evalx, or nobody */
    int log_level, log_format;
    bool access_log;

    int role;
    const char *redis_url, *redis_prefix; /* url NULL: everything in this process */
    int64_t redis_replicas;
    const char *database_url; /* NULL: no history behind the store */
    int64_t database_connections, live_keep_us;
    const char **admin_tokens, **metrics_tokens;
    const char **webhook_secrets, **webhook_schedule, **webhook_allow;
    int64_t webhook_timeout_us;
    const char *webhook_ca;
    const char *server, *token; /* for the commands that ask a server */

    int64_t lanes, lanes_max, memory_total_bytes;
    int cgroup;
    const char *cgroup_root;
    int64_t disk_bytes, collect_bytes, result_bytes;
    const char *box_program, *languages_dir;

    int store;
    int64_t queue_max, attempts, lease_us, drain_us, drain_delay_us, retention_us;
    int64_t cache_bytes, cache_memory_bytes, result_cache_bytes, shared_cache_bytes;
    int cache;

    int64_t http_threads, event_streams, body_bytes, wait_max_us;
    const char **auth_tokens;

    bool hints;
    const char *hints_dir;
    struct llm_config hints_llm;
    int64_t tests_max, files_max, source_bytes;
    struct limits defaults, most;
    int64_t build_cpu_us, build_wall_us, build_memory_bytes, build_output_bytes;
};

extern const struct conf_table settings_table;
enum { SETTINGS_MAX = 128 };

/*
 * Read the environment.
 *
 * set     NULL, or SETTINGS_MAX flags: which came from the environment
 * errors  INVALID naming the variable
 */
MUST_USE bool settings_load(struct settings *ret, bool *set, struct err *e);
void settings_done(struct settings *s);
CLEANUP_FOR_STRUCT(struct settings, settings_done)

struct job_policy settings_policy(const struct settings *s);
struct engine_config settings_engine(const struct settings *s);
struct keeper_config settings_keeper(const struct settings *s);

#endif
