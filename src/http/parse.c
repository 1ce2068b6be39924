/* SPDX-License-Identifier: Apache-2.0 */
#include "http/parse.h"

#include <strings.h>

#include "base/text.h"

struct str params_get(const struct params *p, const char *name)
{
    for (size_t i = p->count; i-- > 0;)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    return STR_NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decoded text is never longer than what it was decoded from. */
static bool percent_decode(struct str s, bool plus_is_space, struct arena *arena, struct str *ret,
                           struct err *e)
{
    char *out = arena_get(arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
            if (low < 0)
                return err_set(e, ERR_INVALID, "bad percent-encoding: '%%' needs two hex digits");
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret = (struct str){ out, len };
    if (!utf8_valid(*ret))
        return err_set(e, ERR_INVALID, "percent-encoded text is not valid UTF-8");
    return true;
}

/* The piece of s up to the next separator; s moves behind it. */
static struct str next_piece(struct str *s, char separator)
{
    const char *end = s->len ? memchr(s->ptr, separator, s->len) : NULL;
    struct str piece = { s->ptr, end ? (size_t)(end - s->ptr) : s->len };
    size_t used = piece.len + (end != NULL);
    *s = (struct str){ s->ptr + used, s->len - used };
    return piece;
}

static size_t count_char(struct str s, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += s.ptr[i] == c;
    return count;
}

static bool param_parse(struct str pair, struct arena *arena, struct param *ret, struct err *e)
{
    struct str rest = pair, name, value;
    struct str raw_name = next_piece(&rest, '=');
    if (!percent_decode(raw_name, true, arena, &name, e))
        return false;
    if (memchr(name.ptr, '\0', name.len))
        return err_set(e, ERR_INVALID, "a parameter's name holds a zero byte");
    if (!percent_decode(rest, true, arena, &value, e))
        return err_invalid(e, name.ptr, "parameter %.60s: bad percent-encoding or not UTF-8",
                           name.ptr);
    *ret = (struct param){ name.ptr, value };
    return true;
}

bool params_parse(struct str text, struct arena *arena, struct params *ret, struct err *e)
{
    struct params params = { 0 };
    size_t most = text.len ? count_char(text, '&') + 1 : 0;
    if (most > PARAMS_MAX)
        return err_set(e, ERR_INVALID, "more than %d parameters", PARAMS_MAX);
    params.items = arena_array(arena, most + 1, sizeof *params.items);
    while (text.len) {
        struct str pair = next_piece(&text, '&');
        if (pair.len && !param_parse(pair, arena, &params.items[params.count++], e))
            return false;
    }
    *ret = params;
    return true;
}

bool path_parse(struct str text, struct arena *arena, struct path *ret, struct err *e)
{
    struct path path = { 0 };
    while (text.len) {
        struct str raw = next_piece(&text, '/'), segment;
        if (!raw.len)
            continue;
        if (path.count == SEGMENTS_MAX)
            return err_set(e, ERR_NOT_FOUND, "no such path");
        if (!percent_decode(raw, false, arena, &segment, e))
            return false;
        if (memchr(segment.ptr, '\0', segment.len))
            return err_set(e, ERR_INVALID, "the path holds a zero byte");
        path.segments[path.count++] = segment.ptr;
    }
    *ret = path;
    return true;
}

bool media_type_is(const char *header, const char *type)
{
    size_t len = strlen(type);
    if (!header || strncasecmp(header, type, len) != 0)
        return false;
    header += len;
    header += strspn(header, " \t");
    return *header == '\0' || *header == ';' || *header == ',';
}

/* ---- multipart ---- */

/* name="value" or name=value among the parameters of a header; STR_NULL when absent. */
static struct str header_param(struct str header, const char *name)
{
    size_t len = strlen(name);
    next_piece(&header, ';');
    while (header.len) {
        while (header.len && (*header.ptr == ' ' || *header.ptr == '\t' || *header.ptr == ';'))
            header = (struct str){ header.ptr + 1, header.len - 1 };
        bool match =
            header.len > len && strncasecmp(header.ptr, name, len) == 0 && header.ptr[len] == '=';
        struct str rest = header;
        next_piece(&rest, '=');
        bool quoted = rest.len && *rest.ptr == '"';
        if (quoted)
            rest = (struct str){ rest.ptr + 1, rest.len - 1 };
        struct str value = next_piece(&rest, quoted ? '"' : ';');
        if (match)
            return value;
        header = rest;
    }
    return STR_NULL;
}

static const char *find(struct str s, struct str what)
{
    return s.len ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;
}

/* The Content-Disposition among a part's header lines. */
static struct str part_name(struct str head)
{
    static const char disposition[] = "content-disposition:";
    while (head.len) {
        struct str line = next_piece(&head, '\n');
        if (line.len > sizeof disposition - 1 &&
            strncasecmp(line.ptr, disposition, sizeof disposition - 1) == 0) {
            if (line.ptr[line.len - 1] == '\r')
                line.len--;
            return header_param(line, "name");
        }
    }
    return STR_NULL;
}

static bool part_add(struct str part, struct arena *arena, struct params *params, struct err *e)
{
    const char *gap = find(part, STR("\r\n\r\n"));
    if (!gap)
        return err_set(e, ERR_INVALID, "malformed multipart body: a part without headers");
    struct str head = { part.ptr, (size_t)(gap - part.ptr) };
    struct str value = { gap + 4, part.len - head.len - 4 };
    struct str name = part_name(head);
    if (!name.ptr)
        return true;
    if (!utf8_valid(name) || memchr(name.ptr, '\0', name.len) || !utf8_valid(value))
        return err_set(e, ERR_INVALID, "malformed multipart body: not UTF-8");
    if (params->count == PARAMS_MAX)
        return err_set(e, ERR_INVALID, "more than %d parameters", PARAMS_MAX);
    params->items[params->count++] =
        (struct param){ arena_str(arena, name).ptr, arena_str(arena, value) };
    return true;
}

bool multipart_parse(struct str body, const char *type, struct arena *arena, struct params *ret,
                     struct err *e)
{
    struct str boundary = header_param(str_of(type), "boundary");
    if (!boundary.len || boundary.len > 70)
        return err_set(e, ERR_INVALID, "multipart body: no boundary in Content-Type");
    char text[80];
    int len = snprintf(text, sizeof text, "\r\n--%.*s", STR_FMT(boundary));
    struct str mark = { text, (size_t)len };

    struct params params = { arena_array(arena, PARAMS_MAX, sizeof *params.items), 0 };
    /* The first mark may stand at the very start, without its line break. */
    struct str first = { text + 2, mark.len - 2 };
    const char *at = find(body, first);
    if (!at)
        return err_set(e, ERR_INVALID, "malformed multipart body: its boundary is missing");
    struct str rest = { at + first.len, body.len - (size_t)(at - body.ptr) - first.len };
    while (!str_starts(rest, "--")) {
        at = find(rest, mark);
        if (!str_starts(rest, "\r\n") || !at)
            return err_set(e, ERR_INVALID, "malformed multipart body: no closing boundary");
        /* The line break of the head counts, so that a part without headers is found empty. */
        struct str part = { rest.ptr, (size_t)(at - rest.ptr) };
        if (!part_add(part, arena, &params, e))
            return false;
        rest = (struct str){ at + mark.len, rest.len - part.len - mark.len };
    }
    *ret = params;
    return true;
}
