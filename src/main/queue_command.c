/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx queue - what an operator sees of the queue and may do to it, over a server's /v1/queue, so
 * it is the same for every backend.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "main/ask_server.h"
#include "main/commands.h"

struct call {
    struct ask_server to;
    bool json;         /* print the answers as they are */
    bool yes, all;     /* --yes, --all */
    const char *limit; /* NULL: everything, page by page */
    int argc;          /* words behind the verb */
    char **argv;
};

/* Always false. */
static bool fail(const char *who, const char *what)
{
    fprintf(stderr, "evalx: %s%s\n", who, what);
    return false;
}

static struct json *ask(const struct call *c, const char *method, const char *path)
{
    struct json *answer = NULL;
    struct err e;
    if (!ask_server(&c->to, method, path, STR_NULL, &answer, &e)) {
        fail("", e.text);
        return NULL;
    }
    if (!answer)
        fail("", "the server's answer is empty");
    return answer;
}

static void print_json(const struct json *node)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(node, &text);
    puts(buf_str(&text).ptr);
}

/* ---- reading answers ---- */

static const char *text_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_TEXT ? json_as_str(value).ptr : "-";
}

static long long int_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_INT ? (long long)json_as_int(value) : 0;
}

static bool true_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_BOOL && json_as_bool(value);
}

/* ---- looking ---- */

static void print_stats(const struct json *q)
{
    const struct json *waiting = json_get(q, "waiting"), *oldest = json_get(q, "oldest_seconds");
    printf("waiting         %lld high, %lld normal, %lld low%s\n", int_at(waiting, "high"),
           int_at(waiting, "normal"), int_at(waiting, "low"),
           true_at(q, "paused") ? " (paused: nothing is offered)" : "");
    if (oldest && (json_kind(oldest) == JSON_DOUBLE || json_kind(oldest) == JSON_INT))
        printf("oldest          %.1f s\n", json_as_double(oldest));
    printf("running         %lld on %zu workers with %lld lanes\n", int_at(q, "running"),
           json_count(json_get(q, "workers")), int_at(q, "slots"));
    printf("dead letters    %lld\n", int_at(q, "dead"));
    printf("leases run out  %lld\n", int_at(q, "lease_expiries"));
}

static bool stats(const struct call *c)
{
    CLEANUP(json_free) struct json *q = ask(c, "GET", "/v1/queue");
    if (q && c->json)
        print_json(q);
    else if (q)
        print_stats(q);
    return q != NULL;
}

static bool workers(const struct call *c)
{
    CLEANUP(json_free) struct json *q = ask(c, "GET", "/v1/queue");
    const struct json *list = q ? json_get(q, "workers") : NULL;
    if (!list)
        return false;
    if (c->json) {
        print_json(list);
        return true;
    }
    printf("%-40s %5s %7s %9s  %s\n", "WORKER", "LANES", "RUNNING", "LANGUAGES", "SEEN");
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *w = json_at(list, i);
        printf("%-40s %5lld %7lld %9zu  %s\n", text_at(w, "name"), int_at(w, "slots"),
               int_at(w, "running"), json_count(json_get(w, "languages")), text_at(w, "seen_at"));
    }
    return true;
}

static void print_entry_row(const struct json *x)
{
    const char *last = text_at(x, "reason");
    if (strcmp(last, "-") == 0)
        last = text_at(x, "worker");
    printf("%s  %-8s %-7s %8lld  %-24s %s\n", text_at(x, "token"), text_at(x, "place"),
           text_at(x, "priority"), int_at(x, "attempts"), text_at(x, "due_at"), last);
}

