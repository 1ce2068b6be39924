/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimal string alignment in three rows. Words longer than the rows are never near anything: a
 * client's word has any length, our names are short.
 */
#include "lang/near.h"

#include <stdint.h>

#include "base/attr.h"

enum { LONGEST = 64 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t edit_distance(struct str a, struct str b, size_t most)
{
    size_t gap = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (gap > most || a.len > LONGEST || b.len > LONGEST)
        return most + 1;

    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = lower(a.ptr[i - 1]), y = lower(b.ptr[j - 1]);
            size_t best = above[j - 1] + (x != y);
            best = MIN(best, above[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && x == lower(b.ptr[j - 2]) && lower(a.ptr[i - 2]) == y)
                best = MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return MIN(above[b.len], most + 1);
}

struct near near_start(struct str word)
{
    return (struct near){ word, NULL, SIZE_MAX };
}

static bool begins(struct str longer, struct str start)
{
    for (size_t i = 0; i < start.len; i++)
        if (lower(longer.ptr[i]) != lower(start.ptr[i]))
            return false;
    return true;
}

void near_try(struct near *n, const char *name)
{
    struct str other = str_of(name);
    size_t shorter = MIN(n->word.len, other.len);
    size_t most = shorter <= 3 ? 1 : 2;
    size_t distance = shorter == 0 ? most + 1 : edit_distance(n->word, other, most);
    if (distance > most) {
        /* A common beginning counts less than any small edit. */
        if (shorter < 2 || n->word.len > LONGEST ||
            !(n->word.len < other.len ? begins(other, n->word) : begins(n->word, other)))
            return;
        distance = 3 + MAX(n->word.len, other.len) - shorter;
    }
    if (distance < n->distance) {
        n->best = name;
        n->distance = distance;
    }
}
