/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: every language file of one folder, read, probed, sorted by id. Names are looked up
 * by walking: there are a few dozen, and a submission looks up one.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "lang/lang_file.h"
#include "lang/near.h"
#include "lang/probe.h"
#include "lang/yaml.h"

enum { LANGUAGES_MOST = 512 };
/* Long enough for a virtual machine that starts up on a slow, busy computer. */
#define PROBE_WAIT_US (30 * US_PER_S)

struct catalogue {
    struct arena arena; /* holds all that follows */
    struct language *languages;
    size_t count;
};

void catalogue_free(struct catalogue *c)
{
    if (!c)
        return;
    arena_done(&c->arena);
    free(c);
}

/* ---- reading ---- */

struct loading {
    struct arena *arena;
    struct language_file files[LANGUAGES_MOST];
    struct str sources[LANGUAGES_MOST];
    size_t count;
};

static bool load_file(void *arg, const char *name, struct str bytes, struct err *e)
{
    struct loading *l = arg;
    if (l->count == LANGUAGES_MOST)
        return err_set(e, ERR_INVALID, "more than %d language files", LANGUAGES_MOST);
    if (!language_parse(name, bytes, l->arena, &l->files[l->count], e))
        return false;
    l->sources[l->count++] = arena_str(l->arena, bytes);
    return true;
}

/* ---- the whole of them ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct language *)a)->id, ((const struct language *)b)->id);
}

static bool is_called(const struct language *l, struct str name)
{
    if (str_is(name, l->id))
        return true;
    for (const char *const *alias = l->aliases; *alias; alias++)
        if (str_is(name, *alias))
            return true;
    return false;
}

static bool clash(const struct language *a, const struct language *b, struct err *e)
{
    bool names = is_called(a, str_of(b->id));
    const char *name = b->id;
    for (const char *const *alias = b->aliases; *alias && !names; alias++) {
        name = *alias;
        names = is_called(a, str_of(name));
    }
    if (names)
        return !err_set(e, ERR_CONFLICT, "languages %s and %s are both called \"%s\"", a->id, b->id,
                        name);
    for (size_t i = 0; i < a->judge0_count; i++)
        for (size_t j = 0; j < b->judge0_count; j++)
            if (a->judge0[i].id == b->judge0[j].id)
                return !err_set(e, ERR_CONFLICT, "languages %s and %s both claim Judge0 id %d",
                                a->id, b->id, a->judge0[i].id);
    return false;
}

static bool check_clashes(const struct catalogue *c, struct err *e)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t j = i + 1; j < c->count; j++)
            if (clash(&c->languages[i], &c->languages[j], e))
                return false;
    return true;
}

/* What a toolchain may need is listed for every release; only what is here can be shown in a box.
 */
static const char *const *existing(const char *const *list, const char *prefix, struct arena *arena)
{
    size_t count = 0, kept = 0;
    while (list[count])
        count++;
    const char **there = arena_array(arena, count + 1, sizeof *there);
    for (size_t i = 0; i < count; i++)
        if (access(arena_printf(arena, "%s%s", prefix, list[i]), F_OK) == 0)
            there[kept++] = list[i];
    return there;
}

static bool settle(struct catalogue *c, struct loading *l, bool probe, struct err *e)
{
    if (probe && !probe_all(l->files, l->sources, l->count, PROBE_WAIT_US, &c->arena, e))
        return false;
    c->languages = arena_array(&c->arena, l->count, sizeof *c->languages);
    c->count = l->count;
    for (size_t i = 0; i < l->count; i++) {
        struct language *to = &c->languages[i];
        *to = l->files[i].language;
        to->etc = existing(to->etc, "/etc/", &c->arena);
        to->mounts = existing(to->mounts, "", &c->arena);
    }
    qsort(c->languages, c->count, sizeof *c->languages, by_id);
    return check_clashes(c, e);
}

