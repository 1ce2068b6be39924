/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx doctor - is everything there that the server needs? Each finding with its cause and its
 * fix.
 */
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "drivers/redis.h"
#include "main/commands.h"
#include "main/sandbox_side.h"
#include "main/storage.h"
#include "store/history.h"

static void print_row(const char *mark, const char *name, const char *detail, const char *fix)
{
    printf("%-4s  %-22s %s\n", mark, name, detail);
    if (fix && fix[0])
        printf("      %-22s fix: %s\n", "", fix);
}

static void print_check(bool ok, const char *name, const char *detail, const char *fix)
{
    print_row(ok ? "ok" : "FAIL", name, detail, ok ? NULL : fix);
}

static bool check_languages(const struct catalogue *c)
{
    size_t offered = 0;
    for (size_t i = 0; i < catalogue_count(c); i++)
        offered += catalogue_at(c, i)->offered;
    char detail[120];
    snprintf(detail, sizeof detail, "%zu of %zu have their toolchain here", offered,
             catalogue_count(c));
    print_check(offered > 0, "languages", detail,
                "install a toolchain: apt-get install gcc g++ python3");
    return offered > 0;
}

static bool check_sandbox(const struct settings *s, bool *weak)
{
    struct err e;
    CLEANUP(sandbox_side_done) struct sandbox_side side = { 0 };
    if (!sandbox_side_start(&side, s, true, &e)) {
        print_check(false, "sandbox", e.text, "is evalx-box beside evalx, or named by EVALX_BOX?");
        return false;
    }
    bool ok = true;
    *weak = false;
    for (int i = 0; i < side.layer_count; i++) {
        const struct layer *l = &side.layers[i];
        *weak = *weak || (l->ok && l->weak);
        print_row(!l->ok ? "FAIL" : l->weak ? "weak" : "ok", l->name, l->detail, l->fix);
        ok = ok && l->ok;
    }
    return check_languages(side.catalogue) && ok;
}

static bool check_data(const struct settings *s)
{
    struct err e;
    CLEANUP(fd_close) int fd = dir_open(s->data_dir, 0700, &e);
    if (fd < 0) {
        print_check(false, "data folder", e.text, "set EVALX_DATA_DIR to a writable folder");
        return false;
    }
    struct statvfs fs;
    char detail[200];
    int64_t free_mib = 0;
    if (fstatvfs(fd, &fs) == 0)
        free_mib = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize / 1048576;
    bool ok = free_mib >= 512;
    snprintf(detail, sizeof detail, "%s, %lld MiB free", s->data_dir, (long long)free_mib);
    print_check(ok, "data folder", detail, "free some space: less than 512 MiB is left");
    return ok;
}

/* What must be there, and what works without it but less well. */
static bool print_health(const struct health_check *c, bool *weak)
{
    *weak = *weak || (!c->ok && c->minor);
    print_row(c->ok ? "ok" : c->minor ? "weak" : "FAIL", c->name, c->detail, c->fix);
    return c->ok || c->minor;
}

static bool check_redis(const struct settings *s, bool *weak)
{
    const struct redis_config config = { .url = s->redis_url, .timeout_us = 5 * US_PER_S };
    struct health_check c = { .name = "Redis" };
    struct err e;
    if (!s->redis_url)
        return true;
    CLEANUP(redis_close) struct redis *redis = redis_open(&config, &e);
    if (!redis) {
        print_check(false, c.name, e.text, "set EVALX_REDIS_URL to redis://host:6379");
        return false;
    }
    storage_check_redis(&(struct storage){ .redis = redis }, &c);
    return print_health(&c, weak);
}

static bool check_database(const struct settings *s, bool *weak)
{
    const struct history_config config = { .url = s->database_url, .connections = 1 };
    struct health_check c = { .name = "PostgreSQL", .minor = true };
    struct err e;
    if (!s->database_url)
        return true;
    CLEANUP(history_close) struct history *history = history_postgres_open(&config, &e);
    if (!history) {
        print_check(false, c.name, e.text,
                    "set EVALX_DATABASE_URL to postgres://user@host/database");
        return false;
    }
    c.ok = history->ops->check(history, c.detail, sizeof c.detail, &e);
    if (!c.ok) {
        snprintf(c.detail, sizeof c.detail, "%s", e.text);
        snprintf(c.fix, sizeof c.fix, "%s",
                 "look at the server EVALX_DATABASE_URL names; until then results stay in the "
                 "store");
    }
    return print_health(&c, weak);
}

/* An API runs nothing and keeps nothing here. */
static bool check_machine(const struct settings *s, bool *weak)
{
    bool ok = check_sandbox(s, weak);
    return check_data(s) && ok;
}

int command_doctor(int argc, char **argv)
{
    CLEANUP(settings_done) struct settings s = { 0 };
    struct err e;
    if (argc > 0) {
        fprintf(stderr, "evalx: doctor takes no arguments, not %s\n", argv[0]);
        return 2;
    }
    if (!settings_load(&s, NULL, &e)) {
        print_check(false, "settings", e.text, "see evalx config");
        return 1;
    }
    bool weak = false, ok = s.role == ROLE_API || check_machine(&s, &weak);
    ok = check_redis(&s, &weak) && ok;
    ok = check_database(&s, &weak) && ok;
    if (!ok)
        puts("\nevalx serve refuses to run programs until every FAIL is mended.");
    else if (weak)
        puts("\nevalx serve will do its work, with less than it could give where it says weak.");
    else if (s.role == ROLE_API)
        puts("\nAll good: evalx serve will take submissions.");
    else
        puts("\nAll good: evalx serve will run programs.");
    return ok ? 0 : 1;
}
