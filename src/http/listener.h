/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - a listening socket from an address as text. Threads: any; no state. */
#ifndef EVALX_HTTP_LISTENER_H
#define EVALX_HTTP_LISTENER_H

#include "base/err.h"

/*
 * Bind and listen, non-blocking, close-on-exec. listen: host:port, [v6]:port, :port for every
 * address; port 0: any free one. -1 on error: INVALID it is no address; SYSTEM it cannot be bound
 */
MUST_USE int listener_open(const char *listen, struct err *e);

/* The port it was bound to. */
int listener_port(int fd);

#endif
