/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx webhooks - the deliveries of a server: list, show, replay; a new secret; and a receiver for
 * developers that prints what comes and checks its signature.
 */
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/inbox.h"
#include "main/ask_server.h"
#include "main/commands.h"
#include "webhook/sign.h"

static const char deliveries[] = "/v1/webhooks/deliveries";

void webhooks_print_help(FILE *out)
{
    fprintf(
        out,
        "  list [--state STATE] [--submission TOKEN] [--limit N] [--cursor ID] [--json]\n"
        "                        deliveries, newest first; STATE: owed, pending, delivered,\n"
        "                        failed, refused\n"
        "  show ID [--json]      one delivery with its attempts\n"
        "  replay ID...          send again\n"
        "  secret                print a new secret for EVALX_WEBHOOK_SECRET\n"
        "  listen [--listen 127.0.0.1:8099] [--status 200] [--secret SECRET]... [--json]\n"
        "                        receive webhooks here and check their signatures, against\n"
        "                        EVALX_WEBHOOK_SECRET when no --secret is given; the server\n"
        "                        needs EVALX_WEBHOOK_ALLOW=127.0.0.0/8 to send here\n"
        "\n"
        "  --server URL, --token TOKEN     the server to ask, and one of its EVALX_ADMIN_TOKENS\n"
        "\nExit status: 0 done, 1 the server refused or did not answer, 2 wrong usage.\n");
}

/* ---- arguments ---- */

enum { SECRETS_MOST = 8 };

struct arguments {
    const char *state, *submission, *limit, *cursor, *listen, *status;
    const char *secrets[SECRETS_MOST + 1];
    int secret_count;
    bool json;
    char **names; /* what is no option */
    int count;
};

static bool take_option(struct arguments *a, const char *name, const char *value, struct err *e)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = { { "--state", &a->state },   { "--submission", &a->submission },
                  { "--limit", &a->limit },   { "--cursor", &a->cursor },
                  { "--listen", &a->listen }, { "--status", &a->status } };
    if (strcmp(name, "--secret") == 0) {
        if (a->secret_count == SECRETS_MOST)
            return err_set(e, ERR_INVALID, "at most %d secrets", SECRETS_MOST);
        a->secrets[a->secret_count++] = value;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].to = value;
            return true;
        }
    }
    return err_set(e, ERR_INVALID, "what is %s?", name);
}

static bool read_arguments(int argc, char **argv, struct arguments *a, struct err *e)
{
    a->names = argv;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            a->names[a->count++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
            continue;
        }
        char name[32];
        size_t len = strcspn(argv[i], "=");
        snprintf(name, sizeof name, "%.*s", (int)MIN(len, sizeof name - 1), argv[i]);
        const char *value = argv[i][len] ? argv[i] + len + 1 : i + 1 < argc ? argv[i + 1] : NULL;
        if (!value)
            return err_set(e, ERR_INVALID, "%s needs a value", name);
        if (!take_option(a, name, value, e))
            return false;
        i += !argv[i][len];
    }
    return true;
}

/* ---- printing ---- */

static const char *text_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_TEXT ? json_as_str(value).ptr : "";
}

static long long int_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_INT ? (long long)json_as_int(value) : 0;
}

static double number_at(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    bool number = value && (json_kind(value) == JSON_INT || json_kind(value) == JSON_DOUBLE);
    return number ? json_as_double(value) : 0;
}

static void print_json(const struct json *node)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(node, &text);
    puts(text.ptr);
}

static void print_row(const struct json *d)
{
    printf("%-36s  %-9s  %8lld  %-24s  %s\n", text_at(d, "id"), text_at(d, "state"),
           int_at(d, "attempts"), text_at(d, "due_at"), text_at(d, "url"));
}

static void print_attempt(const struct json *a)
{
    char status[24] = "no answer";
    if (int_at(a, "status"))
        snprintf(status, sizeof status, "%lld", int_at(a, "status"));
    printf("  %s  %9s  %8.0f ms  %s\n", text_at(a, "at"), status, number_at(a, "took_ms"),
           text_at(a, "error"));
}

