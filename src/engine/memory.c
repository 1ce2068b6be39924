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

static int64_t memory_v1(const char *folder)
{
    return limit_in(folder, "memory.limit_in_bytes");
}

static int64_t memory_v2(const char *folder)
{
    return limit_in(folder, "memory.max");
}

/* Whole cores for that much time in a period: a part of one is one. */
static int64_t whole_cores(int64_t quota, int64_t period)
{
    return quota == INT64_MAX || period == INT64_MAX ? INT64_MAX : (quota - 1) / period + 1;
}

static int64_t cores_v1(const char *folder)
{
    return whole_cores(limit_in(folder, "cpu.cfs_quota_us"), limit_in(folder, "cpu.cfs_period_us"));
}

static int64_t cores_v2(const char *folder)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char path[PATH_BYTES + 32];
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_text(path, &text) || sscanf(text.ptr, "%lld %lld", &quota, &period) != 2 ||
        quota <= 0 || period <= 0)
        return INT64_MAX;
    return whole_cores((int64_t)quota, (int64_t)period);
}

/* What a group may have of something; INT64_MAX: no limit. */
struct share {
    const char *controller; /* of v1 */
    int64_t (*v1)(const char *folder), (*v2)(const char *folder);
};

static const struct share memory_share = { "memory", memory_v1, memory_v2 };
static const struct share cores_share = { "cpu", cores_v1, cores_v2 };

/* The least limit of a group and those above it, as far as they can be seen from in here. */
static int64_t least_limit(const char *mount, const char *group, int64_t (*limit)(const char *))
{
    char folder[PATH_BYTES];
    size_t top = strlen(mount);
    int64_t least = INT64_MAX;
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder)
        return least;
    for (;;) {
        int64_t one = limit(folder);
        least = MIN(least, one);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= top || !slash)
            return least;
        *slash = '\0';
    }
}

/* True when the comma-separated list has the word. */
static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, word, len) == 0 && (at[len] == '\0' || at[len] == ','))
            return true;
    return false;
}

/* Lines are "0::/path" (v2) and "4:memory:/path", "7:cpu,cpuacct:/path" (v1). */
static int64_t limit_of_line(const char *root, char *line, const struct share *share)
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
        return least_limit(mount, group, share->v2);
    }
    if (!list_has(controllers, share->controller))
        return INT64_MAX;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
    return least_limit(mount, group, share->v1);
}

static int64_t group_limit(const char *root, const struct share *share)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char path[PATH_BYTES];
    int64_t least = INT64_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(path, &text))
        return least;
    for (char *line = text.ptr, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        int64_t limit = limit_of_line(root, line, share);
        least = MIN(least, limit);
    }
    return least;
}

/* Runs live in there, not in our own group. */
static int64_t delegated_limit(const char *root, const char *delegated, const struct share *share)
{
    char v1[PATH_BYTES], v2[PATH_BYTES];
    if (!delegated)
        return INT64_MAX;
    snprintf(v1, sizeof v1, "%s%s/%s", root, delegated, share->controller);
    snprintf(v2, sizeof v2, "%s%s", root, delegated);
    int64_t old = share->v1(v1), unified = share->v2(v2);
    return MIN(old, unified);
}

static int64_t least_share(const char *root, const char *delegated, const struct share *share)
{
    int64_t own = group_limit(root, share), theirs = delegated_limit(root, delegated, share);
    return MIN(own, theirs);
}

int64_t memory_for_runs(const char *root, const char *delegated)
{
    int64_t machine = machine_bytes(root), group = least_share(root, delegated, &memory_share);
    int64_t all = MIN(machine, group);
    return MAX(all - MIN(all / 8, reserve_most_bytes), INT64_C(1));
}

int cores_for_runs(const char *root, const char *delegated, int cores)
{
    int64_t group = least_share(root, delegated, &cores_share);
    return (int)MAX(MIN(group, (int64_t)cores), INT64_C(1));
}
