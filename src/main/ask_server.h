/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask_server.h - what the operator's commands share: a request to a server's API, the answer as
 * JSON. EVALX_SERVER and EVALX_TOKEN say where and who, --server and --token do so for one call.
 *
 * Threads: one.
 */
#ifndef EVALX_MAIN_ASK_SERVER_H
#define EVALX_MAIN_ASK_SERVER_H

#include "base/json.h"
#include "main/settings.h"

struct ask_server {
    const char *server; /* "http://127.0.0.1:2358" */
    const char *token;  /* NULL: none is sent */
};

/*
 * Fill from the settings, then take --server and --token (and "--name=value") out of the arguments;
 * *argc is what is left.
 *
 * errors  INVALID
 */
MUST_USE bool ask_server_options(struct ask_server *a, const struct settings *s, int *argc,
                                 char **argv, struct err *e);

/*
 * method  "GET", "POST", "DELETE"
 * path    with its query, "/v1/queue?limit=5"; see ask_server_add()
 * body    JSON, or STR_NULL
 * ret     the answer; NULL when it was empty. Owned by the caller: json_free()
 * errors  NOT_FOUND 404; INVALID another 4xx; UNAVAILABLE no answer, 5xx, an answer that is no
 * JSON; the text is what the server said
 */
MUST_USE bool ask_server(const struct ask_server *a, const char *method, const char *path,
                         struct str body, struct json **ret, struct err *e);

/* Append text with everything percent-encoded that has a meaning in paths and queries. */
void ask_server_escape(struct buf *path, const char *text);

#endif
