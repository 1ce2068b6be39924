/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <math.h>
#include <string.h>

/* Length of the well-formed sequence at p, 0 when there is none. Table 3-7 of Unicode 15. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < len)
        return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool utf8_valid(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_sequence(p + i, s.len - i);
        if (!len)
            return false;
        i += len;
    }
    return true;
}

size_t utf8_count(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}

void utf8_add_repaired(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_sequence(p + i, s.len - i);
        if (len)
            buf_add(out, p + i, len);
        else
            buf_add_text(out, "\xef\xbf\xbd");
        i += len ? len : 1;
    }
}

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buf *out, struct str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    char *at = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    size_t i = 0, n = 0;
    for (; i + 2 < bytes.len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        at[n++] = base64_alphabet[v >> 18];
        at[n++] = base64_alphabet[v >> 12 & 63];
        at[n++] = base64_alphabet[v >> 6 & 63];
        at[n++] = base64_alphabet[v & 63];
    }
    if (i < bytes.len) {
        bool two = i + 1 < bytes.len;
        uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
        at[n++] = base64_alphabet[v >> 18];
        at[n++] = base64_alphabet[v >> 12 & 63];
        at[n++] = two ? base64_alphabet[v >> 6 & 63] : '=';
        at[n++] = '=';
    }
    out->len += n;
    out->ptr[out->len] = '\0';
}

/* 0..63, or -1 for anything else. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Append the whole bytes of a group of 2 to 4 characters. */
static void add_group(struct buf *out, const int group[4], int count)
{
    uint32_t v = (uint32_t)group[0] << 18 | (uint32_t)group[1] << 12;
    if (count > 2)
        v |= (uint32_t)group[2] << 6;
    if (count > 3)
        v |= (uint32_t)group[3];
    buf_add_char(out, (char)(v >> 16));
    if (count > 2)
        buf_add_char(out, (char)(v >> 8 & 0xff));
    if (count > 3)
        buf_add_char(out, (char)(v & 0xff));
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t before = out->len;
    if (text.len % 4 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        int group[4] = { 0 }, count = 0;
        while (count < 4 && (group[count] = base64_value(text.ptr[i + (size_t)count])) >= 0)
            count++;
        bool last = i + 4 == text.len;
        bool padded = last && ((count == 2 && text.ptr[i + 2] == '=' && text.ptr[i + 3] == '=') ||
                               (count == 3 && text.ptr[i + 3] == '='));
        if (count != 4 && !padded) {
            out->len = before;
            if (out->ptr)
                out->ptr[before] = '\0';
            return false;
        }
        add_group(out, group, count);
    }
    return true;
}

void base64_decode_lenient(struct buf *out, struct str text)
{
    int group[4] = { 0 }, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '=' && count >= 2)
            break;
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            continue;
        group[count++] = value;
        if (count == 4) {
            add_group(out, group, 4);
            count = 0;
        }
    }
    if (count >= 2)
        add_group(out, group, count);
}

void hex_text(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

bool parse_int(struct str s, int64_t *ret)
{
    size_t i = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    bool negative = i && s.ptr[0] == '-';
    if (i == s.len)
        return false;
    int64_t value = 0;
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        int digit = s.ptr[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool parse_double(struct str s, double *ret)
{
    char text[64];
    if (s.len == 0 || s.len >= sizeof text)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789+-.eE", s.ptr[i]) || !s.ptr[i])
            return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !isfinite(value))
        return false;
    *ret = value;
    return true;
}
