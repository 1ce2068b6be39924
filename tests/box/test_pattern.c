/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit/test.h"
#include "sandbox/pattern.h"

#include <string.h>

struct sample {
    const char *pattern, *path;
    bool match;
};

static const struct sample samples[] = {
    { "a.txt", "a.txt", true },
    { "a.txt", "b.txt", false },
    { "*", "a", true },
    { "*", "", true },
    { "*", "a/b", false },
    { "*.txt", "a.txt", true },
    { "*.txt", "d/a.txt", false },
    { "d/*.txt", "d/a.txt", true },
    { "d/*", "d/e/a", false },
    { "**", "a/b/c", true },
    { "d/**", "d/e/a", true },
    { "d/**", "e/a", false },
    { "**/a", "a", true },
    { "**/a", "x/y/a", true },
    { "**/a", "x/ya", false },
    { "d/**/a.c", "d/a.c", true },
    { "d/**/a.c", "d/e/f/a.c", true },
    { "d/**/a.c", "d/e/xa.c", false },
    { "?", "a", true },
    { "?", "/", false },
    { "[abc]", "b", true },
    { "[a-c]x", "bx", true },
    { "[!a-c]", "b", false },
    { "[!a-c]", "d", true },
    { "[!a]", "/", false },
    { "[", "[", true },
    { "[]", "[]", true },
    { "a[", "a[", true },
    { "*a*b*c", "xaybzc", true },
    { "*a*b*c", "xaybz", false },
    { "**.png", "out/x.png", true },
    { "", "", true },
    { "", "a", false },
    { "[]a]", "]", true },
};

TEST(patterns_match_as_documented)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        if (pattern_match(samples[i].pattern, samples[i].path) != samples[i].match)
            fail_msg("\"%s\" and \"%s\"", samples[i].pattern, samples[i].path);
}

TEST(many_stars_take_no_time)
{
    char pattern[400], path[4000];
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 3);
    memset(path, 'a', sizeof path);
    path[sizeof path - 2] = 'b';
    path[sizeof path - 1] = '\0';
    assert_false(pattern_match(pattern, path));
}

RUN_TESTS(T(patterns_match_as_documented), T(many_stars_take_no_time))
