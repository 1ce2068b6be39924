/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/schedule.h"

#include "base/clock.h"
#include "base/text.h"

#define DELAY_MOST       (INT64_C(30) * 24 * 3600 * US_PER_S)
#define RETRY_AFTER_MOST (INT64_C(24) * 3600 * US_PER_S)
#define JITTER_MOST      (INT64_C(300) * US_PER_S)

static bool read_delay(const char *word, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "", US_PER_S },         { "ms", US_PER_MS },      { "s", US_PER_S },
                  { "min", 60 * US_PER_S }, { "h", 3600 * US_PER_S }, { "d", 86400 * US_PER_S } };
    size_t digits = strspn(word, "0123456789.");
    double number;
    if (!parse_double((struct str){ word, digits }, &number) || number < 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(word + digits, units[i].name) != 0)
            continue;
        double us = number * (double)units[i].us;
        *ret = us < (double)DELAY_MOST ? (int64_t)us : DELAY_MOST;
        return us <= (double)DELAY_MOST;
    }
    return false;
}

bool schedule_read(const char *const *words, struct schedule *ret, struct err *e)
{
    struct schedule s = { 0 };
    for (; words && words[s.count]; s.count++) {
        const char *word = words[s.count];
        if (s.count == SCHEDULE_MOST)
            return err_set(e, ERR_INVALID, "more than %d attempts", SCHEDULE_MOST);
        if (!read_delay(word, &s.delay_us[s.count]))
            return err_set(e, ERR_INVALID, "%.40s is no time of at most 30 days", word);
    }
    if (s.count == 0)
        return err_set(e, ERR_INVALID, "at least one attempt is needed");
    if (s.delay_us[0] != 0)
        return err_set(e, ERR_INVALID, "the first attempt is at once: begin with 0");
    *ret = s;
    return true;
}

struct schedule schedule_of_tries(int64_t tries)
{
    struct schedule s = { .count = (int)MIN(MAX(tries, 1), (int64_t)SCHEDULE_MOST) };
    int64_t delay_us = US_PER_S;
    for (int i = 1; i < s.count; i++) {
        s.delay_us[i] = delay_us;
        delay_us = MIN(delay_us * 2, 60 * US_PER_S);
    }
    return s;
}

bool schedule_next(const struct schedule *s, int attempts, int64_t retry_after_us, double chance,
                   int64_t now_us, int64_t *ret_due_us)
{
    if (attempts >= s->count)
        return false;
    int64_t delay_us = MAX(s->delay_us[attempts], MIN(retry_after_us, RETRY_AFTER_MOST));
    int64_t jitter_us = (int64_t)((double)MIN(delay_us / 5, JITTER_MOST) * chance);
    *ret_due_us = now_us + delay_us + jitter_us;
    return true;
}
