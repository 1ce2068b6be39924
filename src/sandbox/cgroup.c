/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the hierarchies, naming the keeper's folder, sweeping those of dead keepers.
 *
 * A folder is called k<pid>-<start time>-<pid namespace>, so a later keeper can tell whether its
 * owner still lives; one of another pid namespace is not ours to judge. Sweeping only removes what
 * is empty: a dead keeper's lanes have died with it.
 */
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

const struct cgroup_ops *cgroup_ops_of(enum cgroup_version version)
{
    switch (version) {
    case CGROUPS_V1:
        return &cgroup_v1;
    case CGROUPS_V2:
        return &cgroup_v2;
    case CGROUPS_NONE:
        break;
    }
    return &cgroup_none;
}

/* True when the comma-separated list holds the word. */
static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = list; (p = strstr(p, word)) != NULL; p += len)
        if ((p == list || p[-1] == ',') && (p[len] == ',' || p[len] == '\0' || p[len] == '\n'))
            return true;
    return false;
}

bool cgroup_mount(const char *controller, char *ret, size_t size)
{
    CLEANUP(buf_done) struct buf mounts = { 0 };
    struct err e;
    if (!file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &e))
        return false;
    char *save = NULL;
    for (char *line = strtok_r(mounts.ptr, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char where[256], type[32], options[256];
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %*s %*s %255s", where) != 1 ||
            sscanf(tail, " - %31s %*s %255s", type, options) != 2)
            continue;
        bool found = controller[0] ? strcmp(type, "cgroup") == 0 && list_has(options, controller)
                                   : strcmp(type, "cgroup2") == 0;
        if (found) {
            snprintf(ret, size, "%s", where);
            return true;
        }
    }
    return false;
}

int64_t cgroup_read(int fd, const char *key)
{
    char text[1024];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    if (len <= 0)
        return -1;
    text[len] = '\0';
    const char *at = text;
    if (key) {
        size_t key_len = strlen(key);
        while (at && (strncmp(at, key, key_len) != 0 || at[key_len] != ' ')) {
            at = strchr(at, '\n');
            at = at ? at + 1 : NULL;
        }
        if (!at)
            return -1;
        at += key_len + 1;
    }
    char *end;
    long long value = strtoll(at, &end, 10);
    return end == at ? -1 : value;
}

bool cgroup_write(int fd, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, value);
    return pwrite(fd, text, (size_t)len, 0) == len;
}

bool cgroup_cores(const struct cgroup *g, const cpu_set_t *cores, struct err *e)
{
    CLEANUP(buf_done) struct buf list = { 0 };
    if (g->cores < 0)
        return true;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, cores))
            buf_addf(&list, "%s%zu", list.len > 0 ? "," : "", cpu);
    return pwrite(g->cores, list.ptr, list.len, 0) == (ssize_t)list.len ||
           err_sys(e, "set the cores of the cgroup");
}

int cgroup_file(int folder, const char *name, int flags, struct err *e)
{
    int fd = openat(folder, name, flags | O_CLOEXEC);
    if (fd < 0)
        err_sys(e, "open %s", name);
    return fd;
}

void cgroup_kill_listed(const char *folder)
{
    char path[CGROUP_PATH + 96];
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    CLEANUP(buf_done) struct buf list = { 0 };
    struct err e;
    if (!file_read(AT_FDCWD, path, 1 << 20, &list, &e) || list.len == 0)
        return;
    char *save = NULL;
    for (char *p = strtok_r(list.ptr, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
        int64_t pid;
        if (parse_int(str_of(p), &pid) && pid > 1)
            kill((pid_t)pid, SIGKILL);
    }
}

/* Field 22 of /proc/<pid>/stat: when the process started, in clock ticks since boot. */
static bool process_start(pid_t pid, unsigned long long *ret)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    if (!file_read(AT_FDCWD, path, 4096, &text, &e) || text.len == 0)
        return false;
    const char *behind_name = strrchr(text.ptr, ')');
    return behind_name && sscanf(behind_name,
                                 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                                 "%*d %*d %*d %*d %llu",
                                 ret) == 1;
}

static unsigned long pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
}

bool cgroup_remove(const char *folder)
{
    DIR *all = opendir(folder);
    if (!all)
        return errno == ENOENT;
    CLEANUP(buf_done) struct buf path = { 0 };
    for (struct dirent *d = readdir(all); d; d = readdir(all)) {
        if (d->d_type != DT_DIR || d->d_name[0] == '.')
            continue;
        buf_reset(&path);
        buf_addf(&path, "%s/%s", folder, d->d_name);
        cgroup_remove(path.ptr);
    }
    closedir(all);
    return rmdir(folder) == 0;
}

static void sweep(const char *parent)
{
    DIR *all = opendir(parent);
    if (!all)
        return;
    for (struct dirent *d = readdir(all); d; d = readdir(all)) {
        int pid;
        unsigned long long start, now;
        unsigned long ns;
        if (sscanf(d->d_name, "k%d-%llu-%lu", &pid, &start, &ns) != 3 || ns != pid_namespace())
            continue;
        if (process_start(pid, &now) && now == start)
            continue;
        char path[CGROUP_PATH + 256];
        snprintf(path, sizeof path, "%s/%s", parent, d->d_name);
        cgroup_remove(path);
    }
    closedir(all);
}

/* parent/evalx/k...: made for this keeper; path is extended by it. */
static bool make_own(char path[CGROUP_PATH], struct err *e)
{
    unsigned long long start = 0;
    if (!process_start(getpid(), &start))
        return err_set(e, ERR_SYSTEM, "/proc/self/stat cannot be read");
    sweep(path);
    size_t len = strlen(path);
    snprintf(path + len, CGROUP_PATH - len, "/k%d-%llu-%lu", (int)getpid(), start, pid_namespace());
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return err_sys(e, "create cgroup %s", path);
    return true;
}

static bool tree_open(enum cgroup_version version, const char *root, struct cgroup_tree *ret,
                      struct err *e)
{
    struct cgroup_tree t = { .version = version };
    if (!cgroup_ops_of(version)->find(&t, root, e))
        return false;
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (t.path[i][0] && !make_own(t.path[i], e)) {
            cgroup_tree_close(&t);
            return false;
        }
    }
    *ret = t;
    return true;
}

bool cgroup_tree_open(enum cgroup_want want, const char *root, struct cgroup_tree *ret,
                      struct err *e)
{
    struct err v1, v2;
    switch (want) {
    case CGROUP_V1:
        return tree_open(CGROUPS_V1, root, ret, e);
    case CGROUP_V2:
        return tree_open(CGROUPS_V2, root, ret, e);
    case CGROUP_NONE:
        return tree_open(CGROUPS_NONE, root, ret, e);
    case CGROUP_AUTO:
        break;
    }
    if (tree_open(CGROUPS_V1, root, ret, &v1) || tree_open(CGROUPS_V2, root, ret, &v2))
        return true;
    return err_set(e, ERR_SYSTEM, "none usable: v1: %.90s; v2: %.90s", v1.text, v2.text);
}

void cgroup_tree_close(const struct cgroup_tree *t)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (t->path[i][0])
            cgroup_remove(t->path[i]);
}
