/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis_internal.h - what the files of this driver share. Nobody else includes it.
 *
 *   redis_url.c      the URL
 *   redis_reply.c    answers, errors in our words, commands as bytes
 *   redis_resolve.c  names to addresses
 *   redis_wire.c     one socket: connecting, bytes out, answers in, the greeting
 *   redis_link.c     one connection of the thread: what waits, what is under way, time-outs
 *   redis_key.c      keys and slots
 *   redis_find.c     where the commands go: one server, Sentinel's primary, the cluster's map
 *   redis.c          the thread, and the calls of everybody else
 *   redis_line.c     a connection of its own, for commands that wait
 *   redis_ear.c      a connection of its own, for pub/sub
 *   redis_state.c    what the server says about itself
 *
 * Words     place: where a server listens. node: a server we know. link: the thread's connection to
 *           a node. slot: which of the cluster's 16384 shares a key is in.
 */
#ifndef EVALX_DRIVERS_REDIS_INTERNAL_H
#define EVALX_DRIVERS_REDIS_INTERNAL_H

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/arena.h"
#include "base/buf.h"
#include "drivers/redis.h"

enum { PLACE_HOST = 256, PLACE_TEXT = PLACE_HOST + 16, SLOTS = 16384, SLOT_ANY = -1 };

/* ---- redis_url.c ---- */

enum url_mode { URL_SERVER, URL_CLUSTER, URL_SENTINEL };

struct place {
    char host[PLACE_HOST]; /* name or address; or the path of a unix socket */
    int port;              /* 0: a unix socket */
};

struct redis_url {
    struct arena arena; /* of the texts */
    enum url_mode mode;
    bool tls;
    const char *user, *password;                   /* NULL: none */
    const char *sentinel_user, *sentinel_password; /* the same for the Sentinels */
    const char *primary;                           /* URL_SENTINEL: its name */
    const char *ca, *cert, *key;                   /* TLS: files, NULL: the system's, none */
    int64_t database;
    struct place *places;
    size_t count; /* at least 1 */
};

MUST_USE bool redis_url_parse(const char *url, struct redis_url *ret, struct err *e);
void redis_url_done(struct redis_url *u);
CLEANUP_FOR_STRUCT(struct redis_url, redis_url_done)

/* "host:port", "[::1]:port" or the path. */
void place_text(const struct place *p, char out[PLACE_TEXT]);
bool place_eq(const struct place *a, const struct place *b);

/* ---- redis_reply.c ---- */

static inline struct redis_reply *reply_of(redisReply *r)
{
    return (struct redis_reply *)r;
}

static inline bool reply_is_error(const redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR;
}

/* The first word of an error answer: "MOVED". */
bool reply_code_is(const redisReply *r, const char *code);

/* An error answer in our words. what: the command. Always false. */
bool reply_err(const redisReply *r, const char *what, struct err *e);

/* "MOVED 3999 127.0.0.1:6381" and ASK: slot and place; no host: that of the one who was asked. */
MUST_USE bool reply_place(const redisReply *r, const struct place *asked, int *slot,
                          struct place *ret);

/* The script's name or the command's first word. */
void call_name(const struct redis_call *call, char *out, size_t size);

/* Bytes a command takes on the wire, and the command itself; out has room for that many. */
size_t call_size(const struct redis_call *call);
void call_write(const struct redis_call *call, char *out);
void call_add(struct buf *out, const struct redis_call *call);

/* Append a command of plain words. */
void words_add(struct buf *out, const char *const *words, size_t count);
#define WORDS_ADD(out, ...)                                                                        \
    words_add((out), (const char *const[]){ __VA_ARGS__ },                                         \
              COUNT_OF(((const char *const[]){ __VA_ARGS__ })))

/* A written EVALSHA as the EVAL that also teaches the server the script. */
void script_as_eval(const struct redis_script *script, struct str evalsha, struct buf *out);

/* Fill in the script's sha. */
void script_know(struct redis_script *script);

/* The slot of a call's key; SLOT_ANY when it has none. */
int call_slot(const struct redis_call *call);
/* The slot of a key: CRC16 of its hash tag. */
int key_slot(struct str key);

/* ---- redis_tls.c ---- */

struct tls;         /* one connection's */
struct tls_context; /* one driver's */
struct wire;

MUST_USE struct tls_context *tls_context_new(const struct redis_url *u, struct err *e);
void tls_context_free(struct tls_context *c);
struct tls *tls_new(struct tls_context *c, const struct place *peer);
void tls_free(struct tls *t);
/* As recv() and send() on a non-blocking socket: GOT_NONE: the socket is not ready now. Reading
 * from fd -1: only what was taken from the socket before. */
MUST_USE enum got tls_read(struct tls *t, int fd, char *out, size_t size, size_t *ret,
                           struct err *e);
MUST_USE enum got tls_write(struct tls *t, int fd, struct str bytes, size_t *ret, struct err *e);
/* Bytes of the protocol that wait for the socket. */
bool tls_wants_out(const struct tls *t);

