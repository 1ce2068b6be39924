/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

struct store *service_store(struct service *s)
{
    return s->store;
}

enum got service_replay(struct service *s, const char *id, struct err *e)
{
    struct delivery d;
    const struct delivery_ops *ops = s->store->ops->deliveries;
    enum got got = ops->replay(s->store, id, wall_us(), e);
    if (got != GOT_ONE)
        return got;
    log_info("webhook.replayed", "id=%s", id);
    if (ops->load(s->store, id, &d, NULL, NULL, e) == GOT_ONE)
        bus_announce(s->bus, d.job, BUS_FINISHED); /* what senders listen for */
    return GOT_ONE;
}
