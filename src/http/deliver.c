/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What receivers get: the same forms as clients, made without a request.
 */
#include "http/deliver.h"

#include "http/judge0.h"
#include "http/render.h"

bool deliver_url_check(const struct context *c, const char *url, bool may_have_user, struct err *e)
{
    CLEANUP(buf_done) struct buf plain = { 0 }, user = { 0 };
    if (!may_have_user)
        return web_url_check(c->config.guard, url, e);
    if (!web_url_take_user(url, &plain, &user))
        return err_set(e, ERR_INVALID, "the URL cannot be read");
    return web_url_check(c->config.guard, buf_str(&plain).ptr, e);
}

void deliver_render(const struct context *c, enum delivery_kind kind, const struct record *r,
                    struct buf *out)
{
    struct json_writer w = { .out = out };
    if (kind == DELIVERY_WEBHOOK)
        render_submission(r, false, &w);
    else /* always the default fields, always in base64 */
        judge0_render_for(c, r, judge0_fields_default(), true, &w);
}
