/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a pattern file, and the step from libcyaml's structs to ours. */
#include <signal.h>
#include <stdio.h>

#include "hints/book.h"
#include "hints/wording.h"
#include "lang/yaml.h"

/* ---- what libcyaml fills ---- */

struct raw_texts {
    char *compile, *err, *out, *source;
};

struct raw_when {
    char *phase, *limit;
    char **verdict, **signal, **difference;
    unsigned verdict_count, signal_count, difference_count;
    int *exit;
    unsigned exit_count;
    bool *idle;
    struct raw_texts match;
};

struct raw_pattern {
    char *id, *title, *near, *found, *text, *plain, *confidence, *link, *table, *names;
    bool fallback, also;
    struct raw_when when;
    struct raw_texts without;
};

struct raw_entry {
    char *key, **words;
    unsigned words_count;
};

struct raw_table {
    char *name;
    struct raw_entry *entries;
    unsigned entries_count;
};

struct raw {
    char **languages, *error, *where;
    unsigned languages_count;
    bool where_last;
    struct raw_table *tables;
    unsigned tables_count;
    struct raw_pattern *patterns;
    unsigned patterns_count;
};

enum { LIST_MOST = 2000, TEXT_MOST = 4096 };

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define NEEDED   CYAML_FLAG_DEFAULT
#define TEXT(key, flags, type, member)                                                             \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, member, 1, TEXT_MOST)
#define WORDS(key, flags, type, member)                                                            \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), type, member, &word_schema, 0,         \
                         LIST_MOST)
#define LIST(key, flags, type, member, of)                                                         \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), type, member, of, 0, LIST_MOST)

static const cyaml_schema_value_t word_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, TEXT_MOST),
};

static const cyaml_schema_value_t number_schema = {
    CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int),
};

static const cyaml_schema_field_t when_fields[] = {
    TEXT("phase", OPTIONAL, struct raw_when, phase),
    TEXT("limit", OPTIONAL, struct raw_when, limit),
    WORDS("verdict", OPTIONAL, struct raw_when, verdict),
    WORDS("signal", OPTIONAL, struct raw_when, signal),
    WORDS("difference", OPTIONAL, struct raw_when, difference),
    LIST("exit", OPTIONAL, struct raw_when, exit, &number_schema),
    CYAML_FIELD_BOOL_PTR("idle", CYAML_FLAG_POINTER | OPTIONAL, struct raw_when, idle),
    TEXT("compile", OPTIONAL, struct raw_when, match.compile),
    TEXT("stderr", OPTIONAL, struct raw_when, match.err),
    TEXT("stdout", OPTIONAL, struct raw_when, match.out),
    TEXT("source", OPTIONAL, struct raw_when, match.source),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t without_fields[] = {
    TEXT("compile", OPTIONAL, struct raw_texts, compile),
    TEXT("stderr", OPTIONAL, struct raw_texts, err),
    TEXT("stdout", OPTIONAL, struct raw_texts, out),
    TEXT("source", OPTIONAL, struct raw_texts, source),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t pattern_fields[] = {
    TEXT("id", NEEDED, struct raw_pattern, id),
    CYAML_FIELD_MAPPING("when", NEEDED, struct raw_pattern, when, when_fields),
    CYAML_FIELD_MAPPING("without", OPTIONAL, struct raw_pattern, without, without_fields),
    TEXT("title", NEEDED, struct raw_pattern, title),
    TEXT("near", OPTIONAL, struct raw_pattern, near),
    TEXT("found", OPTIONAL, struct raw_pattern, found),
    TEXT("text", NEEDED, struct raw_pattern, text),
    TEXT("plain", OPTIONAL, struct raw_pattern, plain),
    TEXT("confidence", NEEDED, struct raw_pattern, confidence),
    TEXT("link", OPTIONAL, struct raw_pattern, link),
    TEXT("table", OPTIONAL, struct raw_pattern, table),
    TEXT("names", OPTIONAL, struct raw_pattern, names),
    CYAML_FIELD_BOOL("fallback", OPTIONAL, struct raw_pattern, fallback),
    CYAML_FIELD_BOOL("also", OPTIONAL, struct raw_pattern, also),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t pattern_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_pattern, pattern_fields),
};

static const cyaml_schema_field_t entry_fields[] = {
    TEXT("key", NEEDED, struct raw_entry, key),
    WORDS("words", NEEDED, struct raw_entry, words),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t entry_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_entry, entry_fields),
};

