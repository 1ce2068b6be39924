/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

enum { SECRET_FILE_BYTES = 64 * 1024 };

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit time_units[] = {
    { "us", 1 },         { "ms", 1000 },      { "s", 1000000 },
    { "min", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 },
};
static const struct unit byte_units[] = {
    { "B", 1 },         { "K", 1 << 10 },          { "KiB", 1 << 10 },          { "M", 1 << 20 },
    { "MiB", 1 << 20 }, { "G", INT64_C(1) << 30 }, { "GiB", INT64_C(1) << 30 },
};

/* A number with an optional unit; bare numbers count in fallback units. */
static bool parse_units(struct str text, const struct unit *units, size_t count, int64_t fallback,
                        int64_t *ret)
{
    size_t digits = 0;
    while (digits < text.len && strchr("0123456789.", text.ptr[digits]))
        digits++;
    double number;
    if (!parse_double((struct str){ text.ptr, digits }, &number))
        return false;
    while (digits < text.len && text.ptr[digits] == ' ')
        digits++;
    struct str name = { text.ptr + digits, text.len - digits };
    int64_t factor = name.len ? 0 : fallback;
    for (size_t i = 0; i < count; i++)
        if (str_is(name, units[i].name))
            factor = units[i].factor;
    if (!factor || number * (double)factor > 9e18)
        return false;
    *ret = (int64_t)(number * (double)factor);
    return true;
}

static bool parse_bool(struct str text, bool *ret)
{
    static const char *const yes[] = { "true", "1", "yes", "on" };
    static const char *const no[] = { "false", "0", "no", "off" };
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (str_is(text, yes[i]) || str_is(text, no[i])) {
            *ret = str_is(text, yes[i]);
            return true;
        }
    }
    return false;
}

/* Index of a word in a list separated by single spaces, or -1. */
static int choice_index(const char *choices, struct str word)
{
    int index = 0;
    for (const char *at = choices; *at; index++) {
        size_t len = strcspn(at, " ");
        if (str_eq((struct str){ at, len }, word))
            return index;
        at += len + (at[len] == ' ');
    }
    return -1;
}

static const char **split_words(struct str text, struct arena *arena)
{
    size_t most = text.len / 2 + 2, count = 0;
    const char **words = arena_array(arena, most, sizeof *words);
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        while (i < text.len && !strchr(" ,", text.ptr[i]))
            i++;
        if (i > start)
            words[count++] = arena_str(arena, (struct str){ text.ptr + start, i - start }).ptr;
        while (i < text.len && strchr(" ,", text.ptr[i]))
            i++;
    }
    return words;
}

static bool wrong(const char *variable, struct str text, bool secret, const char *must,
                  struct err *e)
{
    return err_invalid(e, variable, "%s: %.*s%s %s", variable, secret ? 0 : STR_FMT(text),
                       secret ? "the value" : "", must);
}

static bool set_number(const struct conf_item *item, const char *variable, struct str text,
                       int64_t value, int64_t *at, struct err *e)
{
    if (item->most && (value < item->least || value > item->most)) {
        char must[96];
        snprintf(must, sizeof must, "is outside %lld..%lld", (long long)item->least,
                 (long long)item->most);
        return wrong(variable, text, item->secret, must, e);
    }
    *at = value;
    return true;
}

static bool set_item(const struct conf_item *item, const char *variable, struct str text,
                     void *settings, struct arena *arena, struct err *e)
{
    void *at = (char *)settings + item->offset;
    int64_t value = 0;
    switch (item->type) {
    case CONF_TEXT:
        *(const char **)at = text.len ? arena_str(arena, text).ptr : NULL;
        return true;
    case CONF_WORDS:
        *(const char ***)at = split_words(text, arena);
        return true;
    case CONF_INT:
        if (!parse_int(text, &value))
            return wrong(variable, text, item->secret, "is not a whole number", e);
        return set_number(item, variable, text, value, at, e);
    case CONF_TIME:
        if (!parse_units(text, time_units, COUNT_OF(time_units), 1000000, &value))
            return wrong(variable, text, item->secret,
                         "is not a time; write 30s, 500ms, 5min, 2h or 7d", e);
        return set_number(item, variable, text, value, at, e);
    case CONF_BYTES:
        if (!parse_units(text, byte_units, COUNT_OF(byte_units), 1, &value))
            return wrong(variable, text, item->secret,
                         "is not a size; write 1048576, 512KiB, 64MiB or 2GiB", e);
        return set_number(item, variable, text, value, at, e);
    case CONF_BOOL:
        if (!parse_bool(text, at))
            return wrong(variable, text, item->secret, "is neither true nor false", e);
        return true;
    case CONF_CHOICE: {
        int index = choice_index(item->choices, text);
        if (index < 0) {
            char must[120];
            snprintf(must, sizeof must, "is none of: %s", item->choices);
            return wrong(variable, text, item->secret, must, e);
        }
        *(int *)at = index;
        return true;
    }
    }
    return err_set(e, ERR_BUG, "conf: type of %s", variable);
}

