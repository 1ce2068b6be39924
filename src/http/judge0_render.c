/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table holds every field in the order of the output. The sets without a name ("*" and the
 * default) never gain a key: the official SDK refuses what it does not know.
 */
#include "base/clock.h"
#include "base/text.h"
#include "http/judge0.h"

struct writing {
    struct json_writer *w;
    const struct judge0_view *v;
    bool encoded;
};

enum {
    IN_DEFAULT = 1u << 0,
    BY_NAME = 1u << 1, /* ours: only when asked for by its name */
};

struct field {
    const char *name;
    void (*put)(const struct writing *g, const struct field *f);
    /* Text that base64_encoded applies to; NULL for other columns. */
    struct str (*text)(const struct judge0_view *v);
    unsigned flags;
};

/* ---- texts ---- */

static const struct job_test *test_of(const struct judge0_view *v)
{
    const struct job *job = v->record->job;
    return job && job->test_count ? &job->tests[0] : NULL;
}

static struct str source_text(const struct judge0_view *v)
{
    const struct job *job = v->record->job;
    return job && job->file_count ? job->files[0].content : STR_NULL;
}

static struct str stdin_text(const struct judge0_view *v)
{
    return test_of(v) ? test_of(v)->stdin_data : STR_NULL;
}

static struct str expected_text(const struct judge0_view *v)
{
    return test_of(v) ? test_of(v)->expected : STR_NULL;
}

static struct str out_text(const struct judge0_view *v)
{
    return v->out;
}

static struct str err_text(const struct judge0_view *v)
{
    return v->err;
}

static struct str compile_text(const struct judge0_view *v)
{
    return v->compile_output;
}

static struct str message_text(const struct judge0_view *v)
{
    return str_of(v->message);
}

/* A line break after every 60 characters and at the end. */
static void put_base64(struct json_writer *w, struct str bytes)
{
    CLEANUP(buf_done) struct buf plain = { 0 }, lines = { 0 };
    base64_add(&plain, bytes);
    for (size_t i = 0; i < plain.len; i += 60) {
        buf_add(&lines, plain.ptr + i, MIN((size_t)60, plain.len - i));
        buf_add_char(&lines, '\n');
    }
    json_put_str(w, buf_str(&lines));
}

static void put_coded(const struct writing *g, const struct field *f)
{
    struct str text = f->text(g->v);
    if (!text.ptr)
        json_put_null(g->w);
    else if (g->encoded)
        put_base64(g->w, text);
    else
        json_put_str(g->w, text);
}

/* ---- other columns ---- */

static void put_echo(const struct writing *g, const struct field *f)
{
    const struct json *node = json_get(g->v->face, f->name);
    if (!node || json_kind(node) == JSON_NULL) {
        json_put_null(g->w);
        return;
    }
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(node, &text);
    json_put_raw(g->w, buf_str(&text));
}

static void put_time(struct json_writer *w, int64_t us)
{
    char text[32];
    wall_text(us, text, sizeof text);
    json_put_text(w, us ? text : NULL);
}

static void put_created(const struct writing *g, UNUSED const struct field *f)
{
    put_time(g->w, g->v->record->created_us);
}

static void put_finished(const struct writing *g, UNUSED const struct field *f)
{
    put_time(g->w, g->v->status > 2 ? g->v->record->finished_us : 0);
}

/* Seconds with milliseconds, cut off: "0.002", "0.0", "1.5". */
static void put_seconds(const struct writing *g, int64_t us)
{
    if (!g->v->ran) {
        json_put_null(g->w);
        return;
    }
    struct arena arena = { 0 };
    int64_t ms = us / US_PER_MS;
    json_put_text(g->w, judge0_decimal((double)ms / 1000.0, &arena));
    arena_done(&arena);
}

static void put_cpu(const struct writing *g, UNUSED const struct field *f)
{
    put_seconds(g, g->v->cpu_us);
}

static void put_wall(const struct writing *g, UNUSED const struct field *f)
{
    put_seconds(g, g->v->wall_us);
}

static void put_int_if(const struct writing *g, bool known, int64_t value)
{
    if (known)
        json_put_int(g->w, value);
    else
        json_put_null(g->w);
}

static void put_memory(const struct writing *g, UNUSED const struct field *f)
{
    put_int_if(g, g->v->ran, g->v->memory_kb);
}

static void put_exit_code(const struct writing *g, UNUSED const struct field *f)
{
    put_int_if(g, g->v->ran, g->v->exit_code);
}

static void put_exit_signal(const struct writing *g, UNUSED const struct field *f)
{
    put_int_if(g, g->v->ran && g->v->exit_signal, g->v->exit_signal);
}

static void put_token(const struct writing *g, UNUSED const struct field *f)
{
    json_put_text(g->w, g->v->record->id);
}

static void put_status_id(const struct writing *g, UNUSED const struct field *f)
{
    json_put_int(g->w, g->v->status);
}

static void put_status(const struct writing *g, UNUSED const struct field *f)
{
    json_put_object(g->w);
    json_put_key(g->w, "id");
    json_put_int(g->w, g->v->status);
    json_put_key(g->w, "description");
    json_put_text(g->w, judge0_statuses[g->v->status - 1].description);
    json_put_object_end(g->w);
}

static void put_language(const struct writing *g, UNUSED const struct field *f)
{
    const struct json *name = json_get(g->v->face, "language_name");
    static const struct field id = { .name = "language_id" };
    json_put_object(g->w);
    json_put_key(g->w, "id");
    put_echo(g, &id);
    json_put_key(g->w, "name");
    json_put_text(g->w, name ? json_as_str(name).ptr : NULL);
    json_put_object_end(g->w);
}

