/* SPDX-License-Identifier: Apache-2.0 */
#include "hints/wording.h"

#include <ctype.h>

#include "base/text.h"
#include "lang/near.h"

enum { SHOWN_BYTES = 60, CANDIDATES_MOST = 2000 };

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* ---- what matched ---- */

static struct str group_at(const struct groups *g, struct str name)
{
    size_t number = 0;
    char text[32];
    if (!g->regex || name.len >= sizeof text)
        return STR_NULL;
    if (name.len == 1 && name.ptr[0] >= '1' && name.ptr[0] <= '9')
        return g->at[name.ptr[0] - '0'];
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    number = regex_group(g->regex, text);
    return number ? g->at[number] : STR_NULL;
}

/* Does the source hold it as a whole word? */
static bool in_source(const struct facts *f, struct str word)
{
    struct str s = f->texts[TEXT_SOURCE];
    const char *end = s.ptr + s.len;
    for (const char *p = s.ptr; p && p < end;) {
        const char *at = memmem(p, (size_t)(end - p), word.ptr, word.len);
        if (!at)
            return false;
        bool left = at == s.ptr || !is_name_char(at[-1]);
        bool right = at + word.len == end || !is_name_char(at[word.len]);
        if (left && right)
            return true;
        p = at + 1;
    }
    return false;
}

static bool is_name(struct str word)
{
    if (word.len == 0 || isdigit((unsigned char)word.ptr[0]))
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (!is_name_char(word.ptr[i]) && word.ptr[i] != '.')
            return false;
    return true;
}

/* The words of a group that may be shown; ptr NULL: there are none. */
static struct str shown(const struct facts *f, const struct match *m, struct str name)
{
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        struct str found = group_at(&m->groups[i], name);
        bool printed = i == TEXT_STDERR || i == TEXT_STDOUT;
        if (!found.ptr || found.len == 0 || found.len > SHOWN_BYTES || !utf8_valid(found))
            continue;
        if (printed && !(is_name(found) && in_source(f, found)))
            continue;
        return found;
    }
    return STR_NULL;
}

/* ---- names like it ---- */

struct search {
    struct str word, best;
    size_t distance, left; /* candidates that may still be compared */
};

static void try_name(struct search *s, struct str name)
{
    size_t shorter = MIN(name.len, s->word.len);
    size_t most = shorter < 3 ? 0 : shorter < 6 ? 1 : 2;
    if (s->left == 0 || str_eq(name, s->word) || shorter < 2)
        return;
    if (MAX(name.len, s->word.len) - shorter > most)
        return;
    s->left--;
    size_t distance = edit_distance(s->word, name, most);
    if (distance > most || distance >= s->distance)
        return;
    s->best = name;
    s->distance = distance;
}

static void try_source(struct search *s, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        while (i < text.len && is_name_char(text.ptr[i]))
            i++;
        struct str word = { text.ptr + start, i - start };
        if (i == start)
            i++;
        else if (is_name(word))
            try_name(s, word);
    }
}

static void try_table(struct search *s, const struct table *t)
{
    for (size_t i = 0; t && i < t->count; i++)
        for (const char *const *word = t->entries[i].words; *word; word++)
            try_name(s, str_of(*word));
}

static struct str near_name(const struct facts *f, const struct match *m)
{
    struct search s = { .word = shown(f, m, STR("name")),
                        .distance = SIZE_MAX,
                        .left = CANDIDATES_MOST };
    if (!s.word.ptr)
        return STR_NULL;
    try_table(&s, m->pattern->names);
    try_table(&s, m->pattern->table);
    try_source(&s, f->texts[TEXT_SOURCE]);
    return utf8_valid(s.best) ? s.best : STR_NULL;
}

/* What the word belongs to. */
static const char *find_key(const struct facts *f, const struct match *m)
{
    struct str word = shown(f, m, STR("name"));
    const struct table *t = m->pattern->table;
    for (size_t i = 0; word.ptr && t && i < t->count; i++)
        for (const char *const *known = t->entries[i].words; *known; known++)
            if (str_is(word, *known))
                return t->entries[i].key;
    return NULL;
}

/* ---- the sentence ---- */

static bool fill_place(const struct facts *f, const struct match *m, struct str place,
                       struct buf *out)
{
    struct str value;
    if (str_is(place, "near"))
        value = near_name(f, m);
    else if (str_is(place, "found"))
        value = str_of(find_key(f, m));
    else if (str_is(place, "output_line"))
        return f->difference.line ? (buf_addf(out, "%zu", f->difference.line), true) : false;
    else
        value = shown(f, m, place);
    if (!value.ptr)
        return false;
    for (size_t i = 0; i < value.len; i++)
        buf_add_char(out, (unsigned char)value.ptr[i] < ' ' ? ' ' : value.ptr[i]);
    return true;
}

bool wording_place(const char *text, struct str *ret)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[1 + len]) || text[1 + len] == '_')
        len++;
    *ret = (struct str){ text + 1, len };
    return text[0] == '{' && len > 0 && text[1 + len] == '}';
}

static bool fill(const struct facts *f, const struct match *m, const char *text, struct buf *out)
{
    buf_reset(out);
    while (text && *text) {
        struct str place;
        if (!wording_place(text, &place)) {
            buf_add_char(out, *text++);
            continue;
        }
        if (!fill_place(f, m, place, out))
            return false;
        text += place.len + 2;
    }
    return text != NULL;
}

const char *wording_fill(const struct facts *f, const struct match *m, struct arena *arena)
{
    const struct pattern *p = m->pattern;
    const char *const wordings[] = { p->found, p->near, p->text, p->plain };
    CLEANUP(buf_done) struct buf out = { 0 };
    for (size_t i = 0; i < COUNT_OF(wordings); i++)
        if (fill(f, m, wordings[i], &out))
            return arena_str(arena, buf_str(&out)).ptr;
    return NULL;
}

size_t wording_line(const struct facts *f, const struct groups *g)
{
    struct str text = group_at(g, STR("line"));
    int64_t line = 0;
    if (!text.ptr || text.len > 7 || !parse_int(text, &line))
        return 0;
    return line > 0 && (size_t)line <= f->source_lines ? (size_t)line : 0;
}