/* Pages, until there are no more or the limit is reached. */
static bool list(const struct call *c)
{
    const char *place = c->argc > 0 ? c->argv[0] : "waiting";
    long long offset = 0;
    if (!c->json)
        printf("%-36s  %-8s %-7s %8s  %-24s %s\n", "TOKEN", "PLACE", "PRIORITY", "ATTEMPTS", "DUE",
               "WORKER OR REASON");
    for (;;) {
        CLEANUP(buf_done) struct buf path = { 0 };
        buf_addf(&path, "/v1/queue/entries?place=");
        ask_server_escape(&path, place);
        buf_addf(&path, "&offset=%lld&limit=", offset);
        ask_server_escape(&path, c->limit ? c->limit : "900");
        CLEANUP(json_free) struct json *page = ask(c, "GET", path.ptr);
        const struct json *entries = page ? json_get(page, "entries") : NULL;
        if (!entries)
            return false;
        for (size_t i = 0; i < json_count(entries); i++) {
            if (c->json)
                print_json(json_at(entries, i));
            else
                print_entry_row(json_at(entries, i));
        }
        const struct json *next = json_get(page, "next_offset");
        if (c->limit || !next || json_kind(next) != JSON_INT)
            return true;
        offset = (long long)json_as_int(next);
    }
}

static bool print_member(const char *key, const struct json *value, UNUSED void *arg)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    if (json_kind(value) == JSON_TEXT)
        printf("%-12s %s\n", key, json_as_str(value).ptr);
    else if (json_kind(value) != JSON_NULL) {
        json_dump(value, &text);
        printf("%-12s %s\n", key, buf_str(&text).ptr);
    }
    return true;
}

static bool inspect(const struct call *c)
{
    CLEANUP(buf_done) struct buf path = { 0 };
    buf_addf(&path, "/v1/queue/entries/");
    ask_server_escape(&path, c->argv[0]);
    CLEANUP(json_free) struct json *entry = ask(c, "GET", path.ptr);
    if (entry && c->json)
        print_json(entry);
    else if (entry)
        json_each(entry, print_member, NULL);
    return entry != NULL;
}

/* ---- doing ---- */

static bool change_one(const struct call *c, const char *token, const char *verb)
{
    CLEANUP(buf_done) struct buf path = { 0 };
    buf_addf(&path, "/v1/queue/entries/");
    ask_server_escape(&path, token);
    buf_addf(&path, "/%s", verb);
    struct json *answer = ask(c, "POST", path.ptr);
    json_free(answer);
    return answer != NULL;
}

static bool report(const struct call *c, const char *key, long long count)
{
    if (c->json)
        printf("{\"%s\":%lld}\n", key, count);
    else
        printf("%s: %lld\n", key, count);
    return true;
}

/* The first page of the dead letters, again and again: what changes leaves it. */
static bool change_dead(const struct call *c, const char *verb, const char *done)
{
    long long changed = 0;
    for (;;) {
        CLEANUP(json_free)
        struct json *page = ask(c, "GET", "/v1/queue/entries?place=dead&limit=900");
        const struct json *entries = page ? json_get(page, "entries") : NULL;
        if (!entries)
            return false;
        long long before = changed;
        for (size_t i = 0; i < json_count(entries); i++)
            changed += change_one(c, text_at(json_at(entries, i), "token"), verb);
        if (changed == before)
            return report(c, done, changed) && json_count(entries) == 0;
    }
}

static bool change(const struct call *c, const char *verb, const char *done)
{
    long long changed = 0;
    if (c->all)
        return change_dead(c, verb, done);
    if (c->argc == 0)
        return fail(verb, ": which? Name tokens, or --all for every dead letter");
    for (int i = 0; i < c->argc; i++)
        changed += change_one(c, c->argv[i], verb);
    return report(c, done, changed) && changed == c->argc;
}

static bool retry(const struct call *c)
{
    return change(c, "retry", "retried");
}

static bool drop(const struct call *c)
{
    return change(c, "drop", "dropped");
}

static bool confirmed(const struct call *c)
{
    char answer[16] = "";
    if (c->yes)
        return true;
    if (!isatty(STDIN_FILENO))
        return fail("drain: ", "this cancels everything that waits; say --yes");
    fputs("Cancel every submission that waits? Write yes: ", stderr);
    if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0)
        return fail("drain: ", "nothing was done");
    return true;
}

