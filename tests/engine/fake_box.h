/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_box.h - a box without a sandbox, and two languages for it: so that the engine's order of
 * things can be tested anywhere, trouble included, without a privilege and without waiting.
 *
 * "script" is interpreted, "compiled" has a build step which copies the source into a.out. Programs
 * are lines of commands:
 *   print TEXT   one line of output        cat      copies stdin
 *   exit N       the end                   signal N
 *   gate         waits until fake_open_gate(), or until it is cancelled
 *   once         as gate, but for the first run that comes here only
 *   gate for bad as gate, when the output so far is "bad"
 *   pair         waits until two programs were started
 *   args, env    prints them, one a line
 *   number       prints how many programs have been started, this one included
 *   alone        prints whether no other program runs now: "alone" or "together"
 *   sleep        is said to wait, at the gate, and then to compute again
 *   nap          is said to wait until two programs were started, and then to compute again
 *   flap N       is said to wait and to compute again, N times
 *   crowd        when it comes here first: waits for a nap to end, and for some milliseconds more,
 *                then is stopped by the wall limit
 *   after crowd  waits until one was
 * and in a "compiled" source, for the build step:
 *   #error TEXT  compile error             #warn TEXT   output of a good build
 *   #slow        stopped by the wall limit  #gate       waits for the gate
 *   #nothing     leaves no a.out           #uses N     so many MiB, or all it may have
 */
#ifndef EVALX_TESTS_FAKE_BOX_H
#define EVALX_TESTS_FAKE_BOX_H

#include <stdint.h>

struct fake_box_state {
    int open_fails;   /* lane with this number plus one cannot be opened; 0: all can; -1: only
                       * lane 0 can */
    int run_fails;    /* the next so many runs are trouble of ours */
    int builds, runs; /* build steps and programs run */
    int came_to_gate; /* programs that did */
    unsigned lanes;   /* bit n: lane n has run a program */
    int cancelled;    /* runs that box_cancel() ended */
    int naps, crowds; /* that have ended */
    int running, most_running;
    int64_t memory_bytes, most_memory_bytes; /* limits of those that run */
    int late_cancel; /* the first box_cancel() comes before the run does, and does nothing */
};

/* Everything as at the start. */
void fake_reset(void);
struct fake_box_state fake_state(void);
void fake_set(struct fake_box_state state);

/* Let everything pass the gate, those that come later too. */
void fake_open_gate(void);

/* Wait until so many programs have come to the gate. */
void fake_wait_at_gate(int count);

#endif
