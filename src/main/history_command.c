/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx history - final submissions out of one database and into another, as lines of JSON. Either
 * side may be a server's SQLite file or the PostgreSQL of many servers, in use or not.
 *
 * Both ways may be broken off and begun again: nothing is there twice. An export is a picture taken
 * from the newest record back, so what ends meanwhile is not in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/commands.h"
#include "main/settings.h"
#include "store/history.h"
#include "store/history_sqlite.h"
#include "store/record_line.h"

enum {
    PAGE = 200,             /* records read at one time */
    BATCH = 200,            /* and written */
    BATCH_BYTES = 16 << 20, /* of lines */
    BAD_SAID = 20,          /* damaged ones named; the others are counted */
    PROGRESS_EACH = 10000,  /* records, when nobody watches */
};

static const int64_t patience_us = 600 * US_PER_S; /* of a page whose reader is slow */

/* One of the two: where records come from, or go to. */
struct database {
    struct history *postgres;
    struct history_sqlite *sqlite;
};

static void database_close(struct database *d)
{
    history_close(d->postgres);
    history_sqlite_close(d->sqlite);
}
CLEANUP_FOR_STRUCT(struct database, database_close)

static bool open_sqlite(struct database *d, const char *path, const struct settings *s,
                        struct err *e)
{
    d->sqlite = history_sqlite_open(path, s->retention_us, e);
    return d->sqlite != NULL;
}

static bool open_postgres(struct database *d, const char *url, const struct settings *s,
                          struct err *e)
{
    const struct history_config config = {
        .url = url,
        .connections = 1,
        .retention_us = s->retention_us,
        .timeout_us = patience_us,
        .restore = true,
    };
    d->postgres = history_postgres_open(&config, e);
    char detail[240];
    return d->postgres && d->postgres->ops->check(d->postgres, detail, sizeof detail, e);
}

/* url NULL: what the settings name. */
static bool database_open(struct database *d, const char *url, const struct settings *s,
                          struct err *e)
{
    char path[4096];
    if (!url && s->database_url)
        url = s->database_url;
    if (!url) {
        snprintf(path, sizeof path, "%s/evalx.db", s->data_dir);
        return open_sqlite(d, path, s, e);
    }
    if (strncmp(url, "postgres", 8) == 0)
        return open_postgres(d, url, s, e);
    if (strncmp(url, "sqlite:", 7) != 0)
        return err_set(e, ERR_INVALID,
                       "a database is postgres://... or sqlite:///path/to/evalx.db, not %s", url);
    url += 7;
    return open_sqlite(d, strncmp(url, "//", 2) == 0 ? url + 2 : url, s, e);
}

/* ---- progress ---- */

struct progress {
    const char *verb; /* "exported" */
    int64_t done, bad;
    int64_t next_us, next_count;
    bool watched;
};

static void progress_init(struct progress *p, const char *verb)
{
    *p = (struct progress){ .verb = verb, .next_count = PROGRESS_EACH };
    p->watched = isatty(STDERR_FILENO);
}

static void progress_step(struct progress *p)
{
    if (p->watched && mono_us() >= p->next_us) {
        p->next_us = mono_us() + US_PER_S / 5;
        fprintf(stderr, "\r%lld %s ", (long long)p->done, p->verb);
    } else if (!p->watched && p->done >= p->next_count) {
        p->next_count += PROGRESS_EACH;
        fprintf(stderr, "evalx: %lld %s\n", (long long)p->done, p->verb);
    }
}

static void progress_clear(const struct progress *p)
{
    if (p->watched)
        fputs("\r\033[K", stderr);
}

static void progress_bad(struct progress *p, const char *what, long long where, const struct err *e)
{
    if (++p->bad > BAD_SAID)
        return;
    progress_clear(p);
    fprintf(stderr, "evalx: %s %lld: %s\n", what, where, e->text);
}

