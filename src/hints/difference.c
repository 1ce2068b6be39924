/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both texts are cut into lines and the lines into words once; each kind of difference is then a
 * walk over these. The window bounds time and memory: of longer texts only the part around the
 * first difference is looked at, and the answer is not sure.
 */
#include "hints/difference.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"
#include "lang/near.h"

enum { WINDOW = 32 * 1024, WORDS_MOST = WINDOW / 2 + 1, NUMBER_MOST = 40 };

static const char *const names[] = {
    [DIFF_NONE] = "none",
    [DIFF_NO_OUTPUT] = "no_output",
    [DIFF_NO_NEWLINE] = "no_newline",
    [DIFF_EXTRA_NEWLINE] = "extra_newline",
    [DIFF_TRAILING] = "trailing",
    [DIFF_BLANK_LINES] = "blank_lines",
    [DIFF_SPACES] = "spaces",
    [DIFF_LINE_BREAKS] = "line_breaks",
    [DIFF_JOINED] = "joined",
    [DIFF_CASE] = "case",
    [DIFF_PUNCTUATION] = "punctuation",
    [DIFF_NUMBER_FORMAT] = "number_format",
    [DIFF_CUT_OFF] = "cut_off",
    [DIFF_ROUNDING] = "rounding",
    [DIFF_OVERFLOW] = "overflow",
    [DIFF_SIGN] = "sign",
    [DIFF_OFF_BY_ONE] = "off_by_one",
    [DIFF_LINE_ORDER] = "line_order",
    [DIFF_WORD_ORDER] = "word_order",
    [DIFF_NONE_PRINTED] = "none_printed",
    [DIFF_PROMPT] = "prompt",
    [DIFF_TOO_SHORT] = "too_short",
    [DIFF_TOO_LONG] = "too_long",
    [DIFF_EXTRA_LINES] = "extra_lines",
    [DIFF_TYPO] = "typo",
    [DIFF_LAST_LINE] = "last_line",
    [DIFF_FIRST_LINE] = "first_line",
    [DIFF_OTHER] = "other",
};
_Static_assert(COUNT_OF(names) == DIFF_COUNT, "every kind has a name");

const char *difference_name(enum difference d)
{
    return d < DIFF_COUNT ? names[d] : names[DIFF_NONE];
}

enum difference difference_named(struct str name)
{
    for (size_t i = DIFF_NONE + 1; i < DIFF_COUNT; i++)
        if (str_is(name, names[i]))
            return (enum difference)i;
    return DIFF_NONE;
}

/* ---- pieces ---- */

struct pieces {
    struct str *at;
    size_t count;
};

struct side {
    struct str text;     /* all of it, or the window */
    struct pieces lines; /* without the white space at their ends; empty ones at the end left out */
    struct pieces full;  /* those of lines that are not empty */
    struct pieces words;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static struct str trim_end(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static struct str trim(struct str s)
{
    s = trim_end(s);
    while (s.len > 0 && is_space(*s.ptr)) {
        s.ptr++;
        s.len--;
    }
    return s;
}

static struct pieces cut_lines(struct str text, struct arena *a)
{
    struct str rest = trim_end(text);
    struct pieces p = { arena_array(a, rest.len + 1, sizeof *p.at), 0 };
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        p.at[p.count++] = trim_end((struct str){ rest.ptr, len });
        len += end != NULL;
        rest = (struct str){ rest.ptr + len, rest.len - len };
    }
    return p;
}

static struct pieces cut_words(struct str text, struct arena *a)
{
    struct pieces p = { arena_array(a, text.len / 2 + 1, sizeof *p.at), 0 };
    for (size_t i = 0; i < text.len;) {
        while (i < text.len && is_space(text.ptr[i]))
            i++;
        size_t start = i;
        while (i < text.len && !is_space(text.ptr[i]))
            i++;
        if (i > start)
            p.at[p.count++] = (struct str){ text.ptr + start, i - start };
    }
    return p;
}

static struct side side_of(struct str text, struct arena *a)
{
    struct side s = { .text = text, .lines = cut_lines(text, a), .words = cut_words(text, a) };
    s.full.at = arena_array(a, s.lines.count + 1, sizeof *s.full.at);
    for (size_t i = 0; i < s.lines.count; i++)
        if (s.lines.at[i].len > 0)
            s.full.at[s.full.count++] = s.lines.at[i];
    return s;
}

typedef bool (*same_fn)(struct str a, struct str b);

static bool same_pieces(const struct pieces *a, const struct pieces *b, same_fn same)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same(a->at[i], b->at[i]))
            return false;
    return true;
}

