/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis.h - talking to Redis 6.2 or later: one server, Sentinel's primary, or a cluster.
 *
 * Commands of all threads share one connection (per cluster node), kept by a thread of its own, and
 * are sent together as they come: many at once cost few round trips, one alone is not delayed. When
 * the connection breaks, what was under way fails with UNAVAILABLE although the server may have
 * done it, so everything sent through here must be safe to repeat; the thread connects again, with
 * growing pauses, following Sentinel or the cluster to the new primary (a READONLY or MOVED answer
 * makes it look as well). Commands that wait (XREADGROUP BLOCK) have lines of their own.
 *
 * Absence  commands sent while the server is away wait for it, at most their time-out; when it has
 *          been away for longer than one, they fail at once until it is back.
 * Order    commands of one thread are carried out in the order they were sent, but for one that
 *          has to be sent again (a script the server forgot, a slot that moved).
 * Source   RESP2, https://redis.io/docs/reference/protocol-spec/ ; the cluster and Sentinel
 *          specifications beside it. hiredis parses.
 * Threads  any, for every call; nothing may be asked for from inside a callback of the driver,
 *          but sent.
 */
#ifndef EVALX_DRIVERS_REDIS_H
#define EVALX_DRIVERS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct redis;

struct redis_config {
    /*
     * redis://[user:password@]host[:6379][/database]     one server, or any node of a cluster
     * redis+cluster://...host,host2:port...              a cluster, several nodes to begin with
     * redis+sentinel://[user:password@]host[:26379],host2.../primary-name[/database]
     * unix:///path/to/socket[?db=n]
     * rediss://, rediss+cluster://, rediss+sentinel://   with TLS (?ca=FILE&cert=FILE&key=FILE;
     *   the server's certificate is always checked; without ca against the system's)
     * Everywhere: ?user=, password=, db=; for Sentinels themselves sentinel_user, sentinel_password
     */
    const char *url;
    int64_t timeout_us; /* connecting, and the answer of a command; 0: 5 s */
    int replicas;       /* redis_ask_kept() waits for that many replicas */
};

/*
 * errors  INVALID the URL: which part; a certificate's file. That nobody answers yet is no error:
 *         the first command says so.
 */
MUST_USE struct redis *redis_open(const struct redis_config *config, struct err *e);
/* What is under way fails with UNAVAILABLE. Lines and ears must have ended before. Accepts NULL. */
void redis_close(struct redis *r);
CLEANUP_FOR(struct redis *, redis_close)

/* ---- answers ---- */

enum redis_kind { REDIS_NIL, REDIS_INT, REDIS_TEXT, REDIS_LIST };

struct redis_reply; /* an answer; never an error: those are struct err */
void redis_reply_free(struct redis_reply *reply);
CLEANUP_FOR(struct redis_reply *, redis_reply_free)

enum redis_kind redis_kind(const struct redis_reply *reply);
int64_t redis_int(const struct redis_reply *reply); /* a number, or a text that is one; else 0 */
struct str redis_text(const struct redis_reply *reply); /* borrowed; NUL-ended; nil: ptr NULL */
size_t redis_count(const struct redis_reply *reply);    /* elements of a list, else 0 */
const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i); /* borrowed */

/* ---- commands ---- */

/* A Lua script; loaded when a server does not know it. Static, one per script. */
struct redis_script {
    const char *name; /* for errors */
    const char *text;
    char sha[41]; /* filled in when first used; begin with "" */
};

struct redis_call {
    struct redis_script *script; /* NULL: words is the whole command */
    const struct str *words;     /* the command; or the script's keys, then its arguments */
    size_t count;
    size_t keys; /* script: how many of the words are keys */
};

/*
 * Send and wait.
 *
 * ret      the answer, owned by the caller; NULL on error
 * errors   UNAVAILABLE no connection, time-out, LOADING, READONLY, CLUSTERDOWN, MASTERDOWN, ...:
 *          try again; LIMIT the server is out of memory (OOM); SYSTEM any other error answer, with
 *          its text (a script's error too); INVALID wrong password or rights, a certificate refused
 */
MUST_USE struct redis_reply *redis_ask(struct redis *r, const struct redis_call *call,
                                       struct err *e);

/* The same, and the configured number of replicas has it (WAIT); without replicas as redis_ask().
 */
MUST_USE struct redis_reply *redis_ask_kept(struct redis *r, const struct redis_call *call,
                                            struct err *e);

/* Send and return; done is called exactly once, from the connection's thread, and must not block.
 * reply: owned by the callee; NULL: see e. kept: as redis_ask_kept(). */
typedef void (*redis_done_fn)(void *arg, struct redis_reply *reply, const struct err *e);
void redis_send(struct redis *r, const struct redis_call *call, bool kept, redis_done_fn done,
                void *arg);

/* A command of plain words: redis_words(r, &e, "GET", key). */
MUST_USE struct redis_reply *redis_words_(struct redis *r, struct err *e, ...);
#define redis_words(r, e, ...) redis_words_((r), (e), __VA_ARGS__, (const char *)NULL)

/* ---- waiting ---- */

/* A connection of its own for commands that block. Used by one thread at a time, but for wake. */
struct redis_line;
struct redis_line *redis_line_new(struct redis *r);
void redis_line_free(struct redis_line *l);
CLEANUP_FOR(struct redis_line *, redis_line_free)

/*
 * Send and wait for the answer, wait_us longer than the usual time-out. Connects when needed; while
 * the server is known to be away, waits wait_us for it.
 * errors  as redis_ask()
 */
MUST_USE struct redis_reply *redis_line_ask(struct redis_line *l, const struct redis_call *call,
                                            int64_t wait_us, struct err *e);

/* End the wait in progress, or the next one when there is none, so that a call between a look at a
 * flag and the wait is not lost: it fails with UNAVAILABLE and sys == EINTR. What the server did
 * meanwhile is lost to the caller: a lease taken is found by its time. */
void redis_line_wake(struct redis_line *l);

/*
 * Listen to a channel (PUBLISH; a cluster spreads it to every node). message: from a thread of its
 * own; must not block. gap: from that thread, when the subscription stands again after having been
 * away, so that messages may be lost; may be NULL. Returns when the subscription stands; or, when
 * it cannot be had within the time-out, without it: then gap is called once it does.
 * errors  SYSTEM no thread
 */
struct redis_ear;
MUST_USE struct redis_ear *redis_listen(struct redis *r, const char *channel,
                                        void (*message)(void *arg, struct str text),
                                        void (*gap)(void *arg), void *arg, struct err *e);
/* After it returns nothing is called any more. Accepts NULL. */
void redis_deafen(struct redis_ear *ear);

struct redis_state {
    bool connected;
    char server[120];  /* "127.0.0.1:6379, Redis 7.0.15" */
    char trouble[200]; /* the last error, "" when there was none since it stands */
    int64_t reconnects;
    bool append_only; /* AOF is on */
    bool fsync_always;
    char policy[32]; /* maxmemory-policy; anything but noeviction may lose jobs */
    int64_t memory_bytes, memory_max_bytes;
};
/* Asks the server (INFO, CONFIG GET where allowed). False: it does not answer; ret is filled still.
 */
MUST_USE bool redis_state(struct redis *r, struct redis_state *ret, struct err *e);

#endif
