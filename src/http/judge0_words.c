/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judge0 pastes options and arguments into a shell script after deleting a few characters. Here no
 * shell ever sees them: its word splitting and quoting are reproduced, its expansions are not.
 */
#include "http/judge0.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

struct str judge0_filter(struct str text, struct arena *arena)
{
    while (text.len && is_blank(text.ptr[0]))
        text = (struct str){ text.ptr + 1, text.len - 1 };
    while (text.len && is_blank(text.ptr[text.len - 1]))
        text.len--;

    char *out = arena_get(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\0' || !strchr("$&;<>|`", text.ptr[i]))
            out[len++] = text.ptr[i];
    return (struct str){ out, len };
}

struct splitter {
    const char *at, *end;
    char *out; /* the word so far; words are never longer than their text */
    bool any;  /* a word has begun, perhaps an empty quoted one */
};

static void put(struct splitter *s, char c)
{
    *s->out++ = c;
    s->any = true;
}

/* Behind a backslash: outside quotes every character is taken, a line break vanishes. */
static void take_escaped(struct splitter *s)
{
    if (s->at == s->end)
        put(s, '\\');
    else if (*s->at == '\n')
        s->at++;
    else
        put(s, *s->at++);
}

static void take_single_quoted(struct splitter *s)
{
    s->any = true;
    while (s->at < s->end && *s->at != '\'')
        put(s, *s->at++);
    if (s->at < s->end)
        s->at++;
}

/* Inside double quotes a backslash protects only the quote, itself and a line break. */
static void take_double_quoted(struct splitter *s)
{
    s->any = true;
    while (s->at < s->end && *s->at != '"') {
        char c = *s->at++;
        bool protects = c == '\\' && s->at < s->end && strchr("\"\\\n", *s->at) && *s->at;
        if (protects)
            take_escaped(s);
        else
            put(s, c);
    }
    if (s->at < s->end)
        s->at++;
}

/* One word into s->out; false at the end of the text. */
static bool take_word(struct splitter *s)
{
    s->any = false;
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
    while (s->at < s->end && !is_blank(*s->at)) {
        char c = *s->at++;
        if (c == '\\')
            take_escaped(s);
        else if (c == '\'')
            take_single_quoted(s);
        else if (c == '"')
            take_double_quoted(s);
        else
            put(s, c);
    }
    return s->any;
}

const char **judge0_split(struct str text, struct arena *arena)
{
    const char **words = arena_array(arena, text.len / 2 + 2, sizeof *words);
    size_t count = 0;
    char *out = arena_get(arena, 2 * text.len + 1);
    struct splitter s = { text.ptr, text.ptr + text.len, out, false };
    while (s.at < s.end) {
        char *word = s.out;
        if (!take_word(&s))
            continue;
        *s.out++ = '\0';
        words[count++] = word;
    }
    words[count] = NULL;
    return words;
}