static bool same_case_apart(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (tolower((unsigned char)a.ptr[i]) != tolower((unsigned char)b.ptr[i]))
            return false;
    return true;
}

/* Equal but for characters that skip() names. */
static bool same_without(struct str a, struct str b, bool (*skip)(char c))
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a.len && skip(a.ptr[i]))
            i++;
        while (j < b.len && skip(b.ptr[j]))
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (a.ptr[i++] != b.ptr[j++])
            return false;
    }
}

static bool is_space_or_mark(char c)
{
    return is_space(c) || (strchr(",;:!?()[]{}\"'`", c) != NULL);
}

/* ---- the kinds, in groups ---- */

static bool same_words_in_lines(const struct side *x, const struct side *y, struct arena *a)
{
    if (x->lines.count != y->lines.count)
        return false;
    for (size_t i = 0; i < x->lines.count; i++) {
        if (str_eq(x->lines.at[i], y->lines.at[i]))
            continue;
        struct pieces p = cut_words(x->lines.at[i], a), q = cut_words(y->lines.at[i], a);
        if (!same_pieces(&p, &q, str_eq))
            return false;
    }
    return true;
}

static enum difference white_space(const struct side *want, const struct side *have,
                                   struct arena *a)
{
    if (have->words.count == 0)
        return want->words.count ? DIFF_NO_OUTPUT : DIFF_NONE;
    if (same_pieces(&want->lines, &have->lines, str_eq)) {
        struct str w = want->text, h = have->text;
        if (w.len > h.len && str_eq(h, (struct str){ w.ptr, h.len }) &&
            trim((struct str){ w.ptr + h.len, w.len - h.len }).len == 0)
            return DIFF_NO_NEWLINE;
        if (h.len > w.len && str_eq(w, (struct str){ h.ptr, w.len }))
            return DIFF_EXTRA_NEWLINE;
        return DIFF_TRAILING;
    }
    if (same_pieces(&want->full, &have->full, str_eq))
        return DIFF_BLANK_LINES;
    if (same_pieces(&want->words, &have->words, str_eq))
        return same_words_in_lines(want, have, a) ? DIFF_SPACES : DIFF_LINE_BREAKS;
    if (same_without(want->text, have->text, is_space))
        return DIFF_JOINED;
    return DIFF_NONE;
}

static enum difference letters(const struct side *want, const struct side *have)
{
    if (same_pieces(&want->words, &have->words, same_case_apart))
        return DIFF_CASE;
    if (same_without(want->text, have->text, is_space_or_mark))
        return DIFF_PUNCTUATION;
    return DIFF_NONE;
}

/* ---- numbers ---- */

struct number {
    double value;
    bool whole; /* written without a point */
};

static bool number_of(struct str word, struct number *ret)
{
    char text[NUMBER_MOST + 1];
    if (word.len == 0 || word.len > NUMBER_MOST)
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    ret->whole = strspn(text, "+-0123456789") == word.len;
    return parse_double(word, &ret->value);
}

static bool is_same_value(struct number want, struct number have)
{
    return want.value == have.value;
}

static bool is_cut_off(struct number want, struct number have)
{
    return have.value != want.value &&
           (trunc(want.value) == have.value || floor(want.value) == have.value);
}

static bool is_near(struct number want, struct number have)
{
    double gap = fabs(want.value - have.value), size = fabs(want.value);
    return !(want.whole && have.whole) && (gap <= 1e-3 * size || gap <= 0.0101);
}

