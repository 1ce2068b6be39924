/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judge0's ids over the catalogue: one language may answer to many of them, each by its own name.
 */
#include <strings.h>

#include "http/judge0.h"

const char *judge0_language_name(const struct language *l, const struct judge0_name *n,
                                 struct arena *arena)
{
    if (n->name)
        return n->name;
    if (!l->version)
        return l->name;
    size_t len = strlen(l->name);
    if (len && l->name[len - 1] == ')') /* "C++ (GCC)" */
        return arena_printf(arena, "%.*s %s)", (int)len - 1, l->name, l->version);
    return arena_printf(arena, "%s (%s)", l->name, l->version);
}

const struct language *judge0_language(const struct catalogue *c, int64_t id,
                                       const struct judge0_name **ret_name)
{
    const struct judge0_name *name = NULL;
    const struct language *l = catalogue_find_judge0(c, id, &name);
    if (!l || !name || !(l->offered || name->archived))
        return NULL;
    *ret_name = name;
    return l;
}

/* ---- rows ---- */

/* A template as Judge0 writes it: "gcc %s main.c"; NULL for none. */
static const char *command_shown(const struct command *c, const char *source, struct arena *arena)
{
    static const char *const options[] = { "%s", NULL };
    static const char *const none[] = { NULL };
    if (!c->argv || !source)
        return NULL;
    const char *dot = strrchr(source, '.');
    struct command_words words = {
        .options = options,
        .args = none,
        .source = source,
        .main = dot ? arena_str(arena, (struct str){ source, (size_t)(dot - source) }).ptr : source,
        .memory_bytes = 128 << 20,
    };
    const char *const *argv = command_fill(c, &words, arena);
    const char *text = argv[0] ? argv[0] : "";
    for (size_t i = 1; argv[0] && argv[i]; i++)
        text = arena_printf(arena, "%s %s", text, argv[i]);
    return text;
}

static struct judge0_row row_of(const struct language *l, const struct judge0_name *n,
                                struct arena *arena)
{
    const char *source = n->source_file ? n->source_file : l->source_file;
    return (struct judge0_row){
        .id = n->id,
        .name = judge0_language_name(l, n, arena),
        .archived = n->archived,
        .source_file = source,
        .compile_cmd = command_shown(&l->build, source, arena),
        .run_cmd = command_shown(&l->run, source, arena),
    };
}

bool judge0_row_find(const struct catalogue *c, int64_t id, struct arena *arena,
                     struct judge0_row *ret)
{
    const struct judge0_name *n = NULL;
    const struct language *l = judge0_language(c, id, &n);
    if (l) {
        *ret = row_of(l, n, arena);
        return true;
    }
    for (size_t i = 0; i < judge0_archived_count(); i++) {
        struct judge0_row row = judge0_archived_at(i);
        if (row.id == id) {
            *ret = row;
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct judge0_row *x = a, *y = b;
    int order = strcasecmp(x->name, y->name);
    return order ? order : x->id - y->id;
}

size_t judge0_rows(const struct catalogue *c, bool archived_too, struct arena *arena,
                   struct judge0_row **ret)
{
    size_t most = judge0_archived_count(), count = 0;
    for (size_t i = 0; i < catalogue_count(c); i++)
        most += catalogue_at(c, i)->judge0_count;
    struct judge0_row *rows = arena_array(arena, most, sizeof *rows);
    for (size_t i = 0; i < catalogue_count(c); i++) {
        const struct language *l = catalogue_at(c, i);
        for (size_t k = 0; k < l->judge0_count; k++)
            if (l->judge0[k].archived ? archived_too : l->offered)
                rows[count++] = row_of(l, &l->judge0[k], arena);
    }
    for (size_t i = 0; archived_too && i < judge0_archived_count(); i++) {
        const struct judge0_name *ignored;
        struct judge0_row row = judge0_archived_at(i);
        if (!catalogue_find_judge0(c, row.id, &ignored))
            rows[count++] = row;
    }
    qsort(rows, count, sizeof *rows, by_name);
    *ret = rows;
    return count;
}
