/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "http/judge0.h"
#include "http/problem.h"

bool judge0_load_body(struct request *r, struct err *e)
{
    const struct json *ignored;
    switch (r->body_kind) {
    case BODY_JSON:
        return request_json(r, &ignored, e);
    case BODY_FORM:
        return params_parse(buf_str(&r->body), &r->arena, &r->form, e);
    case BODY_MULTIPART:
        return multipart_parse(buf_str(&r->body), r->body_type, &r->arena, &r->form, e);
    case BODY_NONE:
    case BODY_OTHER:
    default:
        return true;
    }
}

const char *judge0_param(const struct request *r, const char *name)
{
    struct str value = params_get(&r->query, name);
    if (!value.ptr)
        value = params_get(&r->form, name);
    if (value.ptr)
        return value.ptr;
    const struct json *node = json_get(r->json, name);
    return node && json_kind(node) == JSON_TEXT ? json_as_str(node).ptr : NULL;
}

bool judge0_is_encoded(const struct request *r)
{
    const char *flag = judge0_param(r, "base64_encoded");
    if (r->context->config.judge0.implicit_base64)
        return !flag || strcmp(flag, "false") != 0;
    return flag && strcmp(flag, "true") == 0;
}

void judge0_error(struct request *r, int status)
{
    const char *text = status == 400   ? "Bad Request"
                       : status == 404 ? "Not Found"
                                       : "Internal Server Error";
    struct json_writer w = reply_json(r, status);
    json_put_object(&w);
    json_put_key(&w, "status");
    json_put_int(&w, status);
    json_put_key(&w, "error");
    json_put_text(&w, text);
    json_put_object_end(&w);
}

void judge0_refuse(struct request *r, int status, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    struct json_writer w = reply_json(r, status);
    json_put_object(&w);
    json_put_key(&w, "error");
    json_put_text(&w, text);
    json_put_object_end(&w);
}

void judge0_err(struct request *r, const struct err *e)
{
    int status = problem_status(e->kind);
    if (e->kind == ERR_NOT_FOUND) {
        judge0_error(r, 404);
    } else if (e->kind == ERR_LIMIT) {
        judge0_refuse(r, 503, "queue is full");
    } else if (status < 500) {
        judge0_refuse(r, 400, "%s", e->text);
    } else {
        r->reply.why = *e;
        if (status == 503)
            judge0_refuse(r, 503, "a part of the server is away; try again in a moment");
        else
            judge0_error(r, 500);
    }
}
