/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge0.h - what the files of the Judge0 face share.
 *
 *   bytes -> judge0_load_body() -> judge0_read() (attributes, checked, in its units)
 *         -> judge0_job() (an ordinary job, with the echo in job.face) -> service
 *   record -> judge0_view (its statuses and columns) -> judge0_render() (the fields asked for)
 *
 * Nothing below this folder knows Judge0.
 */
#ifndef EVALX_HTTP_JUDGE0_H
#define EVALX_HTTP_JUDGE0_H

#include "http/request.h"

/* ---- judge0_params.c: parameters and errors ---- */

/* Parse the body as what its content type says; other types are ignored. errors: INVALID */
MUST_USE bool judge0_load_body(struct request *r, struct err *e);

/* A control parameter: from the query, else a string in the body. NULL when absent. */
const char *judge0_param(const struct request *r, const char *name);

/* base64_encoded, by the configured default. */
bool judge0_is_encoded(const struct request *r);

/* {"status":404,"error":"Not Found"}: what the framework there answers. */
void judge0_error(struct request *r, int status);

/* {"error":"<text>"}: what the application there answers. */
void judge0_refuse(struct request *r, int status, const char *fmt, ...) PRINTF(3, 4);

/* An error of a floor below. */
void judge0_err(struct request *r, const struct err *e);

/* ---- judge0_words.c: options and arguments ---- */

/* What Judge0 lets through to its shell: outer white space and the characters $&;<>|` removed. */
struct str judge0_filter(struct str text, struct arena *arena);

/*
 * Split as a shell would: white space (line breaks too) separates, quotes and backslashes protect.
 * Nothing is expanded. A quote left open reaches to the end.
 *
 * ret  NULL-ended
 */
const char **judge0_split(struct str text, struct arena *arena);

/* ---- judge0_languages.c: ids and names ---- */

/* Name shown for an id: as the language file says, or made of its name and version. */
const char *judge0_language_name(const struct language *l, const struct judge0_name *n,
                                 struct arena *arena);

/* By id, when it may be shown: offered or archived. */
const struct language *judge0_language(const struct catalogue *c, int64_t id,
                                       const struct judge0_name **ret_name);

struct judge0_row {
    int id;
    const char *name;
    bool archived;
    const char *source_file, *compile_cmd, *run_cmd; /* NULL: null */
};

/* The row of an id that may be shown, archived ones included. False: there is none. */
bool judge0_row_find(const struct catalogue *c, int64_t id, struct arena *arena,
                     struct judge0_row *ret);

/* All of them, by name. */
size_t judge0_rows(const struct catalogue *c, bool archived_too, struct arena *arena,
                   struct judge0_row **ret);

/* judge0_archived.c: ids that no catalogue serves any more. */
size_t judge0_archived_count(void);
struct judge0_row judge0_archived_at(size_t index);

/* ---- judge0_view.c: statuses ---- */

extern const struct judge0_status {
    int id;
    const char *description;
} judge0_statuses[];
enum { JUDGE0_STATUS_COUNT = 14 };

/* The status a verdict usually is: for counting, where no single run is looked at. */
int judge0_status_of(enum verdict verdict);

/* ---- judge0_attributes.c: what a submission asks for ---- */

struct judge0_submission {
    struct str source_code, stdin_data, expected_output; /* ptr NULL: null */
    int64_t language_id;
    struct str compiler_options, command_line_arguments, callback_url, additional_files;
    double cpu_time_limit, cpu_extra_time, wall_time_limit;
    int64_t memory_limit, stack_limit, max_processes_and_or_threads, max_file_size;
    int64_t number_of_runs;
    bool enable_per_process_and_thread_time_limit, enable_per_process_and_thread_memory_limit;
    bool redirect_stderr_to_stdout, enable_network;

    const struct language *language; /* set once valid */
    const struct judge0_name *name;
};

/* Where attributes come from: the query first, then an object or a form. */
struct judge0_source {
    const struct params *query; /* NULL in a batch */
    const struct json *object;  /* or NULL */
    const struct params *form;  /* or NULL */
    bool encoded;
};

/* What a 422 says: attribute -> messages, in the order of the first message of each. */
struct judge0_errors {
    struct {
        const char *attribute;
        const char *messages[4];
        size_t count;
    } items[24];
    size_t count;
};

void judge0_errors_add(struct judge0_errors *errors, const char *attribute, const char *message);
void judge0_errors_put(const struct judge0_errors *errors, struct json_writer *w);

/* Read and check all attributes. False: errors says why. */
bool judge0_read(const struct judge0_source *source, const struct context *context,
                 struct arena *arena, struct judge0_submission *ret, struct judge0_errors *errors);

/* What /about says, and programs find in JUDGE0_HOMEPAGE and the like. */
#define JUDGE0_HOMEPAGE    "evalX, a server compatible with Judge0"
#define JUDGE0_SOURCE_CODE "evalX"
#define JUDGE0_MAINTAINER  "the operator of this server"

/* The job a valid submission stands for; owned by the caller. */
struct job *judge0_job(const struct judge0_submission *s, const struct context *context);

/* Append the echo of a submission: column -> value as it is shown. */
void judge0_face_put(const struct judge0_submission *s, const char *language_name, struct buf *out);

/* The echo of a job of the native face. */
void judge0_face_of_native(const struct job *job, const struct context *context,
                           struct arena *arena, struct buf *out);

/* "5.0", "0.002": a decimal column. */
const char *judge0_decimal(double value, struct arena *arena);

/* ---- judge0_view.c: a record as Judge0 tells it ---- */

struct judge0_view {
    const struct record *record;
    const struct json *face;
    int status;
    struct str out, err, compile_output; /* ptr NULL: null */
    const char *message;
    bool ran; /* time, wall_time, memory and exit_code are known */
    int64_t cpu_us, wall_us, memory_kb;
    int exit_code, exit_signal; /* exit_signal 0: null */
};

/* record must hold its job, and its result when final. Text lives in arena. */
void judge0_view(const struct record *record, const struct json *face,
                 const struct context *context, struct arena *arena, struct judge0_view *ret);

/* ---- judge0_render.c: fields ---- */

/*
 * The set of fields a request asks for.
 *
 * ret     bits over the table of fields
 * return  NULL, or the sentence of the 400 that names the invalid ones
 */
const char *judge0_fields(const char *asked, struct arena *arena, uint64_t *ret);
uint64_t judge0_fields_default(void);

/*
 * Write one submission as an object.
 *
 * return  false: some text asked for is not UTF-8 and encoded is off; nothing was written
 */
bool judge0_render(const struct judge0_view *v, uint64_t fields, bool encoded,
                   struct json_writer *w);

/* As above, straight from a record. */
bool judge0_render_for(const struct context *c, const struct record *record, uint64_t fields,
                       bool encoded, struct json_writer *w);
bool judge0_render_record(struct request *r, const struct record *record, uint64_t fields,
                          bool encoded, struct json_writer *w);

/* ---- judge0_submissions.c ---- */

/* The order of work has room for n more; else the 503 is written. */
bool judge0_has_room(struct request *r, int64_t n);

/* ---- judge0_config.c ---- */
void judge0_config_put(const struct judge0_config *c, struct json_writer *w);

#endif