static bool drain(const struct call *c)
{
    long long cancelled = 0, left = 1;
    if (!confirmed(c))
        return false;
    while (left > 0) {
        CLEANUP(json_free)
        struct json *answer = ask(c, "POST", "/v1/queue/drain?confirm=cancel-all-waiting");
        if (!answer)
            return false;
        cancelled += int_at(answer, "cancelled");
        left = int_at(answer, "cancelled") ? int_at(answer, "left") : 0;
    }
    return report(c, "cancelled", cancelled);
}

static bool set_paused(const struct call *c, const char *path)
{
    CLEANUP(json_free) struct json *answer = ask(c, "POST", path);
    if (answer && c->json)
        print_json(answer);
    else if (answer)
        puts(true_at(answer, "paused") ? "paused: nothing is offered to any worker" : "resumed");
    return answer != NULL;
}

static bool pause_queue(const struct call *c)
{
    return set_paused(c, "/v1/queue/pause");
}

static bool resume(const struct call *c)
{
    return set_paused(c, "/v1/queue/resume");
}

/* ---- the command ---- */

static const struct verb {
    const char *name, *usage, *help;
    int least, most; /* words behind it */
    bool (*run)(const struct call *c);
} verbs[] = {
    { "stats", "stats", "how much waits, runs and died", 0, 0, stats },
    { "workers", "workers", "who works on it, with how many lanes", 0, 0, workers },
    { "list", "list [waiting|delayed|running|dead] [--limit=N]", "the entries of one place", 0, 1,
      list },
    { "inspect", "inspect TOKEN", "one entry", 1, 1, inspect },
    { "retry", "retry TOKEN... | --all", "dead letters run again", 0, 1 << 20, retry },
    { "drop", "drop TOKEN... | --all", "cancel what waits or runs; forget dead letters", 0, 1 << 20,
      drop },
    { "drain", "drain [--yes]", "cancel everything that waits", 0, 0, drain },
    { "pause", "pause", "offer nothing to any worker; what runs goes on", 0, 0, pause_queue },
    { "resume", "resume", "offer again", 0, 0, resume },
};

void queue_print_help(FILE *out)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        fprintf(out, "  %-50s %s\n", verbs[i].usage, verbs[i].help);
    fputs("\n--json prints what the server said. --server=URL and --token=TOKEN (EVALX_SERVER,\n"
          "EVALX_TOKEN) say which server, and who asks: one of its EVALX_ADMIN_TOKENS, or nothing\n"
          "on its own machine when it has none.\n",
          out);
}

static bool read_options(struct call *c, int argc, char **argv, struct err *e)
{
    c->argv = argv;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            c->json = true;
        else if (strcmp(argv[i], "--yes") == 0)
            c->yes = true;
        else if (strcmp(argv[i], "--all") == 0)
            c->all = true;
        else if (strncmp(argv[i], "--limit=", 8) == 0)
            c->limit = argv[i] + 8;
        else if (argv[i][0] == '-')
            return err_set(e, ERR_INVALID, "queue: what is %s?", argv[i]);
        else
            argv[c->argc++] = argv[i];
    }
    return true;
}

static const struct verb *verb_of(struct call *c)
{
    for (size_t i = 0; c->argc > 0 && i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, c->argv[0]) != 0)
            continue;
        c->argc--;
        c->argv++;
        return c->argc >= verbs[i].least && c->argc <= verbs[i].most ? &verbs[i] : NULL;
    }
    return NULL;
}

int command_queue(int argc, char **argv)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    struct call c = { 0 };
    struct err e;
    if (!settings_load(&s, NULL, &e) || !ask_server_options(&c.to, &s, &argc, argv, &e) ||
        !read_options(&c, argc, argv, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 2;
    }
    const struct verb *verb = verb_of(&c);
    if (!verb) {
        fputs("usage: evalx queue VERB\n\n", stderr);
        queue_print_help(stderr);
        return 2;
    }
    return verb->run(&c) ? 0 : 1;
}
