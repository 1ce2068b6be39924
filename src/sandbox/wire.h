/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - messages between server, keeper and lanes.
 *
 * One message is a type, a body of numbers and texts, and descriptors. It travels over a
 * SOCK_SEQPACKET pair as one packet; a body too large for a packet goes in a memory file, and more
 * descriptors than one packet may carry go ahead in packets of their own. The reader trusts
 * nothing: every length is checked, and after the first value that is not there all further ones
 * are zero and wire_ok() is false.
 *
 * Threads: a struct wire belongs to one at a time.
 */
#ifndef EVALX_SANDBOX_WIRE_H
#define EVALX_SANDBOX_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum wire_type {
    WIRE_NONE,
    /* Server and keeper say it to each other first of all: EVALX_BUILD_ID, a text. Who hears
     * another one than his own goes no further, since all the rest may have another layout; this
     * message, its number and the frame of messages never change. */
    WIRE_HELLO,
    /* server to keeper, and the answers */
    WIRE_CONFIG, /* struct keeper_config */
    WIRE_OPEN,   /* lane number */
    WIRE_PROBE,  /* lane number */
    WIRE_OPENED, /* ok, layers, error; the lane's socket when ok */
    /* keeper and lane, while the lane is built */
    WIRE_SETUP,  /* struct lane_setup; the filter */
    WIRE_MAP,    /* lane: I am in my user namespace, write my id maps */
    WIRE_MAPPED, /* keeper: written */
    WIRE_BUILT,  /* lane: ok, layers, error */
    /* server and lane */
    WIRE_PLAN,    /* run number, struct plan */
    WIRE_CANCEL,  /* run number */
    WIRE_WIPE,    /* answered by WIRE_DONE */
    WIRE_WAITING, /* lane: run number, whether the program waits now or computes again */
    WIRE_REPORT,  /* struct report */
    WIRE_TROUBLE, /* struct err */
    WIRE_DONE,
    WIRE_GONE, /* lane: not even begun, this box is no good any more; take another */
};

struct wire {
    enum wire_type type;
    struct buf body;
    size_t at; /* reading position */
    bool bad;  /* a read went past the end or a value made no sense */

    int *fds;
    size_t fd_count, fd_capacity;
    size_t fd_at;  /* the next one to take */
    bool received; /* then fds not taken belong to the message */

    char *packet; /* room for one packet, kept for the next message */
};

void wire_done(struct wire *w);
CLEANUP_FOR_STRUCT(struct wire, wire_done)

/* ---- writing ---- */

/* Empty the message and give it a type; what it still owns is closed. */
void wire_start(struct wire *w, enum wire_type type);
void wire_put_int(struct wire *w, int64_t value);
void wire_put_str(struct wire *w, struct str bytes);
void wire_put_text(struct wire *w, const char *text);        /* NULL goes as "" */
void wire_put_texts(struct wire *w, const char *const *all); /* NULL-ended list; NULL is empty */
void wire_put_fd(struct wire *w, int fd);                    /* borrowed until sent */
void wire_put_err(struct wire *w, const struct err *e);

/*
 * Send it.
 *
 * errors   UNAVAILABLE the other side is gone; SYSTEM
 */
MUST_USE bool wire_send(int sock, struct wire *w, struct err *e);

/* ---- reading ---- */

/*
 * Wait for the next message.
 *
 * ret      GOT_NONE when the other side has closed
 * errors   SYSTEM; BUG a packet that is no message
 */
MUST_USE enum got wire_receive(int sock, struct wire *w, struct err *e);

int64_t wire_get_int(struct wire *w);
int64_t wire_get_range(struct wire *w, int64_t low, int64_t high); /* outside: bad, and low */
struct str wire_get_str(struct wire *w);                           /* borrowed from the message */
const char *wire_get_text(struct wire *w); /* borrowed; one holding NUL is bad; never NULL */
char **wire_get_texts(struct wire *w);     /* NULL-ended, one allocation: free() */
int wire_take_fd(struct wire *w); /* the caller's from here on; -1 and bad when none left */
void wire_get_err(struct wire *w, struct err *e);

/* What this program is made of: WIRE_HELLO carries it. */
extern const char *const wire_build_id;

/* Everything read was there. */
bool wire_ok(const struct wire *w);

#endif
