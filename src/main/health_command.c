/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx health - is the server here ready? For the health checks of containers, which have no other
 * program to ask with. Exit status 0: yes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "main/ask_server.h"
#include "main/commands.h"

/* Where the server of this container listens: "0.0.0.0:2358" and "[::]:2358" are answered here. */
static const char *own_server(struct settings *s)
{
    const char *colon = strrchr(s->listen, ':');
    if (getenv("EVALX_SERVER") || getenv("EVALX_SERVER_FILE") || !colon)
        return s->server;
    size_t len = (size_t)(colon - s->listen);
    bool any =
        len == 0 || strncmp(s->listen, "0.0.0.0", len) == 0 || strncmp(s->listen, "[::]", len) == 0;
    return any ? arena_printf(&s->arena, "http://127.0.0.1%s", colon)
               : arena_printf(&s->arena, "http://%s", s->listen);
}

int command_health(int argc, char **argv)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    struct err e;
    struct ask_server server;
    if (!settings_load(&s, NULL, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 2;
    }
    s.server = own_server(&s);
    if (!ask_server_options(&server, &s, &argc, argv, &e)) {
        fprintf(stderr, "evalx: health: %s\n", e.text);
        return 2;
    }
    bool live = argc == 1 && strcmp(argv[0], "--live") == 0;
    if (argc > 0 && !live) {
        fprintf(stderr, "evalx: health: what is %s? There is only --live\n", argv[0]);
        return 2;
    }
    CLEANUP(json_free) struct json *answer = NULL;
    const char *path = live ? "/health/live" : "/health/ready";
    if (!ask_server(&server, "GET", path, STR_NULL, &answer, &e)) {
        fprintf(stderr, "evalx: %s: %s\n", live ? "not there" : "not ready", e.text);
        return 1;
    }
    puts(live ? "there" : "ready");
    return 0;
}
