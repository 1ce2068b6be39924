/* SPDX-License-Identifier: Apache-2.0 */
#include "lang/command.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "lang/lang.h"

enum word {
    WORD_NONE,
    WORD_OPTIONS,
    WORD_ARGS,
    WORD_SOURCE,
    WORD_MAIN,
    WORD_MEMORY,
    WORD_HEAP,
};

static const struct {
    const char *text;
    enum word word;
    bool list; /* stands alone and becomes any number of words */
} known[] = {
    { "{options}", WORD_OPTIONS, true },   { "{args}", WORD_ARGS, true },
    { "{source}", WORD_SOURCE, false },    { "{main}", WORD_MAIN, false },
    { "{memory_mb}", WORD_MEMORY, false }, { "{heap_mb}", WORD_HEAP, false },
};

/* Length of a {lower_case} word at p, 0 when there is none. */
static size_t brace_len(const char *p)
{
    if (*p != '{')
        return 0;
    size_t len = 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_");
    return len > 1 && p[len] == '}' ? len + 1 : 0;
}

static int find(const char *p, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strlen(known[i].text) == len && memcmp(known[i].text, p, len) == 0)
            return (int)i;
    return -1;
}

const char *template_trouble(const char *word)
{
    for (const char *p = word; *p; p++) {
        size_t len = brace_len(p);
        if (!len || (p > word && p[-1] == '$'))
            continue;
        int at = find(p, len);
        if (at < 0)
            return "holds a {word} that is none of {options} {args} {source} {main} {memory_mb} "
                   "{heap_mb}";
        if (known[at].list && strlen(word) != len)
            return "{options} and {args} must stand alone as a word";
    }
    return NULL;
}

static size_t count_words(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static void put_word(struct buf *out, enum word word, const struct command_words *words)
{
    const int64_t mb = words->memory_bytes / (INT64_C(1024) * 1024);
    switch (word) {
    case WORD_SOURCE:
        buf_add_text(out, words->source ? words->source : "");
        break;
    case WORD_MAIN:
        buf_add_text(out, words->main ? words->main : "");
        break;
    case WORD_MEMORY:
        buf_addf(out, "%lld", (long long)MAX(mb, 1));
        break;
    case WORD_HEAP:
        buf_addf(out, "%lld", (long long)MAX(mb * 3 / 4, 1));
        break;
    case WORD_NONE:
    case WORD_OPTIONS:
    case WORD_ARGS:
        break;
    }
}

static const char *fill_word(const char *word, const struct command_words *words,
                             struct arena *arena)
{
    if (!strchr(word, '{'))
        return arena_text(arena, word);
    CLEANUP(buf_done) struct buf out = { 0 };
    for (const char *p = word; *p;) {
        size_t len = p > word && p[-1] == '$' ? 0 : brace_len(p);
        int at = len ? find(p, len) : -1;
        if (at >= 0)
            put_word(&out, known[at].word, words);
        else
            buf_add_char(&out, *p);
        p += at >= 0 ? len : 1;
    }
    return arena_str(arena, buf_str(&out)).ptr;
}

const char *const *command_fill(const struct command *c, const struct command_words *words,
                                struct arena *arena)
{
    size_t most = count_words(c->argv) + count_words(words->options) + count_words(words->args);
    /* Each list may stand there once only; a second time it is left out, argv keeps its bound. */
    const char *const *options = words->options, *const *args = words->args;
    const char **argv = arena_array(arena, most + 1, sizeof *argv);
    size_t n = 0;
    for (const char *const *word = c->argv; word && *word; word++) {
        const char *const **list = strcmp(*word, "{options}") == 0 ? &options
                                   : strcmp(*word, "{args}") == 0  ? &args
                                                                   : NULL;
        if (!list) {
            argv[n++] = fill_word(*word, words, arena);
            continue;
        }
        for (const char *const *each = *list; each && *each; each++)
            argv[n++] = arena_text(arena, *each);
        *list = NULL;
    }
    return argv;
}
