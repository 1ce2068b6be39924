/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Judge0 submission asks for: one table of attributes reads, defaults and bounds them. Types
 * are converted as there: numbers may be texts, what cannot be meant counts as absent, ranges are
 * checked before fractions are cut off.
 */
#include <math.h>
#include <stdarg.h>

#include "base/text.h"
#include "http/deliver.h"
#include "http/judge0.h"

enum kind {
    CODE,    /* text that base64_encoded applies to */
    TEXT,    /* text as it is */
    INTEGER, /* no bounds here */
    COUNTED, /* int64_t, bounded */
    DECIMAL, /* double, bounded */
    FLAG,
};

#define AT(member)   offsetof(struct judge0_submission, member)
#define CONF(member) offsetof(struct judge0_config, member)

/* In the order of Judge0's validations, which is the order of the keys of a 422. */
static const struct attribute {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t fallback, most; /* in the configuration; for a flag, most is what allows it, or 0 */
    double least;
} attributes[] = {
    { "source_code", CODE, AT(source_code), 0, 0, 0 },
    { "additional_files", TEXT, AT(additional_files), 0, 0, 0 },
    { "language_id", INTEGER, AT(language_id), 0, 0, 0 },
    { "number_of_runs", COUNTED, AT(number_of_runs), CONF(number_of_runs), CONF(max_number_of_runs),
      1 },
    { "cpu_time_limit", DECIMAL, AT(cpu_time_limit), CONF(cpu_time_limit), CONF(max_cpu_time_limit),
      0 },
    { "cpu_extra_time", DECIMAL, AT(cpu_extra_time), CONF(cpu_extra_time), CONF(max_cpu_extra_time),
      0 },
    { "wall_time_limit", DECIMAL, AT(wall_time_limit), CONF(wall_time_limit),
      CONF(max_wall_time_limit), 1 },
    { "memory_limit", COUNTED, AT(memory_limit), CONF(memory_limit), CONF(max_memory_limit), 2048 },
    { "stack_limit", COUNTED, AT(stack_limit), CONF(stack_limit), CONF(max_stack_limit), 0 },
    { "max_processes_and_or_threads", COUNTED, AT(max_processes_and_or_threads),
      CONF(max_processes_and_or_threads), CONF(max_max_processes_and_or_threads), 1 },
    { "enable_per_process_and_thread_time_limit", FLAG,
      AT(enable_per_process_and_thread_time_limit), CONF(enable_per_process_and_thread_time_limit),
      CONF(allow_enable_per_process_and_thread_time_limit), 0 },
    { "enable_per_process_and_thread_memory_limit", FLAG,
      AT(enable_per_process_and_thread_memory_limit),
      CONF(enable_per_process_and_thread_memory_limit),
      CONF(allow_enable_per_process_and_thread_memory_limit), 0 },
    { "max_file_size", COUNTED, AT(max_file_size), CONF(max_file_size), CONF(max_max_file_size),
      0 },
    { "compiler_options", TEXT, AT(compiler_options), 0, 0, 0 },
    { "command_line_arguments", TEXT, AT(command_line_arguments), 0, 0, 0 },
    { "stdin", CODE, AT(stdin_data), 0, 0, 0 },
    { "expected_output", CODE, AT(expected_output), 0, 0, 0 },
    { "callback_url", TEXT, AT(callback_url), 0, 0, 0 },
    { "redirect_stderr_to_stdout", FLAG, AT(redirect_stderr_to_stdout),
      CONF(redirect_stderr_to_stdout), 0, 0 },
    { "enable_network", FLAG, AT(enable_network), CONF(enable_network), 0, 0 },
};

/* ---- values ---- */

enum value_kind { ABSENT, NUMBER, STRING, BOOLEAN };

struct value {
    enum value_kind kind;
    double number;
    int64_t integer; /* the number, cut off */
    struct str text;
    bool boolean;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_space(s.ptr[i]))
            return false;
    return true;
}

