/* SPDX-License-Identifier: Apache-2.0 */
#include "store/delivery.h"

#include <stdio.h>
#include <string.h>

const char *delivery_state_name(enum delivery_state s)
{
    static const char *const names[] = {
        [DELIVERY_OWED] = "owed",           [DELIVERY_PENDING] = "pending",
        [DELIVERY_DELIVERED] = "delivered", [DELIVERY_FAILED] = "failed",
        [DELIVERY_REFUSED] = "refused",
    };
    CHECK((size_t)s < COUNT_OF(names));
    return names[s];
}

const char *delivery_kind_name(enum delivery_kind k)
{
    CHECK(k == DELIVERY_WEBHOOK || k == DELIVERY_CALLBACK);
    return k == DELIVERY_WEBHOOK ? "webhook" : "callback";
}

void delivery_id(enum delivery_kind kind, const char *job_id, char *out)
{
    size_t len =
        (size_t)snprintf(out, DELIVERY_TEXT, "%s", kind == DELIVERY_WEBHOOK ? "msg_" : "cb_");
    for (; *job_id && len < DELIVERY_TEXT - 1; job_id++)
        if (*job_id != '-')
            out[len++] = *job_id;
    out[len] = '\0';
}
