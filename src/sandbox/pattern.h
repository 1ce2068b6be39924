/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.h - does a relative path match a pattern?
 *
 * '?' is one character but '/', '*' any number of them, "**" crosses '/' (and "**" followed by a
 * slash also stands for nothing), "[a-z]" and "[!a-z]" one of a set. A pattern of thirty stars
 * takes no more than pattern length times path length steps.
 */
#ifndef EVALX_SANDBOX_PATTERN_H
#define EVALX_SANDBOX_PATTERN_H

#include <stdbool.h>

bool pattern_match(const char *pattern, const char *path);

#endif