static struct str trimmed(struct str s)
{
    while (s.len && is_space(s.ptr[0]))
        s = (struct str){ s.ptr + 1, s.len - 1 };
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static int64_t cut_off(double number)
{
    if (number >= 9e18)
        return INT64_C(9000000000000000000);
    return number <= -9e18 ? INT64_C(-9000000000000000000) : (int64_t)number;
}

/* "54abc" is 54, "abc" is 0. */
static int64_t integer_prefix(struct str s)
{
    s = trimmed(s);
    size_t len = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    while (len < s.len && len < 19 && s.ptr[len] >= '0' && s.ptr[len] <= '9')
        len++;
    int64_t value = 0;
    return parse_int((struct str){ s.ptr, len }, &value) ? value : 0;
}

static struct value value_of_json(const struct json *node)
{
    struct value v = { 0 };
    if (!node)
        return v;
    switch (json_kind(node)) {
    case JSON_INT:
        return (struct value){ .kind = NUMBER,
                               .number = json_as_double(node),
                               .integer = json_as_int(node) };
    case JSON_DOUBLE:
        return (struct value){ .kind = NUMBER,
                               .number = json_as_double(node),
                               .integer = cut_off(json_as_double(node)) };
    case JSON_TEXT:
        return (struct value){ .kind = STRING, .text = json_as_str(node) };
    case JSON_BOOL:
        return (struct value){ .kind = BOOLEAN, .boolean = json_as_bool(node) };
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
    default:
        return v;
    }
}

static struct value value_get(const struct judge0_source *source, const char *name)
{
    struct str text = source->query ? params_get(source->query, name) : STR_NULL;
    if (!text.ptr && source->form)
        text = params_get(source->form, name);
    if (text.ptr)
        return (struct value){ .kind = STRING, .text = text };
    return value_of_json(source->object ? json_get(source->object, name) : NULL);
}

/* ---- conversions ---- */

struct reader {
    const struct judge0_source *source;
    const struct context *context;
    const struct judge0_config *config; /* the context's */
    struct arena *arena;
    struct judge0_submission *to;
    struct judge0_errors *errors;
};

static void add(struct reader *r, const char *attribute, const char *fmt, ...) PRINTF(3, 4);

static void add(struct reader *r, const char *attribute, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    judge0_errors_add(r->errors, attribute, arena_text(r->arena, text));
}

static struct str text_of(const struct value *v, struct arena *arena)
{
    if (v->kind == STRING)
        return arena_str(arena, v->text);
    if (v->kind == BOOLEAN)
        return v->boolean ? STR("t") : STR("f");
    if (v->kind == ABSENT)
        return STR_NULL;
    if (v->number == floor(v->number) && fabs(v->number) < 1e15)
        return str_of(arena_printf(arena, "%lld", (long long)v->integer));
    return str_of(judge0_decimal(v->number, arena));
}

static void read_text(struct reader *r, const struct attribute *a, const struct value *v)
{
    struct str *to = (struct str *)(void *)((char *)r->to + a->offset);
    *to = text_of(v, r->arena);
    if (!to->ptr || a->kind != CODE || !r->source->encoded)
        return;
    CLEANUP(buf_done) struct buf decoded = { 0 };
    base64_decode_lenient(&decoded, *to);
    *to = arena_str(r->arena, buf_str(&decoded));
}

static void read_flag(struct reader *r, const struct attribute *a, const struct value *v)
{
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "off", "OFF" };
    bool *to = (bool *)((char *)r->to + a->offset);
    *to = *(const bool *)((const char *)r->config + a->fallback);
    if (v->kind == ABSENT || (v->kind == STRING && !v->text.len))
        return;
    *to = v->kind == BOOLEAN ? v->boolean : v->kind != NUMBER || v->number != 0;
    for (size_t i = 0; v->kind == STRING && i < COUNT_OF(no); i++)
        if (str_is(v->text, no[i]))
            *to = false;
}

/* A numeric string's value; false when it is none. */
static bool number_of_text(struct value *v)
{
    v->integer = integer_prefix(v->text);
    return parse_double(trimmed(v->text), &v->number);
}

static double bound(const struct reader *r, const struct attribute *a, size_t offset)
{
    const char *at = (const char *)r->config + offset;
    return a->kind == DECIMAL ? *(const double *)(const void *)at
                              : (double)*(const int64_t *)(const void *)at;
}

