/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trace.h"

#include "base/hash.h"
#include "base/text.h"

enum { TRACE_BYTES = 16, SPAN_BYTES = 8, LARGE_MEMBER = 128 };

static struct str trimmed(struct str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = (struct str){ s.ptr + 1, s.len - 1 };
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* ---- traceparent ---- */

/* Upper case is none of it: ids are compared as texts. */
static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (digit(text[i]) < 0)
            return false;
    return true;
}

static bool is_id(const char *text, size_t len)
{
    return is_hex(text, len) && strspn(text, "0") < len;
}

bool trace_read(struct str header, struct trace *ret)
{
    enum {
        ID = 3,
        SPAN = ID + 2 * TRACE_BYTES + 1,
        FLAGS = SPAN + 2 * SPAN_BYTES + 1,
        END = FLAGS + 2
    };
    struct str s = trimmed(header);
    if (s.len < END || !is_hex(s.ptr, 2) || s.ptr[2] != '-' || s.ptr[SPAN - 1] != '-' ||
        s.ptr[FLAGS - 1] != '-')
        return false;
    bool ours = s.ptr[0] == '0' && s.ptr[1] == '0', forbidden = s.ptr[0] == 'f' && s.ptr[1] == 'f';
    if (forbidden || (s.len > END && (ours || s.ptr[END] != '-')))
        return false;
    if (!is_id(s.ptr + ID, SPAN - 1 - ID) || !is_id(s.ptr + SPAN, FLAGS - 1 - SPAN) ||
        !is_hex(s.ptr + FLAGS, 2))
        return false;

    struct trace t = { .flags = digit(s.ptr[FLAGS + 1]) & TRACE_SAMPLED };
    memcpy(t.id, s.ptr + ID, sizeof t.id - 1);
    memcpy(t.span, s.ptr + SPAN, sizeof t.span - 1);
    *ret = t;
    return true;
}

/* All zeros stand for no id: that they are drawn is not to be expected, nor to be borne. */
static void draw_id(uint8_t *out, size_t len)
{
    static const uint8_t none[TRACE_BYTES];
    do
        random_bytes(out, len);
    while (memcmp(out, none, len) == 0);
}

struct trace trace_new(void)
{
    struct trace t = { 0 };
    uint8_t id[TRACE_BYTES], span[SPAN_BYTES];
    draw_id(id, sizeof id);
    draw_id(span, sizeof span);
    hex_text(id, sizeof id, t.id);
    hex_text(span, sizeof span, t.span);
    return t;
}

struct trace trace_child(const struct trace *parent)
{
    struct trace t = *parent;
    uint8_t span[SPAN_BYTES];
    if (!t.id[0])
        return t;
    draw_id(span, sizeof span);
    hex_text(span, sizeof span, t.span);
    return t;
}

void trace_text(const struct trace *t, char out[TRACEPARENT_TEXT])
{
    out[0] = '\0';
    if (t->id[0])
        snprintf(out, TRACEPARENT_TEXT, "00-%s-%s-%02x", t->id, t->span, t->flags);
}

/* ---- tracestate ---- */

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_number(char c)
{
    return c >= '0' && c <= '9';
}

/* One half of a key: how it begins, then as the grammar says. */
static bool is_key_part(struct str s, bool number_first, size_t most)
{
    if (!s.len || s.len > most || !(is_lower(s.ptr[0]) || (number_first && is_number(s.ptr[0]))))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_lower(s.ptr[i]) && !is_number(s.ptr[i]) && !memchr("_-*/", s.ptr[i], 4))
            return false;
    return true;
}

/* "vendor", or "tenant@system". */
static bool is_key(struct str s)
{
    const char *at = s.len ? memchr(s.ptr, '@', s.len) : NULL;
    if (!at)
        return is_key_part(s, false, 256);
    size_t tenant = (size_t)(at - s.ptr);
    return is_key_part((struct str){ s.ptr, tenant }, true, 241) &&
           is_key_part((struct str){ at + 1, s.len - tenant - 1 }, false, 14);
}

/* Printable ASCII without ',' and '='; it does not end in a space, since it was trimmed. */
static bool is_value(struct str s)
{
    if (!s.len || s.len > 256)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] > '~' || s.ptr[i] == ',' || s.ptr[i] == '=')
            return false;
    return true;
}

/* The next member of a list, which moves behind it. False: there is none. */
static bool next_member(struct str *list, struct str *ret)
{
    if (!list->ptr)
        return false;
    const char *comma = list->len ? memchr(list->ptr, ',', list->len) : NULL;
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
    *ret = trimmed((struct str){ list->ptr, len });
    *list = comma ? (struct str){ comma + 1, list->len - len - 1 } : STR_NULL;
    return true;
}

static struct str key_of(struct str member)
{
    const char *equals = member.len ? memchr(member.ptr, '=', member.len) : NULL;
    return equals ? (struct str){ member.ptr, (size_t)(equals - member.ptr) } : STR_NULL;
}

static bool is_member(struct str m)
{
    struct str key = key_of(m);
    return key.ptr && is_key(key) &&
           is_value((struct str){ m.ptr + key.len + 1, m.len - key.len - 1 });
}

static void add_member(struct buf *state, struct str m)
{
    if (state->len)
        buf_add_char(state, ',');
    buf_add_str(state, m);
}

/* How many members there are, and whether one has this key. */
static size_t count_members(struct str list, struct str key, bool *ret_has)
{
    size_t count = 0;
    struct str m;
    *ret_has = false;
    while (list.len && next_member(&list, &m)) {
        count++;
        *ret_has = *ret_has || str_eq(key_of(m), key);
    }
    return count;
}

bool tracestate_add(struct buf *state, struct str header)
{
    struct str m;
    bool has;
    while (next_member(&header, &m)) {
        if (!m.len)
            continue;
        if (!is_member(m) || count_members(buf_str(state), key_of(m), &has) == TRACESTATE_MEMBERS) {
            buf_reset(state);
            return false;
        }
        if (!has)
            add_member(state, m);
    }
    return true;
}

void tracestate_bound(struct buf *state)
{
    if (state->len <= TRACESTATE_BYTES)
        return;
    CLEANUP(buf_done) struct buf kept = { 0 };
    struct str list = buf_str(state), m;
    size_t over = state->len - TRACESTATE_BYTES;
    while (next_member(&list, &m)) {
        if (m.len > LARGE_MEMBER && over) {
            over -= MIN(over, m.len + 1);
            continue;
        }
        add_member(&kept, m);
    }
    while (kept.len > TRACESTATE_BYTES) {
        const char *comma = memrchr(kept.ptr, ',', kept.len);
        kept.len = comma ? (size_t)(comma - kept.ptr) : 0;
        kept.ptr[kept.len] = '\0';
    }
    buf_reset(state);
    buf_add_str(state, buf_str(&kept));
}