static struct catalogue *load(const char *folder, bool probe, struct err *e)
{
    CLEANUP(catalogue_free) struct catalogue *c = calloc(1, sizeof *c);
    CLEANUP(arena_done) struct arena scratch = { 0 };
    CHECK(c);
    struct loading *l = arena_get(&scratch, sizeof *l);
    l->arena = &c->arena;
    if (!folder)
        folder = data_folder("languages", &c->arena);
    if (!folder) {
        err_set(e, ERR_NOT_FOUND, "languages: no folder beside the program nor installed");
        return NULL;
    }
    if (!yaml_each(folder, LANGUAGE_FILE_BYTES, load_file, l, e) || !settle(c, l, probe, e)) {
        err_add(e, "languages");
        return NULL;
    }
    return TAKE(c);
}

struct catalogue *catalogue_load(const char *folder, struct err *e)
{
    return load(folder, true, e);
}

struct catalogue *catalogue_describe(const char *folder, struct err *e)
{
    return load(folder, false, e);
}

/* ---- offering what others run ---- */

/* Readers may hold the old text: it stays where it is, and changes are rare. */
static void set_version(struct catalogue *c, struct language *l, const char *version)
{
    const char *old = l->version;
    if (version == old || (version && old && strcmp(version, old) == 0))
        return;
    l->version = version ? arena_text(&c->arena, version) : NULL;
}

void catalogue_offer(struct catalogue *c, const struct offer *offers, size_t count)
{
    for (size_t i = 0; i < c->count; i++) {
        struct language *l = &c->languages[i];
        const struct offer *found = NULL;
        for (size_t k = 0; k < count && !found; k++)
            if (strcmp(offers[k].id, l->id) == 0)
                found = &offers[k];
        if (found)
            set_version(c, l, found->version);
        l->offered = found || !offers;
    }
}

/* ---- looking up ---- */

size_t catalogue_count(const struct catalogue *c)
{
    return c->count;
}

const struct language *catalogue_at(const struct catalogue *c, size_t index)
{
    CHECK(index < c->count);
    return &c->languages[index];
}

static const struct language *lookup(const struct catalogue *c, struct str name)
{
    CHECK(c->languages); /* a catalogue without any does not load */
    for (size_t i = 0; i < c->count; i++)
        if (is_called(&c->languages[i], name))
            return &c->languages[i];
    return NULL;
}

/* 3 and 3.11 are the beginning of 3.11.2, 3.1 is not. */
static bool version_matches(const char *version, struct str asked)
{
    size_t len = strlen(version);
    return asked.len > 0 && asked.len <= len && memcmp(version, asked.ptr, asked.len) == 0 &&
           (asked.len == len || strchr(".-+_", version[asked.len]));
}

static void unknown(const struct catalogue *c, struct str name, struct err *e)
{
    struct near near = near_start(name);
    for (size_t i = 0; i < c->count; i++) {
        near_try(&near, c->languages[i].id);
        for (const char *const *alias = c->languages[i].aliases; *alias; alias++)
            near_try(&near, *alias);
    }
    int shown = (int)MIN(name.len, 60);
    if (near.best)
        err_invalid(e, "language", "language \"%.*s\" is not known; did you mean \"%s\"?", shown,
                    name.ptr, near.best);
    else
        err_invalid(e, "language", "language \"%.*s\" is not known", shown, name.ptr);
}

const struct language *catalogue_find(const struct catalogue *c, struct str name, struct err *e)
{
    const char *at = name.len ? memchr(name.ptr, '@', name.len) : NULL;
    struct str plain = name;
    if (at)
        plain.len = (size_t)(at - name.ptr);
    const struct language *found = lookup(c, plain);
    if (!found) {
        unknown(c, plain, e);
        return NULL;
    }
    if (!at || !found->version)
        return found;
    struct str asked = { at + 1, name.len - plain.len - 1 };
    if (!version_matches(found->version, asked)) {
        err_invalid(e, "language", "language %s has version %s here, not %.*s", found->id,
                    found->version, (int)MIN(asked.len, 60), asked.ptr);
        return NULL;
    }
    return found;
}

const struct language *catalogue_find_judge0(const struct catalogue *c, int64_t id,
                                             const struct judge0_name **ret_name)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct language *l = &c->languages[i];
        for (size_t k = 0; k < l->judge0_count; k++) {
            if (l->judge0[k].id != id)
                continue;
            if (ret_name)
                *ret_name = &l->judge0[k];
            return l;
        }
    }
    return NULL;
}