static const struct conf_item *find_item(const struct conf_table *table, struct str name)
{
    for (size_t i = 0; i < table->count; i++)
        if (str_is(name, table->items[i].name))
            return &table->items[i];
    return NULL;
}

static bool load_file(const struct conf_item *item, const char *variable, const char *path,
                      void *settings, struct arena *arena, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    if (!file_read(AT_FDCWD, path, SECRET_FILE_BYTES, &text, e)) {
        err_add(e, "%s", variable);
        e->kind = ERR_INVALID;
        return false;
    }
    while (text.len && strchr(" \r\n\t", text.ptr[text.len - 1]))
        text.len--;
    if (text.len == 0) /* as good as none, like an empty variable */
        return true;
    return set_item(item, variable, buf_str(&text), settings, arena, e);
}

static bool load_variable(const struct conf_table *table, const char *entry, void *settings,
                          struct arena *arena, bool *set, struct err *e)
{
    size_t prefix = strlen(table->prefix);
    const char *eq = strchr(entry, '=');
    if (!eq || strncmp(entry, table->prefix, prefix) != 0 || eq < entry + prefix)
        return true;

    struct str name = { entry + prefix, (size_t)(eq - entry) - prefix };
    char variable[64];
    snprintf(variable, sizeof variable, "%.*s", (int)(eq - entry), entry);

    const struct conf_item *item = find_item(table, name);
    struct str stem = name;
    bool from_file = false;
    if (!item && name.len > 5 && memcmp(name.ptr + name.len - 5, "_FILE", 5) == 0) {
        stem.len -= 5;
        item = find_item(table, stem);
        from_file = item && item->secret;
    }
    if (!item || (!from_file && stem.len != name.len)) {
        if (!table->strict)
            return true;
        return err_invalid(e, variable, "%s: no such setting; `%s` lists them all", variable,
                           table->listed_by);
    }
    if (set)
        set[item - table->items] = true;
    if (from_file)
        return load_file(item, variable, eq + 1, settings, arena, e);
    /* An empty variable is as good as none: compose files and shells leave such behind. */
    if (eq[1] == '\0')
        return true;
    return set_item(item, variable, str_of(eq + 1), settings, arena, e);
}

bool conf_load(const struct conf_table *table, char *const *environment, void *settings,
               struct arena *arena, bool *set, struct err *e)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_item *item = &table->items[i];
        CHECK(set_item(item, item->name, str_of(item->fallback ? item->fallback : ""), settings,
                       arena, e));
        if (set)
            set[i] = false;
    }
    for (char *const *entry = environment; *entry; entry++)
        if (!load_variable(table, *entry, settings, arena, set, e))
            return false;
    return true;
}

static void print_value(const struct conf_item *item, const void *settings, struct buf *out)
{
    const void *at = (const char *)settings + item->offset;
    switch (item->type) {
    case CONF_TEXT: {
        const char *text = *(const char *const *)at;
        buf_add_text(out, !text ? "" : item->secret ? "(hidden)" : text);
        return;
    }
    case CONF_WORDS: {
        const char *const *words = *(const char *const *const *)at;
        for (size_t i = 0; words[i]; i++)
            buf_addf(out, "%s%s", i ? " " : "", item->secret ? "(hidden)" : words[i]);
        return;
    }
    case CONF_INT:
    case CONF_BYTES:
        buf_addf(out, "%lld", (long long)*(const int64_t *)at);
        return;
    case CONF_TIME:
        buf_addf(out, "%gs", (double)*(const int64_t *)at / 1e6);
        return;
    case CONF_BOOL:
        buf_add_text(out, *(const bool *)at ? "true" : "false");
        return;
    case CONF_CHOICE: {
        const char *word = item->choices;
        for (int i = *(const int *)at; i > 0; i--)
            word += strcspn(word, " ") + 1;
        buf_add(out, word, strcspn(word, " "));
        return;
    }
    }
}

void conf_print(const struct conf_table *table, enum conf_style style, const void *settings,
                const bool *set, struct buf *out)
{
    if (style == CONF_MARKDOWN)
        buf_add_text(out, "| variable | default | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_item *item = &table->items[i];
        const char *fallback = item->fallback ? item->fallback : "";
        switch (style) {
        case CONF_HELP:
            buf_addf(out, "  %s%-*s %s%s%s%s\n", table->prefix, (int)(26 - strlen(table->prefix)),
                     item->name, item->help, *fallback ? " [" : "", fallback, *fallback ? "]" : "");
            break;
        case CONF_MARKDOWN:
            buf_addf(out, "| `%s%s` | %s%s%s | %s |\n", table->prefix, item->name,
                     *fallback ? "`" : "", fallback, *fallback ? "`" : "", item->help);
            break;
        case CONF_ENV:
            buf_addf(out, "# %s\n#%s%s=%s\n\n", item->help, table->prefix, item->name, fallback);
            break;
        case CONF_VALUES:
            buf_addf(out, "%s%s=", table->prefix, item->name);
            print_value(item, settings, out);
            buf_addf(out, "  # %s\n", set && set[i] ? "from the environment" : "default");
            break;
        }
    }
}
