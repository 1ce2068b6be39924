/* SPDX-License-Identifier: Apache-2.0 */
#include "main/settings.h"

#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/memory.h"

#define AT(member) offsetof(struct settings, member)
#define US(s)      ((s)*INT64_C(1000000))
#define MIB(n)     ((n)*INT64_C(1048576))

static const struct conf_item items[] = {
    { "LISTEN", CONF_TEXT, AT(listen), "127.0.0.1:2358", "where the API answers: host:port" },
    { "DATA_DIR", CONF_TEXT, AT(data_dir), NULL,
      "folder of all data; /var/lib/evalx for root, else ~/.local/share/evalx" },
    { "USER", CONF_TEXT, AT(user), NULL,
      "user a server started as root becomes; evalx where it exists, else nobody" },
    { "AUTH_TOKENS", CONF_WORDS, AT(auth_tokens), NULL,
      "tokens that may use the API, any of them; empty: everybody", .secret = true },
    { "ADMIN_TOKENS", CONF_WORDS, AT(admin_tokens), NULL,
      "tokens of the operator (/v1/queue, /v1/webhooks); empty: whoever asks from this machine",
      .secret = true },
    { "METRICS_TOKENS", CONF_WORDS, AT(metrics_tokens), NULL,
      "tokens that may read /metrics, any of them; empty: everybody", .secret = true },
    { "LOG_LEVEL", CONF_CHOICE, AT(log_level), "info", "how much is logged",
      .choices = "debug info warn error" },
    { "LOG_FORMAT", CONF_CHOICE, AT(log_format), "text", "form of a log line: text or json",
      .choices = "text json" },
    { "ACCESS_LOG", CONF_BOOL, AT(access_log), "false",
      "a log line for every request, not only at level debug" },

    { "ROLE", CONF_CHOICE, AT(role), "all",
      "what this process does: api takes submissions, worker runs them, all does both",
      .choices = "all api worker" },
    { "REDIS_URL", CONF_TEXT, AT(redis_url), NULL,
      "Redis 7 that many processes share as queue and store: redis://host:6379; empty: "
      "this process has its own",
      .secret = true },
    { "REDIS_PREFIX", CONF_TEXT, AT(redis_prefix), "evalx",
      "begins every key, so that several deployments can share a Redis" },
    { "REDIS_REPLICAS", CONF_INT, AT(redis_replicas), "0",
      "replicas that must have a submission before its token is given away", NULL, 0, 16 },
    { "DATABASE_URL", CONF_TEXT, AT(database_url), NULL,
      "PostgreSQL that keeps the history of all servers: postgres://user:password@host/database; "
      "empty: it stays where submissions are",
      .secret = true },
    { "DATABASE_CONNECTIONS", CONF_INT, AT(database_connections), "4",
      "connections to that database at one time", NULL, 1, 1000 },
    { "LIVE_KEEP", CONF_TIME, AT(live_keep_us), "10min",
      "how long a finished submission stays quick to get after the database has it", NULL, 0,
      US(86400) * 3650 },
    { "WEBHOOK_SECRET", CONF_WORDS, AT(webhook_secrets), NULL,
      "secrets that sign webhooks, each whsec_...; several while one replaces another; empty: not "
      "signed",
      .secret = true },
    { "WEBHOOK_SCHEDULE", CONF_WORDS, AT(webhook_schedule),
      "0,5,300,1800,7200,18000,36000,50400,72000,86400",
      "seconds before each attempt to deliver a webhook; the first one is at once" },
    { "WEBHOOK_ALLOW", CONF_WORDS, AT(webhook_allow), NULL,
      "networks that are not public and may get webhooks: 10.0.0.0/8, fd00::/8; empty: none" },
    { "WEBHOOK_TIMEOUT", CONF_TIME, AT(webhook_timeout_us), "15s",
      "time of one attempt to deliver a webhook, everything included", NULL, 1000, US(600) },
    { "WEBHOOK_CA", CONF_TEXT, AT(webhook_ca), NULL,
      "PEM file of authorities that receivers' certificates are checked with; empty: the "
      "system's" },
    { "SERVER", CONF_TEXT, AT(server), "http://127.0.0.1:2358",
      "the server that evalx queue and webhooks ask" },
    { "TOKEN", CONF_TEXT, AT(token), NULL, "the operator's token these commands send",
      .secret = true },

    { "LANES", CONF_INT, AT(lanes), "0", "programs that compute at one time; 0: one per core", NULL,
      0, 1023 },
    { "LANES_MAX", CONF_INT, AT(lanes_max), "0",
      "programs at one time with those that sleep or wait; 0: 8 per core", NULL, 0, 1023 },
    { "MEMORY_TOTAL", CONF_BYTES, AT(memory_total_bytes), "0",
      "memory limits of running programs, together; 0: what the machine or container has, less an "
      "eighth (1 GiB at most)",
      NULL, 0, INT64_MAX },
    { "CGROUP", CONF_CHOICE, AT(cgroup), "auto",
      "control groups to measure and limit with; none is weaker and must be asked for",
      .choices = "auto v1 v2 none" },
    { "CGROUP_ROOT", CONF_TEXT, AT(cgroup_root), NULL,
      "folder of control groups that are delegated to this server, for containers: v2: itself, v1: "
      "with memory, pids, cpuacct and cpuset in it; empty: by what is mounted" },
    { "DISK_BYTES", CONF_BYTES, AT(disk_bytes), "256MiB", "writable space of a running program",
      NULL, MIB(1), MIB(65536) },
    { "COLLECT_BYTES", CONF_BYTES, AT(collect_bytes), "4MiB",
      "files brought out of one run (collect), together", NULL, 1, MIB(1024) },
    { "RESULT_BYTES", CONF_BYTES, AT(result_bytes), "64MiB",
      "outputs and files kept of all tests of a submission", NULL, 4096, MIB(512) },
    { "BOX", CONF_TEXT, AT(box_program), NULL, "path of evalx-box; beside evalx when empty" },
    { "LANGUAGES_DIR", CONF_TEXT, AT(languages_dir), NULL,
      "folder of language files; the ones that came with evalx when empty" },

    { "STORE", CONF_CHOICE, AT(store), "sqlite",
      "where submissions are kept; memory forgets them with the process",
      .choices = "sqlite memory" },
    { "QUEUE_MAX", CONF_INT, AT(queue_max), "1000000",
      "waiting submissions at most; above it clients are told to come back", NULL, 1, INT64_MAX },
    { "ATTEMPTS", CONF_INT, AT(attempts), "3",
      "tries of a submission when trouble of the server's own ends it", NULL, 1, 100 },
    { "LEASE", CONF_TIME, AT(lease_us), "60s", "how long a silent worker keeps a submission", NULL,
      US(3), US(86400) },
    { "DRAIN", CONF_TIME, AT(drain_us), "10s",
      "how long a stopping server lets running programs finish", NULL, 0, US(86400) },
    { "DRAIN_DELAY", CONF_TIME, AT(drain_delay_us), "0",
      "how long a stopping server still takes requests while it says that it is not ready, so that "
      "load balancers see it",
      NULL, 0, US(3600) },
    { "RETENTION", CONF_TIME, AT(retention_us), "0",
      "how long finished submissions are kept; 0: for ever", NULL, 0, INT64_MAX },
    { "CACHE_BYTES", CONF_BYTES, AT(cache_bytes), "1GiB", "compiled programs kept on disk", NULL, 0,
      INT64_MAX },
    { "CACHE_MEMORY_BYTES", CONF_BYTES, AT(cache_memory_bytes), "64MiB",
      "compiled programs kept in memory", NULL, 0, INT64_MAX },

    { "RESULT_CACHE_BYTES", CONF_BYTES, AT(result_cache_bytes), "64MiB",
      "results kept in memory for submissions with \"cache\": \"result\"", NULL, 0, INT64_MAX },
    { "SHARED_CACHE_BYTES", CONF_BYTES, AT(shared_cache_bytes), "1GiB",
      "compiled programs, and as much again of results, that all workers share in Redis, "
      "compressed; 0: none",
      NULL, 0, INT64_MAX },
    { "CACHE", CONF_CHOICE, AT(cache), "build",
      "what is reused for submissions that do not say: compiled programs, whole results, nothing",
      .choices = "build result none" },

    { "HTTP_THREADS", CONF_INT, AT(http_threads), "16", "threads that answer requests", NULL, 1,
      256 },
    { "BODY_BYTES", CONF_BYTES, AT(body_bytes), "64MiB", "largest request body", NULL, 1024,
      MIB(2047) },
    { "EVENT_STREAMS", CONF_INT, AT(event_streams), "1000",
      "clients that follow a submission's events at one time", NULL, 1, 100000 },
    { "WAIT_MAX", CONF_TIME, AT(wait_max_us), "5min", "longest wait for a result in one request",
      NULL, 0, US(3600) },

    { "HINTS", CONF_BOOL, AT(hints), "true",
      "say in a sentence why a program failed, unless a client says otherwise" },
    { "HINTS_DIR", CONF_TEXT, AT(hints_dir), NULL,
      "folder of pattern files for hints; beside the program or installed when not given" },
    { "HINTS_LLM_URL", CONF_TEXT, AT(hints_llm.url), NULL,
      "API of a language model that is asked for one more hint, as OpenAI's: "
      "http://127.0.0.1:11434/v1; empty: none is asked" },
    { "HINTS_LLM_MODEL", CONF_TEXT, AT(hints_llm.model), NULL, "the model's name there" },
    { "HINTS_LLM_KEY", CONF_TEXT, AT(hints_llm.key), NULL, "its bearer token", .secret = true },
    { "HINTS_LLM_TIMEOUT", CONF_TIME, AT(hints_llm.timeout_us), "20s",
      "how long an answer may take", NULL, US(1), US(600) },
    { "HINTS_LLM_BUDGET", CONF_INT, AT(hints_llm.per_minute), "60", "questions a minute at most",
      NULL, 1, 1000000 },
    { "TESTS_MAX", CONF_INT, AT(tests_max), "1000", "tests in one submission", NULL, 1, 100000 },
    { "FILES_MAX", CONF_INT, AT(files_max), "200", "files in one submission", NULL, 1, 10000 },
    { "SOURCE_BYTES", CONF_BYTES, AT(source_bytes), "10MiB", "all files of one submission", NULL,
      1024, MIB(1024) },

    { "CPU_TIME", CONF_TIME, AT(defaults.cpu_us), "5s", "CPU time limit by default" },
    { "CPU_EXTRA_TIME", CONF_TIME, AT(defaults.cpu_extra_us), "0",
      "time above the CPU limit before a program is killed" },
    { "WALL_TIME", CONF_TIME, AT(defaults.wall_us), "10s", "wall time limit by default" },
    { "MEMORY", CONF_BYTES, AT(defaults.memory_bytes), "256MiB", "memory limit by default" },
    { "STACK", CONF_BYTES, AT(defaults.stack_bytes), "64MiB", "stack limit by default" },
    { "PROCESSES", CONF_INT, AT(defaults.processes), "60",
      "processes and threads at one time by default" },
    { "OUTPUT_BYTES", CONF_BYTES, AT(defaults.output_bytes), "1MiB",
      "limit of stdout and of stderr by default" },
    { "FILE_BYTES", CONF_BYTES, AT(defaults.file_bytes), "16MiB",
      "largest file a program may write by default" },
    { "MAX_CPU_TIME", CONF_TIME, AT(most.cpu_us), "60s", "most CPU time a client may ask for" },
    { "MAX_CPU_EXTRA_TIME", CONF_TIME, AT(most.cpu_extra_us), "5s",
      "most extra CPU time a client may ask for" },
    { "MAX_WALL_TIME", CONF_TIME, AT(most.wall_us), "120s", "most wall time a client may ask for" },
    { "MAX_MEMORY", CONF_BYTES, AT(most.memory_bytes), "2GiB", "most memory a client may ask for" },
    { "MAX_STACK", CONF_BYTES, AT(most.stack_bytes), "512MiB", "most stack a client may ask for" },
    { "MAX_PROCESSES", CONF_INT, AT(most.processes), "500", "most processes a client may ask for" },
    { "MAX_OUTPUT_BYTES", CONF_BYTES, AT(most.output_bytes), "64MiB",
      "most output a client may ask for" },
    { "MAX_FILE_BYTES", CONF_BYTES, AT(most.file_bytes), "256MiB",
      "largest file limit a client may ask for" },

    { "BUILD_CPU_TIME", CONF_TIME, AT(build_cpu_us), "30s", "CPU time of a build step" },
    { "BUILD_WALL_TIME", CONF_TIME, AT(build_wall_us), "60s", "wall time of a build step" },
    { "BUILD_MEMORY", CONF_BYTES, AT(build_memory_bytes), "2GiB", "memory of a build step" },
    { "BUILD_OUTPUT_BYTES", CONF_BYTES, AT(build_output_bytes), "256KiB",
      "messages kept from a build step" },
};

