/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

static const int64_t slack_us = 60 * US_PER_S, doubt_us = 3600 * US_PER_S;

static bool near(int64_t a, int64_t b)
{
    return a - b < slack_us && b - a < slack_us;
}

int64_t calendar_date(struct calendar *c, int64_t wall, int64_t mono)
{
    int64_t expected = c->wall_us + (mono - c->mono_us), off = wall - expected;
    bool doubted = c->since_us != 0 && near(off, c->off_us);
    if (c->mono_us == 0 || near(off, 0) || (doubted && mono - c->since_us >= doubt_us)) {
        *c = (struct calendar){ .wall_us = wall, .mono_us = mono };
        return wall;
    }
    if (!doubted) {
        c->off_us = off;
        c->since_us = mono;
    }
    return wall < expected ? wall : expected;
}

struct timespec us_to_timespec(int64_t us)
{
    if (us < 0)
        us = 0;
    return (struct timespec){ .tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000 };
}

void wall_text(int64_t us, char *out, size_t size)
{
    time_t s = us / US_PER_S;
    struct tm tm;
    gmtime_r(&s, &tm);
    char date[32];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, size, "%s.%03dZ", date, (int)(us % US_PER_S / US_PER_MS));
}
