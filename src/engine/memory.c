/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

enum { PATH_BYTES = 1024, FILE_BYTES_MOST = 65536 };
static const int64_t fallback_bytes = INT64_C(1) << 30;
static const int64_t reserve_most_bytes = INT64_C(1) << 30;

static bool read_text(const char *path, struct buf *text)
{
    struct err ignored;
    return file_read(AT_FDCWD, path, FILE_BYTES_MOST, text, &ignored);
}

/* MemTotal of /proc/meminfo, in kB there. */
static int64_t machine_bytes(const char *root)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char path[PATH_BYTES];
    long long kb = 0;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (!read_text(path, &text) || sscanf(text.ptr, "MemTotal: %lld kB", &kb) != 1 || kb <= 0)
        return fallback_bytes;
    return (int64_t)kb * 1024;
}

/* The number in a limit file; INT64_MAX: "max", absent, or so large that it means none. */
static int64_t limit_in(const char *folder, const char *name)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char path[PATH_BYTES + 32];
    long long bytes = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!read_text(path, &text) || sscanf(text.ptr, "%lld", &bytes) != 1 || bytes <= 0)
        return INT64_MAX;
    return (int64_t)bytes;
}

/* The least limit of a group and those above it, as far as they can be seen from in here. */
static int64_t least_limit(const char *mount, const char *group, const char *name)
{
    char folder[PATH_BYTES];
    size_t top = strlen(mount);
    int64_t least = INT64_MAX;
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder)
        return least;
    for (;;) {
        int64_t limit = limit_in(folder, name);
        least = MIN(least, limit);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= top || !slash)
            return least;
        *slash = '\0';
    }
}

/* Lines are "0::/path" (v2) and "4:memory:/path", "7:cpu,memory:/path" (v1). */
static int64_t limit_of_line(const char *root, char *line)
{
    char mount[PATH_BYTES];
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return INT64_MAX;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return least_limit(mount, group, "memory.max");
    }
    if (!strstr(controllers, "memory"))
        return INT64_MAX;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
    return least_limit(mount, group, "memory.limit_in_bytes");
}

static int64_t group_bytes(const char *root)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char path[PATH_BYTES];
    int64_t least = INT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(path, &text))
        return least;
    for (char *line = text.ptr, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        int64_t limit = limit_of_line(root, line);
        least = MIN(least, limit);
    }
    return least;
}

int64_t memory_for_runs(const char *root)
{
    int64_t machine = machine_bytes(root), group = group_bytes(root), all = MIN(machine, group);
    return MAX(all - MIN(all / 8, reserve_most_bytes), INT64_C(1));
}