const struct conf_table settings_table = {
    .prefix = "EVALX_",
    .items = items,
    .count = COUNT_OF(items),
    .strict = true,
    .listed_by = "evalx config",
};
_Static_assert(COUNT_OF(items) <= SETTINGS_MAX, "SETTINGS_MAX is too small");

static const char *default_data_dir(struct arena *arena)
{
    if (geteuid() == 0)
        return "/var/lib/evalx";
    const char *data = getenv("XDG_DATA_HOME");
    if (data && data[0] == '/')
        return arena_printf(arena, "%s/evalx", data);
    const char *home = getenv("HOME");
    return arena_printf(arena, "%s/.local/share/evalx", home ? home : "/tmp");
}

bool settings_load(struct settings *ret, bool *set, struct err *e)
{
    struct settings s = { 0 };
    if (!conf_load(&settings_table, environ, &s, &s.arena, set, e)) {
        settings_done(&s);
        return false;
    }
    if (!s.data_dir)
        s.data_dir = default_data_dir(&s.arena);
    *ret = s;
    return true;
}

void settings_done(struct settings *s)
{
    arena_done(&s->arena);
}

struct job_policy settings_policy(const struct settings *s)
{
    return (struct job_policy){
        .defaults = s->defaults,
        .most = s->most,
        .tests_max = (size_t)s->tests_max,
        .files_max = (size_t)s->files_max,
        .source_bytes_max = (size_t)s->source_bytes,
        .hints = s->hints,
        .cache = (enum cache_use)s->cache,
    };
}

