/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcyaml says what is wrong through its log callback only: one line with the reason, then a
 * backtrace whose first entry names the key and the line. Both are picked up here.
 */
#include "lang/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

/* ---- libcyaml's complaints ---- */

struct complaint {
    char reason[160]; /* "Unexpected key: nme" */
    char place[120];  /* "mapping field 'judge0' (line: 3, column: 1)" */
    bool backtrace;   /* what follows are places, the innermost first */
};

/* Trim what the library puts around its sentences. */
static void keep_line(char *out, size_t size, const char *line)
{
    static const char *const noise[] = { "Load: ", "libyaml: ", "  in " };
    for (size_t i = 0; i < COUNT_OF(noise); i++)
        if (strncmp(line, noise[i], strlen(noise[i])) == 0)
            line += strlen(noise[i]);
    while (*line == ' ')
        line++;
    if (strncmp(line, "in ", 3) == 0)
        line += 3;
    snprintf(out, size, "%s", line);
    out[strcspn(out, "\n")] = '\0';
}

PRINTF(3, 0)
static void on_log(UNUSED cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    struct complaint *c = ctx;
    char line[256];
    vsnprintf(line, sizeof line, fmt, args);
    if (strstr(line, "Backtrace"))
        c->backtrace = true;
    else if (!c->backtrace && !c->reason[0])
        keep_line(c->reason, sizeof c->reason, line);
    else if (c->backtrace && !c->place[0])
        keep_line(c->place, sizeof c->place, line);
}

static cyaml_config_t config(struct complaint *c)
{
    return (cyaml_config_t){
        .log_fn = on_log,
        .log_ctx = c,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS, /* no bombs of references */
    };
}

void *yaml_read(const char *name, struct str bytes, size_t most, const cyaml_schema_value_t *schema,
                struct err *e)
{
    struct complaint complaint = { 0 };
    cyaml_config_t c = config(&complaint);
    if (bytes.len > most) {
        err_invalid(e, "", "%s: more than %zu bytes", name, most);
        return NULL;
    }
    cyaml_data_t *loaded = NULL;
    cyaml_err_t why =
        cyaml_load_data((const uint8_t *)bytes.ptr, bytes.len, &c, schema, &loaded, NULL);
    if (why != CYAML_OK) {
        err_invalid(e, "", "%s: %s%s%s", name,
                    complaint.reason[0] ? complaint.reason : cyaml_strerror(why),
                    complaint.place[0] ? ", in " : "", complaint.place);
        return NULL;
    }
    if (!loaded)
        err_invalid(e, "", "%s: is empty", name);
    return loaded;
}

void yaml_release(const cyaml_schema_value_t *schema, void *loaded)
{
    struct complaint complaint = { 0 };
    cyaml_config_t c = config(&complaint);
    (void)cyaml_free(&c, schema, loaded, 0);
}

/* ---- where the files lie ---- */

bool yaml_is_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int only_yaml(const struct dirent *entry)
{
    return yaml_is_name(entry->d_name);
}

static bool each_file(int dir, const char *name, size_t most, yaml_file_fn fn, void *arg,
                      struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    return file_read(dir, name, most, &bytes, e) && fn(arg, name, buf_str(&bytes), e);
}

bool yaml_each(const char *folder, size_t most, yaml_file_fn fn, void *arg, struct err *e)
{
    CLEANUP(fd_close) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent **names;
    int count = dir < 0 ? -1 : scandirat(dir, ".", &names, only_yaml, by_name);
    if (count < 0) {
        err_sys(e, "open %s", folder);
        if (e->sys == ENOENT || e->sys == ENOTDIR)
            e->kind = ERR_NOT_FOUND;
        return false;
    }
    bool fine = true;
    for (int i = 0; i < count; i++) {
        fine = fine && each_file(dir, names[i]->d_name, most, fn, arg, e);
        free(names[i]);
    }
    free(names);
    if (fine && count == 0)
        return err_set(e, ERR_NOT_FOUND, "%s holds no *.yaml", folder);
    return fine;
}

static bool has_yaml(const char *folder)
{
    DIR *dir = opendir(folder);
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = yaml_is_name(entry->d_name);
    if (dir)
        closedir(dir);
    return found;
}

const char *data_folder(const char *kind, struct arena *arena)
{
    static const char *const near_program[] = { "../share/evalx", ".", "..", "../..", "../../.." };
    static const char *const installed[] = { "/usr/local/share/evalx", "/usr/share/evalx" };
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = len > 0 ? (program[len] = '\0', strrchr(program, '/')) : NULL;
    for (size_t i = 0; slash && i < COUNT_OF(near_program); i++) {
        const char *folder = arena_printf(arena, "%.*s/%s/%s", (int)(slash - program), program,
                                          near_program[i], kind);
        if (has_yaml(folder))
            return folder;
    }
    for (size_t i = 0; i < COUNT_OF(installed); i++) {
        const char *folder = arena_printf(arena, "%s/%s", installed[i], kind);
        if (has_yaml(folder))
            return folder;
    }
    return NULL;
}
