/* SPDX-License-Identifier: Apache-2.0 */
#include "main/webhooks_side.h"

#include "base/clock.h"

#define LATE_US (300 * US_PER_S) /* behind its time by so much: an operator should look */

/* A sentence about a variable's value, with the variable in front. Always false. */
static bool wrong_setting(const char *variable, struct err *e)
{
    snprintf(e->field, sizeof e->field, "%s", variable);
    return err_add(e, "%s", variable);
}

bool webhooks_side_open(struct webhooks_side *ret, const struct settings *s, struct err *e)
{
    ret->guard = web_guard_new(s->webhook_allow, e);
    if (!ret->guard)
        return wrong_setting("EVALX_WEBHOOK_ALLOW", e);
    ret->signer = signer_new(s->webhook_secrets, e);
    if (!ret->signer)
        return wrong_setting("EVALX_WEBHOOK_SECRET", e);
    return schedule_read(s->webhook_schedule, &ret->schedule, e) ||
           wrong_setting("EVALX_WEBHOOK_SCHEDULE", e);
}

bool webhooks_side_start(struct webhooks_side *w, const struct settings *s,
                         const struct judge0_config *judge0, struct http *http, struct store *store,
                         struct bus *bus, struct err *e)
{
    const struct sender_config config = {
        .signer = w->signer,
        .guard = w->guard,
        .ca_file = s->webhook_ca,
        .webhook = w->schedule,
        .callback = schedule_of_tries(judge0->callbacks_max_tries),
        .webhook_timeout_us = s->webhook_timeout_us,
        .callback_timeout_us = (int64_t)(MIN(judge0->callbacks_timeout, 3600.0) * 1e6),
        .render = http_render_delivery,
        .render_arg = http,
    };
    w->sender = sender_start(&config, store, bus, e);
    return w->sender != NULL;
}

void webhooks_side_check(void *store, struct health_check *c)
{
    struct store *s = store;
    struct delivery_stats stats;
    struct err e;
    c->ok = true;
    c->minor = true;
    if (!s->ops->deliveries->stats(s, &stats, &e)) {
        c->ok = false;
        snprintf(c->detail, sizeof c->detail, "%s", e.text);
        return;
    }
    int64_t late_us = stats.oldest_due_us ? MAX(wall_us() - stats.oldest_due_us, 0) : 0;
    c->ok = late_us < LATE_US;
    snprintf(c->detail, sizeof c->detail, "%lld pending, the oldest %lld s late",
             (long long)stats.pending, (long long)(late_us / US_PER_S));
    if (!c->ok)
        snprintf(c->fix, sizeof c->fix,
                 "receivers are slower than what comes: `evalx webhooks list --state pending`");
}

void webhooks_side_stop(struct webhooks_side *w)
{
    sender_stop(TAKE(w->sender));
}

void webhooks_side_done(struct webhooks_side *w)
{
    webhooks_side_stop(w);
    signer_free(TAKE(w->signer));
    web_guard_free(TAKE(w->guard));
}