/* The exit status. */
static int progress_end(const struct progress *p, const struct err *e)
{
    progress_clear(p);
    if (p->bad > BAD_SAID)
        fprintf(stderr, "evalx: and %lld more\n", (long long)(p->bad - BAD_SAID));
    if (e)
        fprintf(stderr, "evalx: %s\n", e->text);
    fprintf(stderr, "evalx: %lld %s", (long long)p->done, p->verb);
    if (p->bad)
        fprintf(stderr, ", %lld damaged", (long long)p->bad);
    fputs(e ? " before that; it may be begun again\n" : "\n", stderr);
    return e || p->bad ? 1 : 0;
}

/* ---- export ---- */

struct export
{
    FILE *out;
    struct buf line;
    struct progress progress;
    int64_t last_seq;
    int count; /* of this page */
    int sys;   /* out failed */
};

static void write_record(void *arg, struct record *r, int64_t seq)
{
    struct export *x = arg;
    x->last_seq = seq;
    x->count++;
    if (x->sys || !r->job || !r->result || r->job->forget)
        return;
    buf_reset(&x->line);
    record_to_line(r, &x->line);
    if (fwrite(x->line.ptr, 1, x->line.len, x->out) != x->line.len) {
        x->sys = errno;
        return;
    }
    x->progress.done++;
    progress_step(&x->progress);
}

static void note_unreadable(void *arg, const struct err *e, int64_t seq)
{
    struct export *x = arg;
    x->last_seq = seq;
    x->count++;
    progress_bad(&x->progress, "record", seq, e);
}

static bool read_page(const struct database *d, struct export *x, struct err *e)
{
    if (d->sqlite)
        return history_sqlite_list(d->sqlite, x->last_seq, PAGE, write_record, note_unreadable, x,
                                   e);
    CHECK(d->postgres);
    const struct store_filter f = { .before_seq = x->last_seq, .limit = PAGE };
    return d->postgres->ops->list(d->postgres, &f, NULL, RECORD_JOB | RECORD_RESULT, write_record,
                                  x, NULL, e);
}

static bool export_all(const struct database *d, struct export *x, struct err *e)
{
    do {
        x->count = 0;
        if (!read_page(d, x, e))
            return false;
        if (x->sys)
            return err_sysno(e, x->sys, "write");
    } while (x->count == PAGE);
    if (fflush(x->out) != 0 || (fsync(fileno(x->out)) != 0 && errno != EINVAL && errno != EROFS))
        return err_sys(e, "write");
    return true;
}

static int export_to(const struct database *d, FILE *out)
{
    struct export x = { .out = out };
    struct err e;
    progress_init(&x.progress, "exported");
    bool ok = export_all(d, &x, &e);
    buf_done(&x.line);
    return progress_end(&x.progress, ok ? NULL : &e);
}

/* Under another name until it is whole: half an export must not look like one. */
static int export_file(const struct database *d, const char *path)
{
    char part[4096];
    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part) {
        fprintf(stderr, "evalx: the name is too long\n");
        return 2;
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* it is all there is */
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        fprintf(stderr, "evalx: %s: %s\n", part, strerror(errno));
        return 1;
    }
    int status = export_to(d, out);
    bool closed = fclose(out) == 0;
    if (status == 0 && (!closed || rename(part, path) != 0)) {
        fprintf(stderr, "evalx: %s: %s\n", path, strerror(errno));
        status = 1;
    }
    return status;
}

/* ---- import ---- */

struct import {
    const struct database *to;
    struct record records[BATCH];
    long long lines[BATCH]; /* where they stood */
    size_t count, bytes;
    struct progress progress;
};

static bool put(const struct import *x, const struct record *records, size_t n, struct err *e)
{
    if (x->to->sqlite)
        return history_sqlite_put(x->to->sqlite, records, n, e);
    return x->to->postgres->ops->put(x->to->postgres, records, n, e);
}

/* One that cannot be kept is named, the others go in. */
static bool put_singly(struct import *x, struct err *e)
{
    for (size_t i = 0; i < x->count; i++) {
        if (put(x, &x->records[i], 1, e))
            x->progress.done++;
        else if (e->kind == ERR_INVALID)
            progress_bad(&x->progress, "line", x->lines[i], e);
        else
            return false;
    }
    return true;
}

