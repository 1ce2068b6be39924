/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - tell the service manager how we are, where one wants to know (systemd's Type=notify).
 *
 * A state is one datagram to the socket that NOTIFY_SOCKET names: "READY=1", "STOPPING=1",
 * "WATCHDOG=1". Without the variable nothing is sent; trouble with the socket is nobody's trouble.
 *
 * Source   sd_notify(3), sd_watchdog_enabled(3); no library is needed for it
 * Threads  any; the environment is read, so nobody may change it
 */
#ifndef EVALX_MAIN_NOTIFY_H
#define EVALX_MAIN_NOTIFY_H

#include <stdint.h>

/* One or more lines of NAME=value. */
void notify(const char *state);

/* How often the manager wants to hear WATCHDOG=1, halved as it asks for; 0: it does not. */
int64_t notify_watchdog_us(void);

#endif
