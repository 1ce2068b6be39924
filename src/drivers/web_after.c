/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "drivers/web_internal.h"

/* Further away than anybody means; keeps the arithmetic in range. */
#define AFTER_MOST (INT64_C(366) * 24 * 3600 * US_PER_S)

static struct str trimmed(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = (struct str){ s.ptr + 1, s.len - 1 };
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

int64_t web_retry_after(struct str value, int64_t now_us)
{
    struct str s = trimmed(value);
    if (is_digits(s)) {
        int64_t seconds;
        return parse_int(s, &seconds) && seconds < AFTER_MOST / US_PER_S ? seconds * US_PER_S
                                                                         : AFTER_MOST;
    }
    char text[64];
    if (s.len == 0 || s.len >= sizeof text || memchr(s.ptr, '\0', s.len))
        return -1;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    time_t at = curl_getdate(text, NULL);
    if (at < 0)
        return -1;
    int64_t seconds = (int64_t)at - now_us / US_PER_S;
    return MAX(MIN(seconds, AFTER_MOST / US_PER_S), 0) * US_PER_S;
}
