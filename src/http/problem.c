/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"

#include <stdarg.h>

static const struct kind_info {
    int status;
    bool ours; /* the client learns that it failed, the log learns why */
} kinds[] = {
    [ERR_NONE] = { 500, true },       [ERR_INVALID] = { 422, false },
    [ERR_NOT_FOUND] = { 404, false }, [ERR_CONFLICT] = { 409, false },
    [ERR_LIMIT] = { 503, false },     [ERR_UNAVAILABLE] = { 503, true },
    [ERR_SYSTEM] = { 500, true },     [ERR_BUG] = { 500, true },
};

static const struct {
    const char *code, *title;
} titles[] = {
    { "malformed", "Malformed request" },
    { "invalid", "Invalid input" },
    { "not_found", "Not found" },
    { "method_not_allowed", "Method not allowed" },
    { "conflict", "Conflict with the present state" },
    { "limit", "No room at the moment" },
    { "unavailable", "Not available at the moment" },
    { "internal", "Internal error" },
    { "body_too_large", "Body too large" },
    { "uri_too_long", "Path or query too long" },
    { "unsupported_media_type", "Unsupported content type" },
    { "unauthorized", "Token missing or wrong" },
    { "forbidden", "Not allowed" },
};

static const char *title_of(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        if (strcmp(titles[i].code, code) == 0)
            return titles[i].title;
    return code;
}

int problem_status(enum err_kind kind)
{
    return kinds[kind].status;
}

static void put(struct request *r, int status, const char *code, const char *field,
                const char *detail)
{
    struct json_writer w = reply_json(r, status);
    r->reply.type = "application/problem+json";
    json_put_object(&w);
    json_put_key(&w, "type");
    json_put_text(&w, arena_printf(&r->arena, "urn:evalx:problem:%s", code));
    json_put_key(&w, "title");
    json_put_text(&w, title_of(code));
    json_put_key(&w, "status");
    json_put_int(&w, status);
    json_put_key(&w, "code");
    json_put_text(&w, code);
    json_put_key(&w, "detail");
    json_put_text(&w, detail);
    if (field && *field) {
        json_put_key(&w, "field");
        json_put_text(&w, field);
    }
    json_put_object_end(&w);
}

void problem_reply(struct request *r, int status, const char *code, const char *field,
                   const char *fmt, ...)
{
    char detail[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    put(r, status, code, field, detail);
}

void problem_err(struct request *r, const struct err *e)
{
    const struct kind_info *info = &kinds[e->kind];
    if (info->status == 503)
        reply_header(r, "Retry-After", "5");
    if (info->ours)
        r->reply.why = *e;
    const char *code = e->kind == ERR_BUG || e->kind == ERR_SYSTEM || e->kind == ERR_NONE
                           ? "internal"
                           : err_kind_name(e->kind);
    put(r, info->status, code, e->field,
        !info->ours           ? e->text
        : info->status == 503 ? "a part of the server is away; try again in a moment"
                              : "the server failed; its log says why");
}