/* ---- redis_resolve.c ---- */

enum { ADDRESSES_MAX = 8 };

/* What a place's name stands for. */
struct addresses {
    struct sockaddr_storage list[ADDRESSES_MAX];
    socklen_t sizes[ADDRESSES_MAX];
    int count;
};

/* A socket's path or a literal address. False: it is a name. */
MUST_USE bool place_address(const struct place *p, struct addresses *ret);

/* A name that is being looked up. */
struct lookup;
/* fd: an eventfd, written to when there is a result. errors: UNAVAILABLE no thread */
MUST_USE struct lookup *lookup_start(const struct place *p, int fd, struct err *e);
/* GOT_NONE: not yet; else the lookup is gone. */
MUST_USE enum got lookup_result(struct lookup *l, struct addresses *ret, struct err *e);
/* Nobody waits for it any more. Accepts NULL. */
void lookup_leave(struct lookup *l);

/* ---- redis_wire.c ---- */

/* One socket. Never blocks. Zeroed and redis_wire_init()ed is closed. */
struct wire {
    int fd;
    bool connecting;
    redisReader *reader;
    struct tls *tls;
    struct buf out; /* to be sent, from out_at on */
    size_t out_at;
};

void redis_wire_init(struct wire *w);
void redis_wire_close(struct wire *w); /* may be opened again */
void redis_wire_free(struct wire *w);

struct wire_setup {
    struct tls_context *tls; /* NULL: none */
    const struct place *place;
    int64_t timeout_us; /* for what the other side does not acknowledge */
};
/* Begin to connect to one address. */
MUST_USE bool redis_wire_open(struct wire *w, const struct wire_setup *setup,
                              const struct sockaddr_storage *address, socklen_t size,
                              struct err *e);
/* Events for poll(). */
short redis_wire_events(const struct wire *w);
static inline size_t redis_wire_unsent(const struct wire *w)
{
    return w->out.len - w->out_at;
}
/* Send what the socket takes now. */
MUST_USE bool redis_wire_flush(struct wire *w, struct err *e);
/* After poll(): finish connecting, send, receive. ret_heard: bytes came in. */
MUST_USE bool redis_wire_move(struct wire *w, short revents, bool *ret_heard, struct err *e);
/* The next whole answer, owned by the caller. */
MUST_USE enum got redis_wire_reply(struct wire *w, redisReply **ret, struct err *e);

/* What is said first on a new connection. */
struct greeting {
    char steps[8]; /* one letter per answer still to come */
    int at;
};
void greeting_begin(struct greeting *g, const struct redis_url *u, bool sentinel, struct buf *out);
/* GOT_ONE: it was the last one. errors: INVALID password or rights, UNAVAILABLE no primary */
MUST_USE enum got greeting_answer(struct greeting *g, const redisReply *reply, struct err *e);

/* ---- redis_link.c ---- */

struct link;
struct node;

/* A command on its way. */
struct command {
    struct command *next;
    redis_done_fn done;
    void *arg;
    /* Ours: takes the place of done and sees error answers too; reply NULL: see e. */
    void (*inside)(struct redis *r, struct command *c, redisReply *reply, const struct err *e);
    struct redis_script *script;
    int64_t due_us;
    redisReply *held; /* kept: the answer, while WAIT is under way */
    struct node *to;  /* NULL: whoever has the slot */
    int slot;
    int hops; /* times it was sent on */
    bool kept, given_up, asking, as_eval;
    char name[24];
    size_t len;
    char *bytes; /* behind the struct, or as_eval: of its own */
};

/* In the order they came. */
struct commands {
    struct command *first, **end;
    size_t count;
};
void commands_init(struct commands *q);
void commands_add(struct commands *q, struct command *c);
struct command *commands_take(struct commands *q);

struct command *command_new(const struct redis_call *call, int64_t due_us);
void command_free(struct command *c);
void command_fail(struct redis *r, struct command *c, const struct err *e); /* and frees */

enum link_state {
    LINK_DOWN,       /* until retry_us */
    LINK_FINDING,    /* the place or its address is being found out */
    LINK_CONNECTING, /* until deadline_us, as is GREETING */
    LINK_GREETING,
    LINK_READY,
};

enum { SCRIPTS_MAX = 64 };

struct link {
    struct redis *redis;
    struct node *node;
    bool kept; /* every batch is followed by a WAIT, so it is no good for others */
    enum link_state state;
    struct wire wire;
    struct greeting greeting;
    struct lookup *lookup; /* FINDING: the name is being looked up, until deadline_us */
    struct addresses addresses;
    int address; /* of those, the one being tried */
    int poll_at; /* place in the poll set, -1: none */

    struct commands waiting; /* not yet on the wire */
    struct commands flying;  /* on the wire, in the order of their answers */
    struct commands held;    /* answered, before the WAIT */
    struct command *due;     /* of the flying, the first that was not given up */
    size_t unwaited;         /* kept commands on the wire behind the last WAIT */

