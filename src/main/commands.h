/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - what the one binary can do. Each command has a file; main.c holds their table.
 *
 * A command gets the arguments behind its name and returns the exit status: 0 done, 1 it could not
 * be done (said on standard error), 2 wrong usage.
 */
#ifndef EVALX_MAIN_COMMANDS_H
#define EVALX_MAIN_COMMANDS_H

#include <stdio.h>

int command_serve(int argc, char **argv);
int command_run(int argc, char **argv);
int command_languages(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_health(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_webhooks(int argc, char **argv);
int command_config(int argc, char **argv);
int command_queue(int argc, char **argv);
int command_history(int argc, char **argv);

void webhooks_print_help(FILE *out);
void queue_print_help(FILE *out);
void history_print_help(FILE *out);
void run_print_help(FILE *out); /* its options and exit statuses */

#endif
