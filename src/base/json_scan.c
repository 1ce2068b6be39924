/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-c, even when told to be strict, takes words that RFC 8259 does not know: 'single quotes',
 * control characters inside strings, numbers such as 01. It also bends what it cannot hold: an
 * integer too large becomes the largest there is, a key ends at its first NUL. All that is refused
 * here, in one walk, before json-c sees the text.
 */
#include "base/json_scan.h"

#include "base/attr.h"

struct scan {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool next_is(const struct scan *s, const char *any)
{
    return s->at < s->end && *s->at && strchr(any, *s->at);
}

/* Behind the backslash. */
static const char *scan_escape(struct scan *s, bool *nul)
{
    if (!next_is(s, "\"\\/bfnrtu"))
        return "no such escape";
    if (*s->at++ != 'u')
        return NULL;
    bool zero = true;
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at == s->end || !is_hex(*s->at))
            return "\\u needs four hexadecimal digits";
        zero = zero && *s->at == '0';
    }
    *nul = *nul || zero;
    return NULL;
}

/* Behind the opening quote, up to behind the closing one. */
static const char *scan_string(struct scan *s)
{
    bool nul = false;
    for (;;) {
        if (s->at == s->end)
            return "a string does not end";
        char c = *s->at;
        if ((unsigned char)c < 0x20)
            return "a control character in a string must be escaped";
        s->at++;
        if (c == '"')
            break;
        const char *why = c == '\\' ? scan_escape(s, &nul) : NULL;
        if (why)
            return why;
    }
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
    return nul && next_is(s, ":") ? "a key holds a NUL character" : NULL;
}

static size_t skip_digits(struct scan *s)
{
    const char *start = s->at;
    while (s->at < s->end && is_digit(*s->at))
        s->at++;
    return (size_t)(s->at - start);
}

/* Larger than the largest of 64 bits; below zero one bit less. Digits without leading zeros. */
static bool too_large(struct str digits, bool negative)
{
    struct str most = negative ? STR("9223372036854775808") : STR("18446744073709551615");
    return digits.len > most.len ||
           (digits.len == most.len && memcmp(digits.ptr, most.ptr, most.len) > 0);
}

static const char *scan_number(struct scan *s)
{
    static const char malformed[] = "malformed number";
    bool negative = *s->at == '-', whole = true;
    s->at += negative;
    struct str digits = { s->at, skip_digits(s) };
    if (digits.len == 0 || (digits.len > 1 && digits.ptr[0] == '0'))
        return malformed;
    if (next_is(s, ".")) {
        s->at++;
        whole = false;
        if (skip_digits(s) == 0)
            return malformed;
    }
    if (next_is(s, "eE")) {
        s->at++;
        whole = false;
        s->at += next_is(s, "+-");
        if (skip_digits(s) == 0)
            return malformed;
    }
    return whole && too_large(digits, negative) ? "integer out of range" : NULL;
}

static const char *scan_word(struct scan *s)
{
    static const char *const words[] = { "true", "false", "null" };
    struct str rest = { s->at, (size_t)(s->end - s->at) };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!str_starts(rest, words[i]))
            continue;
        s->at += strlen(words[i]);
        return NULL;
    }
    return "unexpected character";
}

static const char *scan_next(struct scan *s)
{
    char c = *s->at;
    if (is_blank(c) || (c && strchr("{}[]:,", c))) {
        s->at++;
        return NULL;
    }
    if (c == '"') {
        s->at++;
        return scan_string(s);
    }
    return c == '-' || is_digit(c) ? scan_number(s) : scan_word(s);
}

const char *json_scan(struct str text, size_t *ret_at)
{
    struct scan s = { text.ptr, text.ptr + text.len };
    const char *why = NULL;
    while (s.at < s.end && !why)
        why = scan_next(&s);
    *ret_at = (size_t)(s.at - text.ptr);
    return why;
}
