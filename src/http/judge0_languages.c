/* SPDX-License-Identifier: Apache-2.0 */
#include "http/judge0.h"

const struct judge0_status judge0_statuses[] = {
    { 1, "In Queue" },
    { 2, "Processing" },
    { 3, "Accepted" },
    { 4, "Wrong Answer" },
    { 5, "Time Limit Exceeded" },
    { 6, "Compilation Error" },
    { 7, "Runtime Error (SIGSEGV)" },
    { 8, "Runtime Error (SIGXFSZ)" },
    { 9, "Runtime Error (SIGFPE)" },
    { 10, "Runtime Error (SIGABRT)" },
    { 11, "Runtime Error (NZEC)" },
    { 12, "Runtime Error (Other)" },
    { 13, "Internal Error" },
    { 14, "Exec Format Error" },
};
_Static_assert(COUNT_OF(judge0_statuses) == JUDGE0_STATUS_COUNT, "ids are places plus one");

const char *judge0_language_name(const struct language *l, const struct judge0_name *n,
                                 struct arena *arena)
{
    if (n->name)
        return n->name;
    if (!l->version)
        return l->name;
    size_t len = strlen(l->name);
    if (len && l->name[len - 1] == ')') /* "C++ (GCC)" */
        return arena_printf(arena, "%.*s %s)", (int)len - 1, l->name, l->version);
    return arena_printf(arena, "%s (%s)", l->name, l->version);
}

const struct language *judge0_language(const struct catalogue *c, int64_t id,
                                       const struct judge0_name **ret_name)
{
    const struct judge0_name *name = NULL;
    const struct language *l = catalogue_find_judge0(c, id, &name);
    if (!l || !name || !(l->offered || name->archived))
        return NULL;
    *ret_name = name;
    return l;
}
