/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "hints/regex.h"

/* A pattern of ours needs a few hundred steps on what a compiler prints; memory in KiB. */
enum { STEPS_MOST = 50000, DEPTH_MOST = 1000, MEMORY_MOST = 1024 };

struct regex {
    pcre2_code *code;
    bool fast; /* compiled to machine code */
};

struct matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
};

struct regex *regex_new(const char *pattern, struct err *e)
{
    int why;
    PCRE2_SIZE where;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_MULTILINE | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                                         PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP,
                                     &why, &where, NULL);
    if (!code) {
        PCRE2_UCHAR text[120];
        pcre2_get_error_message(why, text, sizeof text);
        err_set(e, ERR_INVALID, "%s at byte %zu of %.60s", (const char *)text, where, pattern);
        return NULL;
    }
    struct regex *r = calloc(1, sizeof *r);
    CHECK(r);
    r->code = code;
    /* Where no memory may be both written and run it stays interpreted: slower, the same answer. */
    r->fast = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    return r;
}

void regex_free(struct regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    free(r);
}

size_t regex_group(const struct regex *r, const char *name)
{
    int number = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)name);
    return number > 0 && number < REGEX_GROUPS ? (size_t)number : 0;
}

size_t regex_group_count(const struct regex *r)
{
    uint32_t count = 0;
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
}

struct matcher *matcher_new(void)
{
    struct matcher *m = calloc(1, sizeof *m);
    CHECK(m);
    m->context = pcre2_match_context_create(NULL);
    m->data = pcre2_match_data_create(REGEX_GROUPS, NULL);
    CHECK(m->context && m->data);
    pcre2_set_match_limit(m->context, STEPS_MOST);
    pcre2_set_depth_limit(m->context, DEPTH_MOST);
    pcre2_set_heap_limit(m->context, MEMORY_MOST);
    return m;
}

void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    free(m);
}

bool regex_find(const struct regex *r, struct matcher *m, struct str subject, size_t from,
                struct groups *ret)
{
    if (!subject.ptr || from > subject.len)
        return false;
    /* Without machine code pcre2_match() interprets; with it, it takes that way. */
    int count =
        pcre2_match(r->code, (PCRE2_SPTR)subject.ptr, subject.len, from, 0, m->data, m->context);
    if (count < 0) /* no match, or one that is too costly */
        return false;
    if (!ret)
        return true;
    *ret = (struct groups){ .regex = r };
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
    size_t known = count == 0 ? REGEX_GROUPS : (size_t)count;
    for (size_t i = 0; i < known; i++)
        if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
            ret->at[i] = (struct str){ subject.ptr + at[2 * i], at[2 * i + 1] - at[2 * i] };
    return true;
}
