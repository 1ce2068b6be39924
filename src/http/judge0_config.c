/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judge0's variables: one table says name, place and default, reads the environment, and prints
 * /config_info in its order.
 */
#include <math.h>

#include "base/text.h"
#include "http/judge0.h"

enum kind {
    FLAG,
    INTEGER,
    SECONDS, /* double */
    TEXT,
    WORDS,    /* text that /config_info shows as an array */
    INVERTED, /* a flag whose variable says the opposite */
    NEVER,    /* a flag that is off whatever is configured: the feature is not there */
};

#define AT(member) offsetof(struct judge0_config, member)

/* Defaults are written as somebody would write them in the file. */
static const struct item {
    const char *json; /* key in /config_info; NULL: not shown */
    const char *env;  /* variable; NULL: not settable */
    enum kind kind;
    size_t offset;
    const char *fallback;
} items[] = {
    { "maintenance_mode", "MAINTENANCE_MODE", FLAG, AT(maintenance_mode), "false" },
    { NULL, "MAINTENANCE_MESSAGE", TEXT, AT(maintenance_message),
      "Judge0 is currently in maintenance." },
    { "enable_wait_result", "ENABLE_WAIT_RESULT", FLAG, AT(enable_wait_result), "true" },
    { "enable_compiler_options", "ENABLE_COMPILER_OPTIONS", FLAG, AT(enable_compiler_options),
      "true" },
    { "allowed_languages_for_compile_options", "ALLOWED_LANGUAGES_FOR_COMPILER_OPTIONS", WORDS,
      AT(allowed_languages_for_compiler_options), "" },
    { "enable_command_line_arguments", "ENABLE_COMMAND_LINE_ARGUMENTS", FLAG,
      AT(enable_command_line_arguments), "true" },
    { "enable_submission_delete", "ENABLE_SUBMISSION_DELETE", FLAG, AT(enable_submission_delete),
      "false" },
    { "enable_callbacks", "ENABLE_CALLBACKS", FLAG, AT(enable_callbacks), "true" },
    { "callbacks_max_tries", "CALLBACKS_MAX_TRIES", INTEGER, AT(callbacks_max_tries), "3" },
    { "callbacks_timeout", "CALLBACKS_TIMEOUT", SECONDS, AT(callbacks_timeout), "5" },
    { "enable_additional_files", NULL, NEVER, 0, NULL },
    { "max_queue_size", "MAX_QUEUE_SIZE", INTEGER, AT(max_queue_size), "100" },
    { "cpu_time_limit", "CPU_TIME_LIMIT", SECONDS, AT(cpu_time_limit), "5" },
    { "max_cpu_time_limit", "MAX_CPU_TIME_LIMIT", SECONDS, AT(max_cpu_time_limit), "15" },
    { "cpu_extra_time", "CPU_EXTRA_TIME", SECONDS, AT(cpu_extra_time), "1" },
    { "max_cpu_extra_time", "MAX_CPU_EXTRA_TIME", SECONDS, AT(max_cpu_extra_time), "5" },
    { "wall_time_limit", "WALL_TIME_LIMIT", SECONDS, AT(wall_time_limit), "10" },
    { "max_wall_time_limit", "MAX_WALL_TIME_LIMIT", SECONDS, AT(max_wall_time_limit), "20" },
    { "memory_limit", "MEMORY_LIMIT", INTEGER, AT(memory_limit), "128000" },
    { "max_memory_limit", "MAX_MEMORY_LIMIT", INTEGER, AT(max_memory_limit), "512000" },
    { "stack_limit", "STACK_LIMIT", INTEGER, AT(stack_limit), "64000" },
    { "max_stack_limit", "MAX_STACK_LIMIT", INTEGER, AT(max_stack_limit), "128000" },
    { "max_processes_and_or_threads", "MAX_PROCESSES_AND_OR_THREADS", INTEGER,
      AT(max_processes_and_or_threads), "60" },
    { "max_max_processes_and_or_threads", "MAX_MAX_PROCESSES_AND_OR_THREADS", INTEGER,
      AT(max_max_processes_and_or_threads), "120" },
    { "enable_per_process_and_thread_time_limit", "ENABLE_PER_PROCESS_AND_THREAD_TIME_LIMIT", FLAG,
      AT(enable_per_process_and_thread_time_limit), "false" },
    { "allow_enable_per_process_and_thread_time_limit",
      "ALLOW_ENABLE_PER_PROCESS_AND_THREAD_TIME_LIMIT", FLAG,
      AT(allow_enable_per_process_and_thread_time_limit), "true" },
    { "enable_per_process_and_thread_memory_limit", "ENABLE_PER_PROCESS_AND_THREAD_MEMORY_LIMIT",
      FLAG, AT(enable_per_process_and_thread_memory_limit), "false" },
    { "allow_enable_per_process_and_thread_memory_limit",
      "ALLOW_ENABLE_PER_PROCESS_AND_THREAD_MEMORY_LIMIT", FLAG,
      AT(allow_enable_per_process_and_thread_memory_limit), "true" },
    { "max_file_size", "MAX_FILE_SIZE", INTEGER, AT(max_file_size), "1024" },
    { "max_max_file_size", "MAX_MAX_FILE_SIZE", INTEGER, AT(max_max_file_size), "4096" },
    { "number_of_runs", "NUMBER_OF_RUNS", INTEGER, AT(number_of_runs), "1" },
    { "max_number_of_runs", "MAX_NUMBER_OF_RUNS", INTEGER, AT(max_number_of_runs), "20" },
    { "redirect_stderr_to_stdout", "REDIRECT_STDERR_TO_STDOUT", FLAG, AT(redirect_stderr_to_stdout),
      "false" },
    { "max_extract_size", "MAX_EXTRACT_SIZE", INTEGER, AT(max_extract_size), "10240" },
    { "enable_batched_submissions", "ENABLE_BATCHED_SUBMISSIONS", FLAG,
      AT(enable_batched_submissions), "true" },
    { "max_submission_batch_size", "MAX_SUBMISSION_BATCH_SIZE", INTEGER,
      AT(max_submission_batch_size), "20" },
    { "submission_cache_duration", "SUBMISSION_CACHE_DURATION", SECONDS,
      AT(submission_cache_duration), "1" },
    { "use_docs_as_homepage", "USE_DOCS_AS_HOMEPAGE", FLAG, AT(use_docs_as_homepage), "false" },
    { "allow_enable_network", "ALLOW_ENABLE_NETWORK", FLAG, AT(allow_enable_network), "true" },
    { "enable_network", "ENABLE_NETWORK", FLAG, AT(enable_network), "false" },

    /* Judge0's master branch takes base64 for granted; here that must be asked for by "false". */
    { NULL, "DISABLE_IMPLICIT_BASE64_ENCODING", INVERTED, AT(implicit_base64), "true" },
    { NULL, "AUTHN_HEADER", TEXT, AT(authn_header), "X-Auth-Token" },
    { NULL, "AUTHN_TOKEN", TEXT, AT(authn_token), "" },
    { NULL, "AUTHZ_HEADER", TEXT, AT(authz_header), "X-Auth-User" },
    { NULL, "AUTHZ_TOKEN", TEXT, AT(authz_token), "" },
    { NULL, "ALLOW_ORIGIN", TEXT, AT(allow_origin), "" },
    { NULL, "DISALLOW_ORIGIN", TEXT, AT(disallow_origin), "" },
    { NULL, "ALLOW_IP", TEXT, AT(allow_ip), "" },
    { NULL, "DISALLOW_IP", TEXT, AT(disallow_ip), "" },
};

