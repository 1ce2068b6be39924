/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres_world.h - a PostgreSQL of a test's own: its folder, its socket, nobody else's business.
 *
 *   CLEANUP(postgres_done) struct postgres p = { 0 };
 *   postgres_start(&p);                      initdb and start: about a second
 *   postgres_url(&p, "public")               for drivers/postgres.h
 *   postgres_stop(&p, SIGQUIT);              as pg_ctl stop -m immediate
 *   postgres_go_on(&p);                      the same data again
 *
 * It dies with the test. Started by root it runs as the user postgres: it refuses root.
 */
#ifndef EVALX_TESTS_POSTGRES_WORLD_H
#define EVALX_TESTS_POSTGRES_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct postgres {
    char folder[64]; /* data, socket and log */
    char bin[200];   /* of its programs */
    char url[400];   /* of the last postgres_url() */
    pid_t pid;       /* 0: it does not run */
    int schemas;     /* made by postgres_new_url() */
    long file_bytes; /* no file may grow beyond that; 0: as it is. For the next start */
};

/* Whether there is one to start. When not, a test is skipped: exit 77. */
bool postgres_is_here(void);

/* Abort when it cannot be done: the reason is on standard error, with the server's log. */
void postgres_start(struct postgres *p);
void postgres_stop(struct postgres *p, int signal_number);
void postgres_go_on(struct postgres *p);
/* Start it once for a whole test program, end it at exit. */
struct postgres *postgres_shared(void);

/* Tables go into that schema, which must be there. Valid until the next call. */
const char *postgres_url(struct postgres *p, const char *schema);
/* The same for a new and empty one. */
const char *postgres_new_url(struct postgres *p);

/* Run SQL as the administrator. */
void postgres_sql(struct postgres *p, const char *sql);
/* The first column of the first row as text; out gets "" for none. */
void postgres_ask(struct postgres *p, const char *sql, char *out, size_t size);

void postgres_done(struct postgres *p);
CLEANUP_FOR_STRUCT(struct postgres, postgres_done)

#endif