static void put_verdict(const struct writing *g, UNUSED const struct field *f)
{
    const struct result *result = g->v->record->result;
    json_put_text(g->w, result ? verdict_name(result->verdict) : NULL);
}

static void put_hints(const struct writing *g, UNUSED const struct field *f)
{
    const struct result *result = g->v->record->result;
    json_put_array(g->w);
    for (size_t i = 0; result && i < result->hint_count; i++)
        json_put_text(g->w, result->hints[i].text);
    json_put_array_end(g->w);
}

static const struct field fields[] = {
    { "source_code", put_coded, source_text, 0 },
    { "language_id", put_echo, NULL, 0 },
    { "stdin", put_coded, stdin_text, 0 },
    { "expected_output", put_coded, expected_text, 0 },
    { "stdout", put_coded, out_text, IN_DEFAULT },
    { "status_id", put_status_id, NULL, 0 },
    { "created_at", put_created, NULL, 0 },
    { "finished_at", put_finished, NULL, 0 },
    { "time", put_cpu, NULL, IN_DEFAULT },
    { "memory", put_memory, NULL, IN_DEFAULT },
    { "stderr", put_coded, err_text, IN_DEFAULT },
    { "token", put_token, NULL, IN_DEFAULT },
    { "number_of_runs", put_echo, NULL, 0 },
    { "cpu_time_limit", put_echo, NULL, 0 },
    { "cpu_extra_time", put_echo, NULL, 0 },
    { "wall_time_limit", put_echo, NULL, 0 },
    { "memory_limit", put_echo, NULL, 0 },
    { "stack_limit", put_echo, NULL, 0 },
    { "max_processes_and_or_threads", put_echo, NULL, 0 },
    { "enable_per_process_and_thread_time_limit", put_echo, NULL, 0 },
    { "enable_per_process_and_thread_memory_limit", put_echo, NULL, 0 },
    { "max_file_size", put_echo, NULL, 0 },
    { "compile_output", put_coded, compile_text, IN_DEFAULT },
    { "exit_code", put_exit_code, NULL, 0 },
    { "exit_signal", put_exit_signal, NULL, 0 },
    { "message", put_coded, message_text, IN_DEFAULT },
    { "wall_time", put_wall, NULL, 0 },
    { "compiler_options", put_echo, NULL, 0 },
    { "command_line_arguments", put_echo, NULL, 0 },
    { "redirect_stderr_to_stdout", put_echo, NULL, 0 },
    { "callback_url", put_echo, NULL, 0 },
    { "additional_files", put_echo, NULL, 0 },
    { "enable_network", put_echo, NULL, 0 },
    { "status", put_status, NULL, IN_DEFAULT },
    { "language", put_language, NULL, 0 },
    { "verdict", put_verdict, NULL, BY_NAME },
    { "hints", put_hints, NULL, BY_NAME },
};
_Static_assert(COUNT_OF(fields) <= 64, "a set of fields is one word");

/* ---- sets ---- */

static uint64_t set_where(unsigned flags, bool wanted)
{
    uint64_t set = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (((fields[i].flags & flags) != 0) == wanted)
            set |= UINT64_C(1) << i;
    return set;
}

uint64_t judge0_fields_default(void)
{
    return set_where(IN_DEFAULT, true);
}

static uint64_t set_named(struct str name)
{
    if (str_is(name, "*"))
        return set_where(BY_NAME, false);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (str_is(name, fields[i].name))
            return UINT64_C(1) << i;
    return 0;
}

const char *judge0_fields(const char *asked, struct arena *arena, uint64_t *ret)
{
    CLEANUP(buf_done) struct buf bad = { 0 };
    uint64_t set = 0;
    while (asked && *asked) {
        struct str name = { asked, strcspn(asked, ",") };
        asked += name.len + (asked[name.len] == ',');
        uint64_t found = name.len ? set_named(name) : 0;
        if (name.len && !found)
            buf_addf(&bad, "%s%.*s", bad.len ? ", " : "", STR_FMT(name));
        set |= found;
    }
    *ret = set ? set : judge0_fields_default();
    return bad.len ? arena_printf(arena, "invalid fields: [%s]", bad.ptr) : NULL;
}

/* ---- one submission ---- */

static bool can_be_sent(const struct judge0_view *v, uint64_t set)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if ((set >> i & 1) && fields[i].text && fields[i].text != message_text &&
            !utf8_valid(fields[i].text(v)))
            return false;
    return true;
}

bool judge0_render(const struct judge0_view *v, uint64_t set, bool encoded, struct json_writer *w)
{
    if (!encoded && !can_be_sent(v, set))
        return false;
    struct writing g = { w, v, encoded };
    json_put_object(w);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (!(set >> i & 1))
            continue;
        json_put_key(w, fields[i].name);
        fields[i].put(&g, &fields[i]);
    }
    json_put_object_end(w);
    return true;
}

bool judge0_render_for(const struct context *c, const struct record *record, uint64_t set,
                       bool encoded, struct json_writer *w)
{
    CLEANUP(buf_done) struct buf made = { 0 };
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct str text = str_of(record->job->face);
    struct err e;
    if (!text.ptr) {
        judge0_face_of_native(record->job, c, &arena, &made);
        text = buf_str(&made);
    }
    CLEANUP(json_free) struct json *face = json_parse(text, &e); /* NULL: columns are null */
    struct judge0_view view;
    judge0_view(record, face, c, &arena, &view);
    return judge0_render(&view, set, encoded, w);
}

bool judge0_render_record(struct request *r, const struct record *record, uint64_t set,
                          bool encoded, struct json_writer *w)
{
    return judge0_render_for(r->context, record, set, encoded, w);
}
