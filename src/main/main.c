/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>

#include "main/commands.h"
#include "main/first.h"
#include "main/settings.h"

struct command_entry {
    const char *name, *usage, *help;
    int (*fn)(int argc, char **argv);
    void (*details)(FILE *out); /* or NULL */
};

static const struct command_entry commands[] = {
    { "serve", "serve [--SETTING VALUE]...", "start the server", command_serve, NULL },
    { "run", "run [OPTIONS] FILE [ARGS]...", "run one program in the sandbox", command_run,
      run_print_help },
    { "languages", "languages [--test] [--json] [ID]...",
      "list the languages, or run their self-tests", command_languages, NULL },
    { "doctor", "doctor", "probe every layer of the sandbox and say how to mend it", command_doctor,
      NULL },
    { "health", "health [--live]", "ask the server of this machine or container how it is",
      command_health, NULL },
    { "bench", "bench [RUNS]", "show what a box costs here, and how steady its figures are",
      command_bench, NULL },
    { "webhooks", "webhooks COMMAND", "list, show and replay deliveries; receive some",
      command_webhooks, webhooks_print_help },
    { "queue", "queue VERB [--json] [WORD]...", "look into a server's queue, and change it",
      command_queue, queue_print_help },
    { "history", "history export|import [FILE]", "move final submissions between databases",
      command_history, history_print_help },
    { "config", "config [--markdown | --env]", "show the settings and where each came from",
      command_config, NULL },
};

static void print_help(FILE *out)
{
    fprintf(out, "evalx " EVALX_VERSION " - runs programs in a sandbox and judges them\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(out, "  evalx %-38s %s\n", commands[i].usage, commands[i].help);
    fprintf(out, "  evalx %-38s %s\n", "--help, --version", "");

    CLEANUP(buf_done) struct buf settings = { 0 };
    conf_print(&settings_table, CONF_HELP, NULL, NULL, &settings);
    fprintf(out,
            "\nSettings are environment variables; `serve` takes them as options too\n"
            "(EVALX_DATA_DIR=/srv is --data-dir /srv):\n\n%s",
            buf_str(&settings).ptr);
}

static const struct command_entry *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    first_process();

    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("evalx " EVALX_VERSION);
        return 0;
    }

    const struct command_entry *command = find_command(argv[1]);
    if (!command) {
        fprintf(stderr, "evalx: no command \"%s\"; see evalx --help\n", argv[1]);
        return 2;
    }
    if (argc > 2 && strcmp(argv[2], "--help") == 0) {
        printf("usage: evalx %s\n\n%s\n", command->usage, command->help);
        if (command->details)
            command->details(stdout);
        return 0;
    }
    return command->fn(argc - 2, argv + 2);
}