/* A flag that is on by default is off only when it says "false", and the other way round. */
static bool flag_of(const char *value, const char *fallback)
{
    const char *other = strcmp(fallback, "true") == 0 ? "false" : "true";
    return strcmp(value, other) == 0 ? strcmp(other, "true") == 0 : strcmp(fallback, "true") == 0;
}

static bool number_set(const struct item *item, const char *value, void *at, struct err *e)
{
    double number;
    if (!parse_double(str_of(value), &number) || number < 0 || number > 1e12)
        return err_invalid(e, item->env, "%s=%s: must be a number, 0 or more", item->env, value);
    if (item->kind == SECONDS)
        *(double *)at = number;
    else if (number == floor(number))
        *(int64_t *)at = (int64_t)number;
    else
        return err_invalid(e, item->env, "%s=%s: must be a whole number", item->env, value);
    return true;
}

static bool item_set(struct judge0_config *c, const struct item *item, const char *value,
                     struct err *e)
{
    void *at = (char *)c + item->offset;
    switch (item->kind) {
    case FLAG:
        *(bool *)at = flag_of(value, item->fallback);
        return true;
    case INVERTED:
        *(bool *)at = !flag_of(value, item->fallback);
        return true;
    case INTEGER:
    case SECONDS:
        return number_set(item, value, at, e);
    case TEXT:
    case WORDS:
        *(const char **)at = value;
        return true;
    case NEVER:
    default:
        return true;
    }
}