static void check_range(struct reader *r, const struct attribute *a, double number)
{
    double most = bound(r, a, a->most);
    bool greater = a->kind == COUNTED && a->least == 1; /* runs and processes: "greater than 0" */
    if (greater && number <= 0)
        add(r, a->name, "must be greater than 0");
    else if (!greater && number < a->least)
        add(r, a->name, "must be greater than or equal to %.0f", a->least);
    if (number > most)
        add(r, a->name, "must be less than or equal to %s",
            a->kind == DECIMAL ? judge0_decimal(most, r->arena)
                               : arena_printf(r->arena, "%.0f", most));
}

static void read_number(struct reader *r, const struct attribute *a, struct value *v)
{
    void *to = (char *)r->to + a->offset;
    if (v->kind == STRING && is_blank(v->text))
        v->kind = ABSENT;
    if (v->kind == ABSENT) {
        v->number = bound(r, a, a->fallback);
        v->integer = (int64_t)v->number;
    } else if (v->kind == BOOLEAN || (v->kind == STRING && !number_of_text(v))) {
        add(r, a->name, "is not a number");
        return;
    } else {
        check_range(r, a, v->number);
    }
    if (a->kind == DECIMAL)
        *(double *)to = v->number;
    else
        *(int64_t *)to = v->integer;
}

static bool read_language_id(struct reader *r, struct value *v)
{
    if (v->kind == STRING && is_blank(v->text))
        v->kind = ABSENT;
    if (v->kind == ABSENT) {
        add(r, "language_id", "can't be blank");
        return false;
    }
    r->to->language_id = v->kind == STRING    ? integer_prefix(v->text)
                         : v->kind == BOOLEAN ? v->boolean
                                              : v->integer;
    return true;
}

/* ---- rules over several attributes ---- */

static bool given(struct str s)
{
    return s.ptr && !is_blank(s);
}

/* "C" stands for "C (GCC 9.2.0)", not for "C++ (...)". */
static bool options_allowed_for(const char *words, const char *name)
{
    bool any = false;
    while (*(words += strspn(words, " \t\r\n"))) {
        size_t len = strcspn(words, " \t\r\n");
        if (strncmp(name, words, len) == 0 && name[len] == ' ')
            return true;
        words += len;
        any = true;
    }
    return !any;
}

/* "C, C++ and Java" */
static const char *sentence_of(const char *words, struct arena *arena)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    while (*(words += strspn(words, " \t\r\n"))) {
        size_t len = strcspn(words, " \t\r\n");
        const char *rest = words + len + strspn(words + len, " \t\r\n");
        buf_add_text(&text, !text.len ? "" : *rest ? ", " : " and ");
        buf_add(&text, words, len);
        words += len;
    }
    return arena_str(arena, buf_str(&text)).ptr;
}

static void check_options(struct reader *r)
{
    const struct judge0_config *c = r->config;
    const struct judge0_submission *s = r->to;
    if (!given(s->compiler_options))
        return;
    const char *allowed = c->allowed_languages_for_compiler_options;
    if (!c->enable_compiler_options)
        add(r, "compiler_options", "setting compiler options is not allowed");
    else if (!s->language)
        return;
    else if (!s->language->build.argv)
        add(r, "compiler_options",
            "setting compiler options is only allowed for compiled languages");
    else if (!options_allowed_for(allowed, judge0_language_name(s->language, s->name, r->arena)))
        add(r, "compiler_options", "setting compiler options is only allowed for %s",
            sentence_of(allowed, r->arena));
}

static void check_words(struct reader *r, const char *name, struct str s)
{
    if (utf8_count(s) > 512)
        add(r, name, "is too long (maximum is 512 characters)");
    else if (s.len && memchr(s.ptr, '\0', s.len))
        add(r, name, "must not hold a zero byte");
}

