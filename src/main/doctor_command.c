/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx doctor - is everything there that the server needs? Each finding with its cause and its
 * fix.
 */
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "main/commands.h"
#include "main/sandbox_side.h"

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
    bool weak = false, ok = check_sandbox(&s, &weak);
    ok = check_data(&s) && ok;
    if (!ok)
        puts("\nevalx serve refuses to run programs until every FAIL is mended.");
    else if (weak)
        puts("\nevalx serve will run programs, with less than it could give where it says weak.");
    else
        puts("\nAll good: evalx serve will run programs.");
    return ok ? 0 : 1;
}
