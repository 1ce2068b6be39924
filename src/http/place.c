/* SPDX-License-Identifier: Apache-2.0 */
#include "http/place.h"

#include <string.h>

/* ---- reading ---- */

/* Digits, without a leading zero, as place_write() has them. */
static bool take_number(struct str *text, int *ret)
{
    size_t len = 0;
    int number = 0;
    while (len < text->len && text->ptr[len] >= '0' && text->ptr[len] <= '9') {
        if (len == 9 || (len == 1 && number == 0))
            return false;
        number = 10 * number + (text->ptr[len++] - '0');
    }
    *text = (struct str){ text->ptr + len, text->len - len };
    *ret = number;
    return len > 0;
}

static bool take_char(struct str *text, char c)
{
    if (!text->len || text->ptr[0] != c)
        return false;
    *text = (struct str){ text->ptr + 1, text->len - 1 };
    return true;
}

static bool take_prefix(struct str *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (!str_starts(*text, prefix))
        return false;
    *text = (struct str){ text->ptr + len, text->len - len };
    return true;
}

/* One more; a gap to the one before, as adding would leave it. */
static bool take_range(struct str *text, struct place *p)
{
    struct place_range r;
    if (!take_number(text, &r.first))
        return false;
    r.last = r.first;
    if (take_char(text, '-') && (!take_number(text, &r.last) || r.last <= r.first))
        return false;
    if (p->count > PLACE_RANGES || (p->count && r.first <= p->ranges[p->count - 1].last + 1))
        return false;
    p->ranges[p->count++] = r;
    return true;
}

static bool take_ranges(struct str *text, struct place *p)
{
    do {
        if (!take_range(text, p))
            return false;
    } while (take_char(text, ','));
    /* There is room left for the one that begins with test 0. */
    return p->ranges[0].first == 0 || p->count <= PLACE_RANGES;
}

static bool read_id(struct str id, struct place *p)
{
    p->queued = str_is(id, "queued");
    p->finished = str_is(id, "finished");
    if (p->queued || p->finished)
        return true;
    bool tests = take_prefix(&id, "tests.");
    if ((!tests && !take_prefix(&id, "running.")) || !take_number(&id, &p->attempt))
        return false;
    if (tests && (!take_char(&id, '.') || !take_ranges(&id, p)))
        return false;
    return p->attempt > 0 && id.len == 0;
}

bool place_read(struct str id, struct place *ret)
{
    *ret = (struct place){ 0 };
    if (read_id(id, ret))
        return true;
    *ret = (struct place){ 0 };
    return false;
}

void place_write(const struct place *p, struct buf *out)
{
    if (p->finished) {
        buf_add_text(out, "finished");
    } else if (!p->attempt) {
        buf_add_text(out, "queued");
    } else {
        buf_addf(out, "%s.%d", p->count ? "tests" : "running", p->attempt);
        for (int i = 0; i < p->count; i++) {
            buf_addf(out, "%c%d", i ? ',' : '.', p->ranges[i].first);
            if (p->ranges[i].last > p->ranges[i].first)
                buf_addf(out, "-%d", p->ranges[i].last);
        }
    }
}

/* ---- tests ---- */

/* The first range that ends at test or behind it; count: none. */
static int range_at(const struct place *p, int test)
{
    int i = 0;
    while (i < p->count && p->ranges[i].last < test)
        i++;
    return i;
}

bool place_has(const struct place *p, int test)
{
    int i = range_at(p, test);
    return i < p->count && p->ranges[i].first <= test;
}

int place_next(const struct place *p)
{
    return p->count && p->ranges[0].first == 0 ? p->ranges[0].last + 1 : 0;
}

static void remove_range(struct place *p, int i)
{
    p->count--;
    memmove(&p->ranges[i], &p->ranges[i + 1], (size_t)(p->count - i) * sizeof p->ranges[0]);
}

static void insert_range(struct place *p, int i, int test)
{
    memmove(&p->ranges[i + 1], &p->ranges[i], (size_t)(p->count - i) * sizeof p->ranges[0]);
    p->ranges[i] = (struct place_range){ test, test };
    p->count++;
}

bool place_add(struct place *p, int test)
{
    if (place_has(p, test))
        return true;
    int i = range_at(p, test);
    bool before = i > 0 && p->ranges[i - 1].last + 1 == test;
    bool behind = i < p->count && p->ranges[i].first - 1 == test;
    if (before && behind) {
        p->ranges[i - 1].last = p->ranges[i].last;
        remove_range(p, i);
    } else if (before) {
        p->ranges[i - 1].last = test;
    } else if (behind) {
        p->ranges[i].first = test;
    } else {
        /* One place stays free for the range that begins with test 0. */
        bool has_first = p->count && p->ranges[0].first == 0;
        if (test != 0 && p->count >= PLACE_RANGES + (has_first ? 1 : 0))
            return false;
        insert_range(p, i, test);
    }
    return true;
}