static void check_language(struct reader *r, bool has_id, const struct context *context)
{
    struct judge0_submission *s = r->to;
    if (!has_id) {
        add(r, "language_id", "language with id  doesn't exist");
        return;
    }
    struct judge0_row row;
    if (!judge0_row_find(context->catalogue, s->language_id, r->arena, &row))
        add(r, "language_id", "language with id %lld doesn't exist", (long long)s->language_id);
    else if (row.archived)
        add(r, "language_id", "language with id %lld is archived and cannot be used anymore",
            (long long)s->language_id);
    else
        s->language = judge0_language(context->catalogue, s->language_id, &s->name);
}

static void check_flag(struct reader *r, const char *name, bool on, bool allowed)
{
    if (on && !allowed)
        add(r, name, "this option cannot be enabled");
}

static void check_callback(struct reader *r)
{
    struct str url = r->to->callback_url;
    struct err e;
    if (!r->config->enable_callbacks)
        add(r, "callback_url", "setting callback is not allowed");
    else if (memchr(url.ptr, '\0', url.len))
        add(r, "callback_url", "must not hold a zero byte");
    else if (!deliver_url_check(r->context, arena_str(r->arena, url).ptr, true, &e))
        add(r, "callback_url", "cannot be used: %s", e.text);
}

static void check_features(struct reader *r)
{
    const struct judge0_config *c = r->config;
    const struct judge0_submission *s = r->to;
    check_options(r);
    if (given(s->command_line_arguments) && !c->enable_command_line_arguments)
        add(r, "command_line_arguments", "setting command line arguments is not allowed");
    if (given(s->callback_url))
        check_callback(r);
    if (given(s->additional_files))
        add(r, "additional_files", "setting additional files is not allowed");
    if (s->enable_network && !c->allow_enable_network) /* http_start() looked at the policy */
        add(r, "enable_network", "enabling network is not allowed");
}

bool judge0_read(const struct judge0_source *source, const struct context *context,
                 struct arena *arena, struct judge0_submission *ret, struct judge0_errors *errors)
{
    const struct judge0_config *c = &context->config.judge0;
    *ret = (struct judge0_submission){ 0 };
    *errors = (struct judge0_errors){ 0 };
    struct reader r = { source, context, c, arena, ret, errors };
    bool has_id = false;

    for (size_t i = 0; i < COUNT_OF(attributes); i++) {
        const struct attribute *a = &attributes[i];
        struct value v = value_get(source, a->name);
        if (a->kind == CODE || a->kind == TEXT)
            read_text(&r, a, &v);
        else if (a->kind == FLAG)
            read_flag(&r, a, &v);
        else if (a->kind == INTEGER)
            has_id = read_language_id(&r, &v);
        else
            read_number(&r, a, &v);
        if (a->offset == AT(source_code) && !given(ret->source_code))
            add(&r, "source_code", "can't be blank");
        if (a->kind == FLAG && a->most)
            check_flag(&r, a->name, *(bool *)((char *)ret + a->offset),
                       *(const bool *)((const char *)c + a->most));
    }
    check_words(&r, "compiler_options", ret->compiler_options);
    check_words(&r, "command_line_arguments", ret->command_line_arguments);
    check_language(&r, has_id, context);
    check_features(&r);
    return errors->count == 0;
}

/* ---- errors ---- */

void judge0_errors_add(struct judge0_errors *errors, const char *attribute, const char *message)
{
    size_t i = 0;
    while (i < errors->count && strcmp(errors->items[i].attribute, attribute) != 0)
        i++;
    CHECK(i < COUNT_OF(errors->items));
    if (i == errors->count)
        errors->items[errors->count++].attribute = attribute;
    if (errors->items[i].count < COUNT_OF(errors->items[i].messages))
        errors->items[i].messages[errors->items[i].count++] = message;
}

void judge0_errors_put(const struct judge0_errors *errors, struct json_writer *w)
{
    json_put_object(w);
    for (size_t i = 0; i < errors->count; i++) {
        json_put_key(w, errors->items[i].attribute);
        json_put_array(w);
        for (size_t k = 0; k < errors->items[i].count; k++)
            json_put_text(w, errors->items[i].messages[k]);
        json_put_array_end(w);
    }
    json_put_object_end(w);
}