static void print_delivery(const struct json *d)
{
    const struct json *log = json_get(d, "log");
    printf("id          %s\nsubmission  %s\nkind        %s\nurl         %s\nstate       %s\n",
           text_at(d, "id"), text_at(d, "token"), text_at(d, "kind"), text_at(d, "url"),
           text_at(d, "state"));
    if (*text_at(d, "due_at"))
        printf("due         %s\n", text_at(d, "due_at"));
    printf("attempts    %lld\n", int_at(d, "attempts"));
    for (size_t i = 0; i < json_count(log); i++)
        print_attempt(json_at(log, i));
}

/* ---- asking ---- */

static void add_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(path, "%c%s=", strchr(path->ptr, '?') ? '&' : '?', name);
    ask_server_escape(path, value);
}

static bool list(const struct ask_server *server, const struct arguments *a, struct err *e)
{
    CLEANUP(buf_done) struct buf path = { 0 };
    CLEANUP(json_free) struct json *answer = NULL;
    buf_add_text(&path, deliveries);
    add_query(&path, "state", a->state);
    add_query(&path, "token", a->submission);
    add_query(&path, "limit", a->limit);
    add_query(&path, "cursor", a->cursor);
    if (!ask_server(server, "GET", path.ptr, STR_NULL, &answer, e))
        return false;
    if (a->json) {
        print_json(answer);
        return true;
    }
    const struct json *rows = json_get(answer, "deliveries");
    if (json_count(rows))
        printf("%-36s  %-9s  %8s  %-24s  %s\n", "ID", "STATE", "ATTEMPTS", "DUE", "URL");
    for (size_t i = 0; i < json_count(rows); i++)
        print_row(json_at(rows, i));
    printf("%lld pending\n", int_at(answer, "pending"));
    if (*text_at(answer, "next_cursor"))
        printf("more: --cursor %s\n", text_at(answer, "next_cursor"));
    return true;
}

static bool ask_one(const struct ask_server *server, const char *method, const char *id,
                    const char *action, struct json **ret, struct err *e)
{
    CLEANUP(buf_done) struct buf path = { 0 };
    buf_addf(&path, "%s/", deliveries);
    ask_server_escape(&path, id);
    buf_add_text(&path, action);
    return ask_server(server, method, path.ptr, STR_NULL, ret, e);
}

static bool show(const struct ask_server *server, const struct arguments *a, struct err *e)
{
    CLEANUP(json_free) struct json *answer = NULL;
    if (!ask_one(server, "GET", a->names[1], "", &answer, e))
        return false;
    if (a->json)
        print_json(answer);
    else
        print_delivery(answer);
    return true;
}

static bool replay(const struct ask_server *server, const struct arguments *a, struct err *e)
{
    for (int i = 1; i < a->count; i++) {
        CLEANUP(json_free) struct json *answer = NULL;
        if (!ask_one(server, "POST", a->names[i], "/replay", &answer, e))
            return err_add(e, "%s", a->names[i]);
        if (a->json)
            print_json(answer);
        else
            printf("%s  %s\n", text_at(answer, "id"), text_at(answer, "state"));
    }
    return true;
}

/* ---- listening ---- */

struct listening {
    const struct signer *signer;
    int status;
    bool json;
};

/* "ok", "unsigned" or what is wrong with it. */
static const char *judge_signature(const struct listening *l, const struct letter *letter,
                                   struct err *e)
{
    const char *signature = letter_header(letter, "webhook-signature");
    if (!signature)
        return "unsigned";
    if (signer_is_empty(l->signer))
        return "not checked: no secret here";
    return signer_verify(l->signer, letter_header(letter, "webhook-id"),
                         letter_header(letter, "webhook-timestamp"), letter->body, signature,
                         wall_us() / US_PER_S, e)
               ? "ok"
               : e->text;
}

static void print_letter(const struct letter *letter, const char *now, const char *signature,
                         int status)
{
    const char *id = letter_header(letter, "webhook-id");
    printf("%s  %s %s  %zu bytes  %s  signature: %s  -> %d\n", now, letter->method, letter->target,
           letter->body.len, id ? id : "no webhook-id", signature, status);
    /* A body may hold what a program printed: nothing of it may steer the terminal. */
    for (size_t i = 0; i < letter->body.len; i++) {
        unsigned char c = (unsigned char)letter->body.ptr[i];
        putchar(c < ' ' || c == 0x7f ? ' ' : c);
    }
    putchar('\n');
}