static const cyaml_schema_field_t table_fields[] = {
    TEXT("name", NEEDED, struct raw_table, name),
    LIST("entries", NEEDED, struct raw_table, entries, &entry_schema),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t table_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_table, table_fields),
};

static const cyaml_schema_field_t fields[] = {
    WORDS("languages", OPTIONAL, struct raw, languages),
    TEXT("error", OPTIONAL, struct raw, error),
    TEXT("where", OPTIONAL, struct raw, where),
    CYAML_FIELD_BOOL("where_last", OPTIONAL, struct raw, where_last),
    LIST("tables", OPTIONAL, struct raw, tables, &table_schema),
    LIST("patterns", NEEDED, struct raw, patterns, &pattern_schema),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* ---- from libcyaml's memory into ours, checking what the schema cannot say ---- */

struct reading {
    const char *file;
    struct str bytes;
    struct arena *arena;
    struct pattern_file *to;
    const char *id; /* of the pattern being read; NULL: the head of the file */
    struct err *e;
};

/* The line an id stands in: libcyaml tells lines of its own complaints alone. */
static size_t line_of(const struct reading *r)
{
    size_t line = 1, len = r->id ? strlen(r->id) : 0;
    const char *end = r->bytes.ptr + r->bytes.len;
    for (const char *p = r->bytes.ptr; len && p < end; p++) {
        if (*p == '\n')
            line++;
        else if ((size_t)(end - p) > len + 4 && memcmp(p, "id: ", 4) == 0 &&
                 memcmp(p + 4, r->id, len) == 0 && (p[4 + len] == '\n' || p[4 + len] == ' '))
            return line;
    }
    return 1;
}

static bool bad(const struct reading *r, const char *key, const char *why)
{
    if (!r->id)
        return err_invalid(r->e, key, "%s: %s: %s", r->file, key, why);
    return err_invalid(r->e, key, "%s: line %zu: %s: %s: %s", r->file, line_of(r), r->id, key, why);
}

static bool take_regex(const struct reading *r, const char *key, const char *text,
                       struct regex **ret)
{
    if (!text)
        return true;
    struct err why;
    *ret = regex_new(text, &why);
    return *ret ? true : bad(r, key, why.text);
}

static bool take_texts(const struct reading *r, const struct raw_texts *raw,
                       struct regex *to[TEXT_COUNT])
{
    return take_regex(r, "compile", raw->compile, &to[TEXT_COMPILE]) &&
           take_regex(r, "stderr", raw->err, &to[TEXT_STDERR]) &&
           take_regex(r, "stdout", raw->out, &to[TEXT_STDOUT]) &&
           take_regex(r, "source", raw->source, &to[TEXT_SOURCE]);
}

static bool take_verdicts(const struct reading *r, const struct raw_when *when, struct pattern *p)
{
    for (unsigned i = 0; i < when->verdict_count; i++) {
        enum verdict v = verdict_find(str_of(when->verdict[i]));
        if (v == VERDICT_NONE || v == VERDICT_ACCEPTED)
            return bad(r, "verdict", "is none a program fails with");
        p->verdicts |= 1u << v;
    }
    return true;
}

static int signal_named(const char *name)
{
    for (int i = 1; i < 64; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcmp(known, name) == 0)
            return i;
    }
    return 0;
}

static bool take_signals(const struct reading *r, const struct raw_when *when, struct pattern *p)
{
    for (unsigned i = 0; i < when->signal_count; i++) {
        int number = signal_named(when->signal[i]);
        if (!number)
            return bad(r, "signal", "must be names like SEGV");
        p->signals |= UINT64_C(1) << number;
    }
    return true;
}

