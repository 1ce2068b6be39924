/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include "http/wait.h"

const char *method_name(enum method m)
{
    static const char *const names[] = { "", "GET", "POST", "DELETE", "OPTIONS" };
    return names[m];
}

/* Commas and opening brackets outside of texts: at least as many as there are values, but for one.
 */
static size_t count_values(struct str text)
{
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (inside && c == '\\')
            i++;
        else if (c == '"')
            inside = !inside;
        else if (!inside)
            count += c == ',' || c == '[' || c == '{';
    }
    return count;
}

bool request_json(struct request *r, const struct json **ret, struct err *e)
{
    if (!r->json && r->body.len) {
        if (count_values(buf_str(&r->body)) > JSON_VALUES_MAX)
            return err_set(e, ERR_INVALID, "malformed JSON: more than %d values", JSON_VALUES_MAX);
        r->json = json_parse(buf_str(&r->body), e);
        if (!r->json)
            return false;
    }
    *ret = r->json;
    return true;
}

void request_watch(struct request *r, const char *id)
{
    wait_free(r->wait);
    r->wait = wait_new(r->context->service, id);
}

void request_wait(struct request *r, int64_t wait_us, handler_fn then)
{
    CHECK(r->wait);
    r->wait_us = wait_us;
    r->then = then;
}

void reply_header(struct request *r, const char *name, const char *value)
{
    CHECK(r->reply.header_count < HEADERS_MAX);
    r->reply.headers[r->reply.header_count++] = (struct header){ name, value };
}

struct json_writer reply_json(struct request *r, int status)
{
    r->reply.status = status;
    r->reply.type = "application/json; charset=utf-8";
    buf_reset(&r->reply.body);
    return (struct json_writer){ &r->reply.body, false };
}

void reply_text(struct request *r, int status, const char *type, struct str text)
{
    r->reply.status = status;
    r->reply.type = type;
    buf_reset(&r->reply.body);
    buf_add_str(&r->reply.body, text);
}

void reply_empty(struct request *r, int status, const char *type)
{
    reply_text(r, status, type, STR(""));
}
