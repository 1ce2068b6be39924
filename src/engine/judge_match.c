/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing what a program printed with what was expected.
 *
 * Outputs may have tens of megabytes and are made by people who try things: every checker walks
 * both texts once, byte-wise, without recursion and with constant memory. For "unordered" that
 * means no sorting: each line is hashed with a key nobody knows (SipHash-2-4), and the sums of the
 * hashes are compared, which do not depend on the order. Two different sets of lines have equal
 * sums once in 2^128 tries.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "engine/judge.h"
#include "engine/judge_match.h"

/* NUL counts as white space: contract of the Judge0 face, section 3.8. */
static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\0';
}

static struct str trim_end(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal(struct str a, struct str b, bool ignore_case)
{
    if (a.len != b.len)
        return false;
    if (!ignore_case)
        return str_eq(a, b);
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

/* ---- pieces ---- */

/* Cut the next line off rest, without the white space at its end. False: there is none. */
static bool next_line(struct str *rest, struct str *ret)
{
    if (!rest->ptr)
        return false;
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (!end) {
        *ret = trim_end(*rest);
        *rest = STR_NULL;
        return true;
    }
    size_t len = (size_t)(end - rest->ptr);
    *ret = trim_end((struct str){ rest->ptr, len });
    *rest = (struct str){ end + 1, rest->len - len - 1 };
    return true;
}

/* Lines of a text whose closing white space does not count; an empty text has none. */
static struct str lines_of(struct str text)
{
    struct str trimmed = trim_end(text);
    return trimmed.len ? trimmed : STR_NULL;
}

static bool next_word(struct str *rest, struct str *ret)
{
    size_t i = 0, start;
    while (i < rest->len && is_space(rest->ptr[i]))
        i++;
    start = i;
    while (i < rest->len && !is_space(rest->ptr[i]))
        i++;
    if (i == start)
        return false;
    *ret = (struct str){ rest->ptr + start, i - start };
    *rest = (struct str){ rest->ptr + i, rest->len - i };
    return true;
}

/* ---- line by line ---- */

size_t first_difference(struct str expected, struct str output, bool ignore_case)
{
    struct str left = lines_of(expected), right = lines_of(output), a, b;
    for (size_t line = 1;; line++) {
        bool more_left = next_line(&left, &a), more_right = next_line(&right, &b);
        if (!more_left && !more_right)
            return 0;
        if (more_left != more_right || !equal(a, b, ignore_case))
            return line;
    }
}

/* ---- words and numbers ---- */

/* An optional sign, digits with at most one point, an optional exponent; nothing else. */
static bool is_number(struct str s)
{
    size_t i = 0, digits = 0;
    if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
        i++;
    for (bool point = false; i < s.len; i++) {
        if (isdigit((unsigned char)s.ptr[i]))
            digits++;
        else if (s.ptr[i] == '.' && !point)
            point = true;
        else
            break;
    }
    if (digits == 0 || i == s.len)
        return digits > 0;
    if (s.ptr[i] != 'e' && s.ptr[i] != 'E')
        return false;
    i++;
    if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
        i++;
    size_t exponent = i;
    while (i < s.len && isdigit((unsigned char)s.ptr[i]))
        i++;
    return i > exponent && i == s.len;
}

/* False also for what is too large for a double: such words must be equal as words. */
static bool number_of(struct str s, struct buf *scratch, double *ret)
{
    if (!is_number(s))
        return false;
    buf_reset(scratch);
    buf_add_str(scratch, s);
    *ret = strtod(scratch->ptr, NULL);
    return isfinite(*ret);
}

static bool near_enough(const struct checker *c, struct str expected, struct str output,
                        struct buf *scratch)
{
    double a, b;
    if (!number_of(expected, scratch, &a) || !number_of(output, scratch, &b))
        return false;
    double distance = fabs(a - b);
    return distance <= c->absolute || distance <= c->relative * fabs(a);
}

static bool words_match(const struct checker *c, struct str expected, struct str output)
{
    CLEANUP(buf_done) struct buf scratch = { 0 };
    struct str a, b;
    for (;;) {
        bool more_left = next_word(&expected, &a), more_right = next_word(&output, &b);
        if (!more_left || !more_right)
            return more_left == more_right;
        if (!equal(a, b, c->ignore_case) &&
            !(c->type == CHECKER_FLOATS && near_enough(c, a, b, &scratch)))
            return false;
    }
}

/* ---- lines in any order ---- */

struct sip {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(struct sip *s)
{
    s->v[0] += s->v[1];
    s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
    s->v[0] = rotate(s->v[0], 32);
    s->v[2] += s->v[3];
    s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
    s->v[0] += s->v[3];
    s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
    s->v[2] += s->v[1];
    s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
    s->v[2] = rotate(s->v[2], 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_round(s);
    sip_round(s);
    s->v[0] ^= word;
}

/* SipHash-2-4. Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012. */
static uint64_t sip_hash(const uint64_t key[2], struct str text, bool ignore_case)
{
    struct sip s = { { key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                       key[0] ^ UINT64_C(0x6c7967656e657261),
                       key[1] ^ UINT64_C(0x7465646279746573) } };
    uint64_t word = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = ignore_case ? lower(text.ptr[i]) : text.ptr[i];
        word |= (uint64_t)(unsigned char)c << (8 * (i % 8));
        if (i % 8 == 7) {
            sip_word(&s, word);
            word = 0;
        }
    }
    sip_word(&s, word | (uint64_t)text.len << 56);
    s.v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

struct sums {
    uint64_t count, first, second;
};

static struct sums sums_of(struct str text, const uint64_t key[4], bool ignore_case)
{
    struct sums sums = { 0 };
    struct str rest = lines_of(text), line;
    while (next_line(&rest, &line)) {
        sums.count++;
        sums.first += sip_hash(key, line, ignore_case);
        sums.second += sip_hash(key + 2, line, ignore_case);
    }
    return sums;
}

static bool same_lines(struct str expected, struct str output, bool ignore_case)
{
    uint64_t key[4];
    random_bytes(key, sizeof key);
    struct sums a = sums_of(expected, key, ignore_case), b = sums_of(output, key, ignore_case);
    return a.count == b.count && a.first == b.first && a.second == b.second;
}

bool outputs_match(const struct checker *checker, struct str expected, struct str output)
{
    switch (checker->type) {
    case CHECKER_EXACT:
        return equal(expected, output, checker->ignore_case);
    case CHECKER_TOKENS:
    case CHECKER_FLOATS:
        return words_match(checker, expected, output);
    case CHECKER_UNORDERED:
        return same_lines(expected, output, checker->ignore_case);
    case CHECKER_LINES:
    default:
        return first_difference(expected, output, checker->ignore_case) == 0;
    }
}