static bool take_exits(const struct reading *r, const struct raw_when *when, struct pattern *p)
{
    p->any_exit = when->exit_count == 0;
    for (unsigned i = 0; i < when->exit_count; i++) {
        if (when->exit[i] < 0 || when->exit[i] > 255)
            return bad(r, "exit", "must be between 0 and 255");
        p->exits[when->exit[i] / 64] |= UINT64_C(1) << when->exit[i] % 64;
    }
    return true;
}

static bool take_differences(const struct reading *r, const struct raw_when *when,
                             struct pattern *p)
{
    for (unsigned i = 0; i < when->difference_count; i++) {
        enum difference d = difference_named(str_of(when->difference[i]));
        if (d == DIFF_NONE)
            return bad(r, "difference", "is no kind of difference");
        p->differences |= UINT64_C(1) << d;
    }
    return true;
}

static bool take_phase(const struct reading *r, const struct raw_when *when, struct pattern *p)
{
    if (!when->phase)
        p->phase = when->match.compile ? PHASE_COMPILE : PHASE_RUN;
    else if (strcmp(when->phase, "compile") == 0)
        p->phase = PHASE_COMPILE;
    else if (strcmp(when->phase, "run") == 0)
        p->phase = PHASE_RUN;
    else
        return bad(r, "phase", "must be compile or run");
    return true;
}

static bool take_limit(const struct reading *r, const struct raw_when *when, struct pattern *p)
{
    static const char *const limits[] = { "cpu_time", "wall_time", "memory", "output" };
    p->limit = arena_text(r->arena, when->limit);
    for (size_t i = 0; when->limit && i < COUNT_OF(limits); i++)
        if (strcmp(when->limit, limits[i]) == 0)
            return true;
    return when->limit ? bad(r, "limit", "must be cpu_time, wall_time, memory or output") : true;
}

static bool take_when(const struct reading *r, const struct raw_pattern *raw, struct pattern *p)
{
    const struct raw_when *when = &raw->when;
    p->idle = when->idle ? *when->idle : -1;
    return take_phase(r, when, p) && take_limit(r, when, p) && take_verdicts(r, when, p) &&
           take_signals(r, when, p) && take_exits(r, when, p) && take_differences(r, when, p) &&
           take_texts(r, &when->match, p->match) && take_texts(r, &raw->without, p->absent);
}

static bool take_table(const struct reading *r, const char *key, const char *name,
                       const struct table **ret)
{
    if (!name)
        return true;
    for (size_t i = 0; i < r->to->table_count; i++)
        if (strcmp(r->to->tables[i].name, name) == 0) {
            *ret = &r->to->tables[i];
            return true;
        }
    return bad(r, key, "is no table of this file");
}

/* Does an expression of the pattern have this group? */
static bool has_group(const struct pattern *p, struct str name)
{
    char text[32];
    snprintf(text, sizeof text, "%.*s", STR_FMT(name));
    bool number = strspn(text, "123456789") == 1 && !text[1];
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (p->match[i] && (number ? regex_group_count(p->match[i]) >= (size_t)(text[0] - '0')
                                   : regex_group(p->match[i], text) != 0))
            return true;
    return false;
}

/* Every {place} must be one that can ever be filled. */
static bool check_places(const struct reading *r, const char *key, const char *text,
                         const struct pattern *p)
{
    for (const char *at = text; at && (at = strchr(at, '{')); at++) {
        struct str name;
        if (!wording_place(at, &name))
            continue;
        bool known = (str_is(name, "near") && key[0] == 'n') ||
                     (str_is(name, "found") && key[0] == 'f') || str_is(name, "output_line") ||
                     has_group(p, name);
        if (!known)
            return bad(r, key, "has a {place} that no expression of the pattern fills");
    }
    return true;
}

