/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask_server.h"

#include "base/clock.h"
#include "drivers/web.h"

#define TIMEOUT_US        (60 * US_PER_S)
#define ANSWER_BYTES_MOST ((size_t)256 << 20)

/* "--name value" or "--name=value" at argv[*i]; *i moves to its last word. GOT_FAILED: no value. */
static enum got option_at(const char *name, int argc, char **argv, int *i, const char **ret)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] && argv[*i][len] != '='))
        return GOT_NONE;
    if (argv[*i][len] == '=')
        *ret = argv[*i] + len + 1;
    else if (*i + 1 < argc)
        *ret = argv[++*i];
    else
        return GOT_FAILED;
    return GOT_ONE;
}

bool ask_server_options(struct ask_server *a, const struct settings *s, int *argc, char **argv,
                        struct err *e)
{
    a->server = s->server;
    a->token = s->token;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        enum got server = option_at("--server", *argc, argv, &i, &a->server);
        enum got token = server ? GOT_NONE : option_at("--token", *argc, argv, &i, &a->token);
        if (server == GOT_FAILED || token == GOT_FAILED)
            return err_set(e, ERR_INVALID, "%s needs a value", argv[i]);
        if (server == GOT_NONE && token == GOT_NONE)
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return true;
}

void ask_server_escape(struct buf *path, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_.~", *p);
        if (plain)
            buf_add_char(path, *p);
        else
            buf_addf(path, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

/* What a refusal says: its detail, or at least its status. Always false. */
static bool refused(const struct web_answer *answer, struct err *e)
{
    struct err ignored;
    CLEANUP(json_free) struct json *json = json_parse(buf_str(&answer->body), &ignored);
    const struct json *detail = json ? json_get(json, "detail") : NULL;
    enum err_kind kind = answer->status == 404  ? ERR_NOT_FOUND
                         : answer->status < 500 ? ERR_INVALID
                                                : ERR_UNAVAILABLE;
    if (detail && json_kind(detail) == JSON_TEXT)
        return err_set(e, kind, "%s", json_as_str(detail).ptr);
    return err_set(e, kind, "the server answered %d", answer->status);
}

bool ask_server(const struct ask_server *a, const char *method, const char *path, struct str body,
                struct json **ret, struct err *e)
{
    CLEANUP(buf_done) struct buf url = { 0 }, authorization = { 0 };
    size_t len = strlen(a->server);
    while (len && a->server[len - 1] == '/')
        len--;
    buf_addf(&url, "%.*s%s", (int)len, a->server, path);
    buf_addf(&authorization, "Authorization: Bearer %s", a->token ? a->token : "");
    const char *headers[] = { "Content-Type: application/json", a->token ? authorization.ptr : NULL,
                              NULL };
    const struct web_request request = {
        .method = method,
        .url = url.ptr,
        .headers = headers,
        .body = body,
        .timeout_us = TIMEOUT_US,
        .answer_max = ANSWER_BYTES_MOST,
    };
    CLEANUP(web_answer_done) struct web_answer answer = { 0 };
    if (!web_ask(&request, &answer, e))
        return err_add(e, "%.*s", (int)len, a->server);
    if (answer.status < 200 || answer.status > 299)
        return refused(&answer, e);
    struct json *json = NULL;
    if (answer.body.len && !(json = json_parse(buf_str(&answer.body), e))) {
        e->kind = ERR_UNAVAILABLE;
        return err_add(e, "%.*s is no server of ours", (int)len, a->server);
    }
    *ret = json;
    return true;
}