struct engine_config settings_engine(const struct settings *s)
{
    return (struct engine_config){
        .lanes = (int)s->lanes,
        .lanes_max = (int)s->lanes_max,
        .memory_bytes = s->memory_total_bytes,
        .cgroup_root = s->cgroup_root,
        .cache_bytes = s->cache_bytes,
        .cache_memory_bytes = s->cache_memory_bytes,
        .disk_bytes = s->disk_bytes,
        .collect_bytes = s->collect_bytes,
        .result_bytes = s->result_bytes,
        .build = {
            .cpu_us = s->build_cpu_us,
            .wall_us = s->build_wall_us,
            .memory_bytes = s->build_memory_bytes,
            .stack_bytes = MIB(256),
            .output_bytes = s->build_output_bytes,
            .file_bytes = s->disk_bytes,
            .processes = 200,
        },
    };
}

/*
 * A container may have the time of two cores and see sixty: were its lanes on the first two, those
 * of all containers of the machine would be.
 */
static int first_core(const struct settings *s)
{
    cpu_set_t set;
    unsigned int any = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    int all = CPU_COUNT(&set);
    if (cores_for_runs("", s->cgroup_root, all) >= all || getrandom(&any, sizeof any, 0) < 0)
        return 0;
    return (int)(any % (unsigned int)all);
}

struct keeper_config settings_keeper(const struct settings *s)
{
    return (struct keeper_config){
        .program = s->box_program,
        .cgroup = (enum cgroup_want)s->cgroup,
        .cgroup_root = s->cgroup_root,
        .first_core = first_core(s),
        .disk_bytes = s->disk_bytes,
    };
}
