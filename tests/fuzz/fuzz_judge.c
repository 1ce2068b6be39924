/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two outputs, parted by the first 0xfe, and what must hold between the checkers: each accepts a
 * text as its own answer, none cares which side is which but for tolerances, and a stricter one
 * never accepts what a laxer one refuses.
 */
#include "engine/judge.h"
#include "fuzz.h"

static bool match(enum checker_type type, bool ignore_case, struct str expected, struct str output)
{
    struct checker checker = { type, 1e-6, 1e-6, ignore_case };
    return outputs_match(&checker, expected, output);
}

static void check(bool ignore_case, struct str a, struct str b)
{
    bool ok[CHECKER_UNORDERED + 1];
    for (int i = CHECKER_LINES; i <= CHECKER_UNORDERED; i++) {
        enum checker_type type = (enum checker_type)i;
        CHECK(match(type, ignore_case, a, a) && match(type, ignore_case, b, b));
        ok[i] = match(type, ignore_case, a, b);
        if (type != CHECKER_FLOATS)
            CHECK(ok[i] == match(type, ignore_case, b, a));
        if (ok[i] && !ignore_case)
            CHECK(match(type, true, a, b));
    }
    CHECK(!ok[CHECKER_EXACT] || ok[CHECKER_LINES]);
    CHECK(!ok[CHECKER_LINES] || (ok[CHECKER_TOKENS] && ok[CHECKER_UNORDERED]));
    CHECK(!ok[CHECKER_TOKENS] || ok[CHECKER_FLOATS]);
}

FUZZ(text)
{
    const char *middle = text.len ? memchr(text.ptr, '\xfe', text.len) : NULL;
    if (!middle)
        return;
    size_t len = (size_t)(middle - text.ptr);
    struct str a = { text.ptr, len }, b = { middle + 1, text.len - len - 1 };
    check(false, a, b);
    check(true, a, b);
}