static bool is_overflow(struct number want, struct number have)
{
    const double range = 4294967296.0;
    if (!want.whole || !have.whole || fabs(want.value) > 9e15 || fabs(want.value) < 2147483648.0 ||
        fabs(have.value) > range)
        return false;
    return fmod(want.value - have.value, range) == 0;
}

static bool is_other_sign(struct number want, struct number have)
{
    return want.value == -have.value && want.value != 0;
}

static bool is_one_off(struct number want, struct number have)
{
    return want.whole && have.whole && fabs(want.value - have.value) == 1;
}

/* Every word is equal or a pair of numbers of which this holds. */
static bool numbers_are(const struct side *want, const struct side *have,
                        bool (*holds)(struct number want, struct number have))
{
    if (want->words.count != have->words.count)
        return false;
    for (size_t i = 0; i < want->words.count; i++) {
        struct str w = want->words.at[i], h = have->words.at[i];
        struct number x, y;
        if (str_eq(w, h))
            continue;
        if (!number_of(w, &x) || !number_of(h, &y) || !(holds(x, y) || is_same_value(x, y)))
            return false;
    }
    return true;
}

static enum difference numbers(const struct side *want, const struct side *have)
{
    static const struct {
        enum difference kind;
        bool (*holds)(struct number want, struct number have);
    } kinds[] = {
        { DIFF_NUMBER_FORMAT, is_same_value },
        { DIFF_CUT_OFF, is_cut_off },
        { DIFF_ROUNDING, is_near },
        { DIFF_OVERFLOW, is_overflow },
        { DIFF_SIGN, is_other_sign },
        { DIFF_OFF_BY_ONE, is_one_off },
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (numbers_are(want, have, kinds[i].holds))
            return kinds[i].kind;
    return DIFF_NONE;
}

/* ---- order and more or less of it ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    int sign = memcmp(x->ptr, y->ptr, MIN(x->len, y->len));
    return sign ? sign : (x->len > y->len) - (x->len < y->len);
}

static bool same_set(const struct pieces *a, const struct pieces *b, struct arena *arena)
{
    if (a->count != b->count || a->count < 2)
        return false;
    struct pieces copies[2];
    for (int i = 0; i < 2; i++) {
        const struct pieces *from = i ? b : a;
        copies[i] =
            (struct pieces){ arena_array(arena, from->count, sizeof *from->at), from->count };
        memcpy(copies[i].at, from->at, from->count * sizeof *from->at);
        qsort(copies[i].at, from->count, sizeof *from->at, by_bytes);
    }
    return same_pieces(&copies[0], &copies[1], str_eq);
}

/* The lines of want stand in have in this order; others between them answer to may_be_extra. */
static bool is_within(const struct pieces *want, const struct pieces *have,
                      bool (*may_be_extra)(struct str line))
{
    size_t next = 0;
    if (want->count == 0 || have->count <= want->count)
        return false;
    for (size_t i = 0; i < have->count; i++) {
        if (next < want->count && str_eq(want->at[next], have->at[i]))
            next++;
        else if (!may_be_extra(have->at[i]))
            return false;
    }
    return next == want->count;
}

static bool is_anything(UNUSED struct str line)
{
    return true;
}

static bool is_none(struct str line)
{
    struct str word = trim(line);
    return str_is(word, "None") || str_is(word, "undefined") || str_is(word, "null");
}

static bool begins(const struct pieces *whole, const struct pieces *start)
{
    if (start->count == 0 || start->count >= whole->count)
        return false;
    for (size_t i = 0; i < start->count; i++)
        if (!str_eq(whole->at[i], start->at[i]))
            return false;
    return true;
}

/* "Enter a number: 42" where "42" was expected: some line at least, others equal. */
static bool has_prompt(const struct pieces *want, const struct pieces *have)
{
    size_t next = 0, behind = 0;
    for (size_t i = 0; i < have->count && next < want->count; i++) {
        struct str w = trim(want->at[next]), h = trim(have->at[i]);
        if (str_eq(w, h)) {
            next++;
        } else if (w.len > 0 && h.len > w.len && memcmp(h.ptr + h.len - w.len, w.ptr, w.len) == 0 &&
                   !isalnum((unsigned char)h.ptr[h.len - w.len - 1]) &&
                   memchr(h.ptr, ' ', h.len - w.len + 1)) {
            next++;
            behind++;
        }
    }
    return want->count > 0 && next == want->count && behind > 0;
}

static size_t first_other(const struct pieces *a, const struct pieces *b)
{
    size_t i = 0;
    while (i < a->count && i < b->count && str_eq(a->at[i], b->at[i]))
        i++;
    return i;
}

static enum difference structure(const struct side *want, const struct side *have, struct arena *a)
{
    if (same_set(&want->full, &have->full, a))
        return DIFF_LINE_ORDER;
    if (same_set(&want->words, &have->words, a))
        return DIFF_WORD_ORDER;
    if (is_within(&want->full, &have->full, is_none))
        return DIFF_NONE_PRINTED;
    if (begins(&want->full, &have->full))
        return DIFF_TOO_SHORT;
    if (begins(&have->full, &want->full))
        return DIFF_TOO_LONG;
    if (is_within(&want->full, &have->full, is_anything))
        return DIFF_EXTRA_LINES;
    if (has_prompt(&want->full, &have->full))
        return DIFF_PROMPT;
    return DIFF_NONE;
}

static bool is_word_like(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (isalpha((unsigned char)line.ptr[i]))
            return line.len >= 4;
    return false;
}

static enum difference rest(const struct side *want, const struct side *have)
{
    size_t at = first_other(&want->lines, &have->lines), others = 0;
    if (want->lines.count == have->lines.count) {
        for (size_t i = 0; i < want->lines.count; i++)
            others += !str_eq(want->lines.at[i], have->lines.at[i]);
        struct str w = at < want->lines.count ? want->lines.at[at] : STR("");
        struct str h = at < have->lines.count ? have->lines.at[at] : STR("");
        if (others == 1 && is_word_like(w) && is_word_like(h) && edit_distance(w, h, 2) <= 2)
            return DIFF_TYPO;
        if (others == 1 && want->lines.count > 2 && at + 1 == want->lines.count)
            return DIFF_LAST_LINE;
    }
    return at == 0 ? DIFF_FIRST_LINE : DIFF_OTHER;
}

/* ---- the window ---- */

/* Cut both texts to what is looked at: from the line where they part, if they are long. */
static size_t cut_window(struct str *want, struct str *have, bool *sure)
{
    size_t line = 0, start = 0;
    *sure = want->len <= WINDOW && have->len <= WINDOW;
    if (*sure)
        return 0;
    for (size_t i = 0; i < want->len && i < have->len && want->ptr[i] == have->ptr[i]; i++)
        if (want->ptr[i] == '\n') {
            line++;
            start = i + 1;
        }
    struct str *sides[] = { want, have };
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        struct str s = { sides[i]->ptr + start, sides[i]->len - start };
        s.len = MIN(s.len, (size_t)WINDOW);
        *sides[i] = s;
    }
    return line;
}

static enum difference classify(const struct side *want, const struct side *have, struct arena *a)
{
    enum difference kind = white_space(want, have, a);
    if (kind == DIFF_NONE)
        kind = letters(want, have);
    if (kind == DIFF_NONE)
        kind = numbers(want, have);
    if (kind == DIFF_NONE)
        kind = structure(want, have, a);
    return kind == DIFF_NONE ? rest(want, have) : kind;
}

struct difference_found difference_find(struct str expected, struct str output)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct difference_found found = { .kind = DIFF_OTHER };
    bool nothing = trim(output).len == 0;
    size_t before = cut_window(&expected, &output, &found.sure);
    struct side want = side_of(expected, &arena), have = side_of(output, &arena);
    found.line = before + first_other(&want.lines, &have.lines) + 1;
    /* Of a window only what needs no end of the texts can be told. */
    found.kind = nothing       ? DIFF_NO_OUTPUT
                 : found.sure  ? classify(&want, &have, &arena)
                 : before == 0 ? DIFF_FIRST_LINE
                               : DIFF_OTHER;
    return found;
}