    int64_t down_us, retry_us, deadline_us, pause_us;
    int64_t heard_us; /* last bytes, or when it was last idle */
    int64_t stood_us; /* ready since */
    bool tried;       /* an attempt failed since it stood */
    bool refused;     /* and the reason is one that waiting does not mend */
    bool stood;       /* it was ready once */
    struct err trouble;

    const struct redis_script *loaded[SCRIPTS_MAX]; /* on this connection */
    size_t loaded_count;
};

struct link *link_new(struct redis *r, struct node *n, bool kept);
void link_free(struct link *l, const struct err *why);
/* Take a command; it is answered, failed or sent on later. */
void link_take(struct link *l, struct command *c, int64_t now);
/* What time brings: connecting, time-outs; and send what waits. */
void link_drive(struct link *l, int64_t now);
/* After poll(). */
void link_move(struct link *l, short revents, int64_t now);
/* When link_drive() must be called again; INT64_MAX: only after events. */
int64_t link_next(const struct link *l);
/* Close it and connect again at once. */
void link_again(struct link *l, const struct err *why, int64_t now);
/* The place is known now (redis_find.c). */
void link_found(struct link *l, int64_t now);
/* It cannot be found out. */
void link_lost(struct link *l, const struct err *why, int64_t now);

/* ---- redis_find.c ---- */

struct node {
    struct place place; /* host "": not known yet */
    struct link *plain, *kept;
    bool listed; /* in the map, or given in the URL */
};

struct finder; /* the thread's alone: every call but finder_new() is its */

struct finder *finder_new(struct redis *r);
void finder_free(struct finder *f, const struct err *why);
/* The node a command goes to; NULL: not known yet, f keeps the command. */
void finder_route(struct finder *f, struct command *c, int64_t now);
/* A command has to be sent on because of this answer; true when the finder took it. */
bool finder_sends_on(struct finder *f, struct link *l, struct command *c, const redisReply *reply,
                     int64_t now);
/* A link wants to connect: calls link_found() or link_lost() now or later. */
void finder_find(struct finder *f, struct link *l, int64_t now);
/* A link broke or was told that it is at the wrong place. */
void finder_doubt(struct finder *f, struct link *l, int64_t now);
/* A link stands. */
void finder_stands(struct finder *f, struct link *l, int64_t now);
/* Somebody could not get through. */
void finder_look(struct finder *f);
bool finder_is_sentinel(const struct finder *f, const struct link *l);
void finder_drive(struct finder *f, int64_t now);
int64_t finder_next(const struct finder *f);
/* The i-th link of all, the finder's own included; NULL behind the last. */
struct link *finder_link(struct finder *f, size_t i);

/* ---- redis.c ---- */

/* Somebody with a connection of its own, nudged when the map changes or a server stands again. */
struct nudged {
    struct nudged *next, *previous;
    int fd; /* an eventfd */
};

struct redis {
    struct redis_url url;
    struct tls_context *tls;
    int64_t timeout_us;
    int replicas;
    pthread_t thread;
    int wake_fd;
    struct finder *finder;  /* the thread's alone */
    _Atomic bool clustered; /* keys have slots */
    _Atomic int64_t reconnects;

    pthread_mutex_t lock; /* guards what follows */
    struct commands inbox;
    bool asleep; /* the thread is in poll() */
    bool stop;
    bool doubted; /* somebody could not get through, look again */
    struct nudged *nudged;
    struct map_copy {
        bool known;      /* there is a server to go to */
        bool refused;    /* it does not let us in */
        int64_t down_us; /* not known: since when */
        struct err trouble;
        struct place *places;
        size_t count;
        uint16_t *slots; /* index of places by slot; NULL: all are at places[0] */
    } map;               /* what the finder knows, for those with connections of their own */
};

/*
 * Where a slot's server is.
 * GOT_NONE    not known now: wait for a nudge
 * GOT_FAILED  it has been away for longer than a time-out, or does not let us in: see e
 */
enum got redis_place(struct redis *r, int slot, struct place *ret, struct err *e);
/* A connection to there does not work. */
void redis_doubt(struct redis *r);
void redis_nudge_add(struct redis *r, struct nudged *n);
void redis_nudge_remove(struct redis *r, struct nudged *n);
/* As redis_ask(), but does not wait longer than that; the command may be carried out still. */
MUST_USE struct redis_reply *redis_ask_within(struct redis *r, const struct redis_call *call,
                                              int64_t wait_us, struct err *e);

/* There is a server to talk to, or the first attempt is under way; for those who would rather go
 * without than wait. */
bool redis_ready(struct redis *r);

/* ---- redis_line.c, for ears ---- */

/* The next answer that comes by itself; NULL: the connection is lost, or the line was woken. */
redisReply *line_listen(struct redis_line *l, struct err *e);
/* Sleep, until woken or nudged. */
void line_pause(struct redis_line *l, int64_t us);

#endif