struct judge0_config judge0_config_default(void)
{
    struct judge0_config c = { .version = "1.14.0" };
    struct err e;
    for (size_t i = 0; i < COUNT_OF(items); i++)
        CHECK(item_set(&c, &items[i], items[i].fallback, &e));
    return c;
}

static const char *environment_get(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

bool judge0_config_read(struct judge0_config *c, char *const *environment, struct err *e)
{
    struct judge0_config changed = *c;
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        const char *value = items[i].env ? environment_get(environment, items[i].env) : NULL;
        if (value && *value && !item_set(&changed, &items[i], value, e))
            return false;
    }
    *c = changed;
    return true;
}

static int64_t seconds_us(double seconds)
{
    return llround(seconds * (double)1000000);
}

struct limits judge0_config_most(const struct judge0_config *c)
{
    return (struct limits){
        .cpu_us = seconds_us(c->max_cpu_time_limit),
        .cpu_extra_us = seconds_us(c->max_cpu_extra_time),
        .wall_us = seconds_us(c->max_wall_time_limit),
        .memory_bytes = c->max_memory_limit * 1024,
        .stack_bytes = c->max_stack_limit * 1024,
        .processes = c->max_max_processes_and_or_threads,
        .output_bytes = c->max_max_file_size * 1024,
        .file_bytes = c->max_max_file_size * 1024,
    };
}

static void put_words(struct json_writer *w, const char *words)
{
    json_put_array(w);
    while (*(words += strspn(words, " \t\r\n"))) {
        size_t len = strcspn(words, " \t\r\n");
        json_put_str(w, (struct str){ words, len });
        words += len;
    }
    json_put_array_end(w);
}

/* A float there: 5.0, never 5. */
static void put_seconds(struct json_writer *w, double seconds)
{
    char text[32];
    int len = snprintf(text, sizeof text, seconds == floor(seconds) ? "%.1f" : "%.15g", seconds);
    json_put_raw(w, (struct str){ text, (size_t)len });
}

void judge0_config_put(const struct judge0_config *c, struct json_writer *w)
{
    json_put_object(w);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        const void *at = (const char *)c + items[i].offset;
        if (!items[i].json)
            continue;
        json_put_key(w, items[i].json);
        if (items[i].kind == FLAG)
            json_put_bool(w, *(const bool *)at);
        else if (items[i].kind == INTEGER)
            json_put_int(w, *(const int64_t *)at);
        else if (items[i].kind == SECONDS)
            put_seconds(w, *(const double *)at);
        else if (items[i].kind == WORDS)
            put_words(w, *(const char *const *)at);
        else
            json_put_bool(w, false);
    }
    json_put_object_end(w);
}