static bool put_batch(struct import *x, struct err *e)
{
    bool ok = x->count == 0 || put(x, x->records, x->count, e);
    if (ok)
        x->progress.done += (int64_t)x->count;
    else if (e->kind == ERR_INVALID)
        ok = put_singly(x, e);
    for (size_t i = 0; i < x->count; i++)
        record_done(&x->records[i]);
    x->count = x->bytes = 0;
    progress_step(&x->progress);
    return ok;
}

static bool take_line(struct import *x, struct str line, long long number, struct err *e)
{
    struct err why;
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (line.len == 0)
        return true;
    if (!record_from_line(line, &x->records[x->count], &why)) {
        progress_bad(&x->progress, "line", number, &why);
        return true;
    }
    x->lines[x->count++] = number;
    x->bytes += line.len;
    return (x->count < BATCH && x->bytes < BATCH_BYTES) || put_batch(x, e);
}

static bool import_all(struct import *x, FILE *in, struct err *e)
{
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    ssize_t len;
    for (long long number = 1; ok && (len = getline(&line, &room, in)) > 0; number++)
        ok = take_line(x, (struct str){ line, (size_t)len }, number, e);
    free(line);
    if (ok && ferror(in))
        ok = err_sys(e, "read");
    if (ok)
        return put_batch(x, e);
    for (size_t i = 0; i < x->count; i++)
        record_done(&x->records[i]);
    return false;
}

static int import_from(const struct database *d, FILE *in)
{
    struct import *x = calloc(1, sizeof *x);
    CHECK(x);
    struct err e;
    x->to = d;
    progress_init(&x->progress, "imported");
    bool ok = import_all(x, in, &e);
    int status = progress_end(&x->progress, ok ? NULL : &e);
    free(x);
    return status;
}

static int import_file(const struct database *d, const char *path)
{
    FILE *in = fopen(path, "re");
    if (!in) {
        fprintf(stderr, "evalx: %s: %s\n", path, strerror(errno));
        return 1;
    }
    int status = import_from(d, in);
    fclose(in);
    return status;
}

/* ---- the command ---- */

void history_print_help(FILE *out)
{
    fputs(
        "  export [--from URL] [FILE]  every final submission, a line of JSON each; to standard\n"
        "                              output without FILE\n"
        "  import [--to URL] [FILE]    put such lines in; from standard input without FILE\n"
        "\n"
        "URL is postgres://user:password@host/database or sqlite:///path/to/evalx.db; without it\n"
        "EVALX_DATABASE_URL, else evalx.db in EVALX_DATA_DIR. Servers may go on meanwhile. Both\n"
        "may be repeated: nothing is there twice, and no webhook is sent again.\n",
        out);
}

struct words {
    bool import;
    const char *url, *file;
};

static bool read_words(int argc, char **argv, struct words *w)
{
    if (argc < 1)
        return false;
    w->import = strcmp(argv[0], "import") == 0;
    if (!w->import && strcmp(argv[0], "export") != 0)
        return false;
    const char *option = w->import ? "--to" : "--from";
    size_t len = strlen(option);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], option) == 0 && i + 1 < argc)
            w->url = argv[++i];
        else if (strncmp(argv[i], option, len) == 0 && argv[i][len] == '=')
            w->url = argv[i] + len + 1;
        else if ((argv[i][0] != '-' || argv[i][1] == '\0') && !w->file)
            w->file = argv[i];
        else
            return false;
    }
    if (w->file && strcmp(w->file, "-") == 0)
        w->file = NULL;
    return true;
}

static int run(const struct words *w, const struct database *d)
{
    if (w->import)
        return w->file ? import_file(d, w->file) : import_from(d, stdin);
    return w->file ? export_file(d, w->file) : export_to(d, stdout);
}

int command_history(int argc, char **argv)
{
    struct words words = { 0 };
    struct err e;
    if (!read_words(argc, argv, &words)) {
        fputs("usage: evalx history export|import ...\n\n", stderr);
        history_print_help(stderr);
        return 2;
    }
    CLEANUP(settings_done) struct settings settings = { 0 };
    CLEANUP(database_close) struct database database = { 0 };
    if (!settings_load(&settings, NULL, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 2;
    }
    if (!database_open(&database, words.url, &settings, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        return 1;
    }
    return run(&words, &database);
}
