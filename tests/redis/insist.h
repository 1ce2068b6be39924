/* SPDX-License-Identifier: Apache-2.0 */
/* insist.h - a command for tests in which the server it goes to is being replaced. */
#ifndef EVALX_TESTS_INSIST_H
#define EVALX_TESTS_INSIST_H

#include <unistd.h>

#include "../unit/test.h"
#include "base/clock.h"
#include "drivers/redis.h"

/* Repeat it until it is answered. */
static inline int64_t insist(struct redis *r, const char *a, const char *b, const char *c)
{
    struct err e = { 0 };
    int64_t deadline = mono_us() + 30 * US_PER_S, value = 0;
    struct redis_reply *reply;
    while (!(reply = redis_words(r, &e, a, b, c))) {
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
        if (mono_us() > deadline)
            fail_msg("%s: %s", a, e.text);
        usleep(5000);
    }
    value = redis_int(reply);
    redis_reply_free(reply);
    return value;
}

#endif