static bool take_wording(const struct reading *r, const struct raw_pattern *raw, struct pattern *p)
{
    static const char *const levels[] = { "certain", "likely", "guess" };
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(raw->confidence, levels[i]) == 0)
            p->confidence = levels[i];
    if (!p->confidence)
        return bad(r, "confidence", "must be certain, likely or guess");
    if ((raw->near || raw->found) && !has_group(p, STR("name")))
        return bad(r, raw->near ? "near" : "found", "needs an expression with a group \"name\"");
    if (raw->found && !raw->table)
        return bad(r, "found", "needs a table");
    p->title = arena_text(r->arena, raw->title);
    p->link = arena_text(r->arena, raw->link);
    p->near = arena_text(r->arena, raw->near);
    p->found = arena_text(r->arena, raw->found);
    p->text = arena_text(r->arena, raw->text);
    p->plain = arena_text(r->arena, raw->plain);
    if (p->plain && strchr(p->plain, '{'))
        return bad(r, "plain", "must stand without {places}");
    return check_places(r, "near", p->near, p) && check_places(r, "found", p->found, p) &&
           check_places(r, "text", p->text, p);
}

static bool take_pattern(struct reading *r, const struct raw_pattern *raw, struct pattern *p)
{
    r->id = raw->id;
    p->id = arena_text(r->arena, raw->id);
    p->fallback = raw->fallback;
    p->also = raw->also;
    for (const char *c = raw->id; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", *c))
            return bad(r, "id", "must be of small letters, digits, '-' and '.'");
    return take_when(r, raw, p) && take_table(r, "table", raw->table, &p->table) &&
           take_table(r, "names", raw->names, &p->names) && take_wording(r, raw, p);
}

static const char *const *take_words(struct arena *a, char *const *list, unsigned count)
{
    const char **copy = arena_array(a, (size_t)count + 1, sizeof *copy);
    for (unsigned i = 0; i < count; i++)
        copy[i] = arena_text(a, list[i]);
    return copy;
}

static void take_tables(const struct reading *r, const struct raw *raw)
{
    struct table *tables = arena_array(r->arena, (size_t)raw->tables_count + 1, sizeof *tables);
    for (unsigned i = 0; i < raw->tables_count; i++) {
        const struct raw_table *from = &raw->tables[i];
        struct table_entry *entries =
            arena_array(r->arena, (size_t)from->entries_count + 1, sizeof *entries);
        for (unsigned k = 0; k < from->entries_count; k++)
            entries[k] = (struct table_entry){ arena_text(r->arena, from->entries[k].key),
                                               take_words(r->arena, from->entries[k].words,
                                                          from->entries[k].words_count) };
        tables[i] =
            (struct table){ arena_text(r->arena, from->name), entries, from->entries_count };
    }
    r->to->tables = tables;
    r->to->table_count = raw->tables_count;
}

static bool take(struct reading *r, const struct raw *raw)
{
    struct pattern_file *to = r->to;
    to->name = arena_text(r->arena, r->file);
    to->languages = take_words(r->arena, raw->languages, raw->languages_count);
    to->language_count = raw->languages_count;
    to->where_last = raw->where_last;
    take_tables(r, raw);
    if (!take_regex(r, "error", raw->error, &to->error) ||
        !take_regex(r, "where", raw->where, &to->where))
        return false;
    if (to->where && !regex_group(to->where, "line"))
        return bad(r, "where", "needs a group \"line\"");
    to->patterns = arena_array(r->arena, (size_t)raw->patterns_count + 1, sizeof *to->patterns);
    to->count = raw->patterns_count;
    for (size_t i = 0; i < to->count; i++) {
        if (!take_pattern(r, &raw->patterns[i], &to->patterns[i]))
            return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(to->patterns[k].id, to->patterns[i].id) == 0)
                return bad(r, "id", "stands twice");
    }
    return true;
}

bool pattern_file_parse(const char *name, struct str bytes, struct arena *arena,
                        struct pattern_file *ret, struct err *e)
{
    struct raw *raw = yaml_read(name, bytes, PATTERN_FILE_BYTES, &schema, e);
    if (!raw)
        return false;
    struct reading r = { .file = name, .bytes = bytes, .arena = arena, .to = ret, .e = e };
    bool fits = take(&r, raw);
    yaml_release(&schema, raw);
    return fits;
}

void pattern_file_done(struct pattern_file *f)
{
    regex_free(f->error);
    regex_free(f->where);
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < TEXT_COUNT; k++) {
            regex_free(f->patterns[i].match[k]);
            regex_free(f->patterns[i].absent[k]);
        }
    *f = (struct pattern_file){ 0 };
}
