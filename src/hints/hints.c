/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search: patterns in the order of their files, cheap conditions before expressions, the first
 * that holds. Of a failed build each error is looked at alone, the first before the others.
 */
#include "hints/hints.h"

#include "hints/wording.h"

enum { ERRORS_MOST = 50 };

struct finding {
    const struct hint_book *book;
    const char *language;
    struct facts facts;
    struct matcher *matcher;
    struct result *result;
    struct hint hints[HINTS_MOST];
    size_t count;
    size_t errors_after; /* in the same compilation */
    size_t error_line;   /* of the one looked at; 0: unknown */
    bool follow_up;      /* an earlier error of it has no hint */
};

static bool applies(const struct pattern_file *file, const char *language)
{
    for (const char *const *l = file->languages; *l; l++)
        if (strcmp(*l, language) == 0)
            return true;
    return file->language_count == 0;
}

/* ---- one pattern ---- */

static bool texts_match(const struct finding *s, struct match *m)
{
    const struct pattern *p = m->pattern;
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (p->match[i] &&
            !regex_find(p->match[i], s->matcher, s->facts.texts[i], 0, &m->groups[i]))
            return false;
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (p->absent[i] && regex_find(p->absent[i], s->matcher, s->facts.texts[i], 0, NULL))
            return false;
    return true;
}

/* The line the pattern itself tells, or its language's way to find one in what was printed. */
static size_t find_line(const struct finding *s, const struct match *m)
{
    size_t line = 0;
    for (size_t i = 0; i < TEXT_COUNT && !line; i++)
        line = wording_line(&s->facts, &m->groups[i]);
    struct str text = s->facts.texts[TEXT_STDERR];
    if (!line && s->facts.phase == PHASE_COMPILE)
        return s->error_line;
    if (line || !m->pattern->match[TEXT_STDERR])
        return line;
    for (size_t i = 0; i < s->book->count; i++) {
        const struct pattern_file *file = &s->book->files[i];
        struct groups g;
        if (!file->where || !applies(file, s->language))
            continue;
        size_t from = 0;
        while (regex_find(file->where, s->matcher, text, from, &g)) {
            size_t here = wording_line(&s->facts, &g);
            line = here ? here : line;
            if (line && !file->where_last)
                break;
            from = (size_t)(g.at[0].ptr - text.ptr) + MAX(g.at[0].len, (size_t)1);
        }
        return line;
    }
    return 0;
}

static const char *sentence(const struct finding *s, const struct match *m, size_t line)
{
    struct arena *a = &s->result->arena;
    const char *text = wording_fill(&s->facts, m, a);
    if (!text)
        return NULL;
    if (line)
        text = arena_printf(a, "Line %zu: %s", line, text);
    if (s->facts.phase == PHASE_COMPILE && s->errors_after == 1)
        text = arena_printf(a, "%s The error after it may go away with this one.", text);
    else if (s->facts.phase == PHASE_COMPILE && s->errors_after > 1)
        text = arena_printf(a, "%s The %zu errors after it may go away with this one.", text,
                            s->errors_after);
    return text;
}

/* True: the search is over. */
static bool try_pattern(struct finding *s, const struct pattern *p)
{
    struct match m = { .pattern = p };
    if (!facts_fit(&s->facts, p) || !texts_match(s, &m))
        return false;
    size_t line = find_line(s, &m);
    const char *text = sentence(s, &m, line);
    if (!text)
        return false;
    struct arena *a = &s->result->arena; /* a result lives longer than the book may */
    s->hints[s->count++] = (struct hint){
        .id = arena_text(a, p->id),
        .title = arena_text(a, p->title),
        .text = text,
        .confidence = arena_text(a, p->confidence),
        .link = arena_text(a, p->link),
        .test = s->facts.test,
        .line = (int64_t)line,
        .follow_up = s->follow_up,
    };
    return !p->also || s->count == HINTS_MOST;
}

/* ---- all of them ---- */

static bool try_files(struct finding *s, bool fallback)
{
    for (size_t i = 0; i < s->book->count; i++) {
        const struct pattern_file *file = &s->book->files[i];
        if (!applies(file, s->language))
            continue;
        for (size_t k = 0; k < file->count; k++)
            if (file->patterns[k].fallback == fallback && try_pattern(s, &file->patterns[k]))
                return true;
    }
    return false;
}

static void try_all(struct finding *s)
{
    if (!try_files(s, false) && s->count == 0)
        (void)try_files(s, true);
}

static const struct regex *error_begin(const struct finding *s)
{
    for (size_t i = 0; i < s->book->count; i++)
        if (s->book->files[i].error && applies(&s->book->files[i], s->language))
            return s->book->files[i].error;
    return NULL;
}

struct cut {
    size_t at, line;
};

/* Where errors begin in the compiler's output, and their lines; cuts[count] is its end. */
static size_t cut_errors(const struct finding *s, struct str text, struct cut cuts[ERRORS_MOST + 1])
{
    const struct regex *begin = error_begin(s);
    struct groups g;
    size_t count = 0, from = 0;
    while (begin && count < ERRORS_MOST && regex_find(begin, s->matcher, text, from, &g)) {
        size_t at = (size_t)(g.at[0].ptr - text.ptr);
        cuts[count++] = (struct cut){ at, wording_line(&s->facts, &g) };
        from = at + MAX(g.at[0].len, (size_t)1);
    }
    if (count == 0)
        cuts[count++] = (struct cut){ 0 };
    cuts[count].at = text.len;
    return count;
}

static void try_errors(struct finding *s)
{
    struct str text = s->facts.texts[TEXT_COMPILE];
    struct cut cuts[ERRORS_MOST + 1];
    size_t count = cut_errors(s, text, cuts);
    for (size_t i = 0; i < count && s->count == 0; i++) {
        s->facts.texts[TEXT_COMPILE] =
            (struct str){ text.ptr + cuts[i].at, cuts[i + 1].at - cuts[i].at };
        s->error_line = cuts[i].line;
        s->errors_after = count - 1 - i;
        s->follow_up = i > 0;
        try_all(s);
    }
}

void hints_find(const struct hint_book *book, const struct job *job, struct result *result)
{
    struct finding s = { .book = book, .language = job->language, .result = result };
    if (!book || !job->language || !facts_gather(job, result, &s.facts))
        return;
    CLEANUP(matcher_free) struct matcher *matcher = matcher_new();
    s.matcher = matcher;
    if (s.facts.phase == PHASE_COMPILE && s.facts.texts[TEXT_COMPILE].ptr)
        try_errors(&s);
    else
        try_all(&s);
    if (s.count == 0)
        return;
    result->hints = arena_array(&result->arena, s.count, sizeof *result->hints);
    memcpy(result->hints, s.hints, s.count * sizeof *s.hints);
    result->hint_count = s.count;
}
