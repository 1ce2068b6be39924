/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first.h - being process 1, as in a container.
 *
 * Process 1 inherits whoever lost its parent, and must wait for them all or they stay as zombies;
 * signals reach it only when it asks for them. Source: pid_namespaces(7).
 */
#ifndef EVALX_MAIN_FIRST_H
#define EVALX_MAIN_FIRST_H

/*
 * Nothing unless this is process 1. Else it goes on in a child, and this one passes signals on,
 * waits for everybody and ends as the child does (128 and the signal, when one ended it).
 *
 * threads  before the first one
 */
void first_process(void);

#endif