static void print_letter_json(const struct letter *letter, const char *now, const char *signature,
                              int status)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    struct json_writer w = { .out = &out };
    json_put_object(&w);
    json_member_text(&w, "at", now);
    json_member_text(&w, "method", letter->method);
    json_member_text(&w, "target", letter->target);
    json_member_text(&w, "id", letter_header(letter, "webhook-id"));
    json_member_text(&w, "timestamp", letter_header(letter, "webhook-timestamp"));
    json_member_text(&w, "signature", signature);
    json_member_int(&w, "answered", status);
    json_put_bytes(&w, "body", "body_encoding", letter->body);
    json_put_object_end(&w);
    puts(out.ptr);
}

static int on_letter(void *arg, const struct letter *letter)
{
    const struct listening *l = arg;
    struct err e;
    char now[32];
    const char *signature = judge_signature(l, letter, &e);
    bool wrong = letter_header(letter, "webhook-signature") && !signer_is_empty(l->signer) &&
                 strcmp(signature, "ok") != 0;
    int status = wrong ? 401 : l->status;
    wall_text(wall_us(), now, sizeof now);
    (l->json ? print_letter_json : print_letter)(letter, now, signature, status);
    fflush(stdout);
    return status;
}

static bool listen_until_stopped(const struct arguments *a, const struct settings *s, struct err *e)
{
    enum { BODY_BYTES = 128 << 20 };
    int64_t status = 200;
    if (a->status && (!parse_int(str_of(a->status), &status) || status < 200 || status > 599))
        return err_set(e, ERR_INVALID, "--status must be 200 to 599");
    CLEANUP(signer_free)
    struct signer *signer = signer_new(a->secret_count ? a->secrets : s->webhook_secrets, e);
    if (!signer)
        return false;

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    struct listening l = { signer, (int)status, a->json };
    CLEANUP(inbox_stop)
    struct inbox *inbox =
        inbox_start(a->listen ? a->listen : "127.0.0.1:8099", BODY_BYTES, on_letter, &l, e);
    if (!inbox)
        return false;
    fprintf(stderr, "listening on port %d; %s\n", inbox_port(inbox),
            signer_is_empty(signer) ? "signatures are not checked: no secret was given"
                                    : "signatures are checked");
    int ignored;
    sigwait(&ends, &ignored);
    return true;
}

/* ---- the command ---- */

static int wrong_usage(void)
{
    fprintf(stderr, "usage: evalx webhooks list | show ID | replay ID... | secret | listen\n");
    return 2;
}

static bool do_command(const struct ask_server *server, const struct arguments *a,
                       const struct settings *s, bool *ret_known, struct err *e)
{
    const char *name = a->count ? a->names[0] : "";
    *ret_known = true;
    if (strcmp(name, "list") == 0 && a->count == 1)
        return list(server, a, e);
    if (strcmp(name, "show") == 0 && a->count == 2)
        return show(server, a, e);
    if (strcmp(name, "replay") == 0 && a->count >= 2)
        return replay(server, a, e);
    if (strcmp(name, "listen") == 0 && a->count == 1)
        return listen_until_stopped(a, s, e);
    if (strcmp(name, "secret") == 0 && a->count == 1) {
        char secret[SECRET_TEXT];
        secret_new(secret);
        puts(secret);
        return true;
    }
    *ret_known = false;
    return false;
}

int command_webhooks(int argc, char **argv)
{
    struct err e;
    struct ask_server server;
    struct arguments a = { 0 };
    CLEANUP(settings_done) struct settings s = { 0 };
    if (!settings_load(&s, NULL, &e) || !ask_server_options(&server, &s, &argc, argv, &e) ||
        !read_arguments(argc, argv, &a, &e)) {
        fprintf(stderr, "evalx: webhooks: %s\n", e.text);
        return 2;
    }
    bool known;
    if (do_command(&server, &a, &s, &known, &e))
        return 0;
    if (!known)
        return wrong_usage();
    fprintf(stderr, "evalx: webhooks: %s\n", e.text);
    return 1;
}
