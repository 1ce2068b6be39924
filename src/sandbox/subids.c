/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users for the runs of an ordinary user's lanes.
 *
 * The kernel lets somebody who is not root map nobody but himself into a user namespace. Most
 * systems give every account a range of further ids (/etc/subuid, /etc/subgid: subuid(5)), which
 * two small set-uid programs, newuidmap(1) and newgidmap(1), map on his behalf. Where all of that
 * is there a run is a user of its own here, too.
 *
 * They do not work where the service may gain no privileges (systemd: NoNewPrivileges=), so they
 * are tried once before anything relies on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "sandbox/lane.h"

enum { TABLE_BYTES = 1 << 20 };

/* The next field of a line, up to a colon or its end. */
static struct str next_field(const char **at)
{
    size_t len = strcspn(*at, ":\n");
    struct str field = { *at, len };
    *at += len + ((*at)[len] == ':');
    return field;
}

/* "account:first:count": the first line of this user that has enough. */
static bool find_range(const char *table, int64_t least, uid_t *first, int64_t *count)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err ignored;
    char number[16];
    const struct passwd *me = getpwuid(geteuid());
    snprintf(number, sizeof number, "%u", geteuid());
    if (!file_read(AT_FDCWD, table, TABLE_BYTES, &text, &ignored) || text.len == 0)
        return false;
    for (const char *line = text.ptr; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *at = line;
        struct str who = next_field(&at), from = next_field(&at), how_many = next_field(&at);
        int64_t low, size;
        if (!(me && str_is(who, me->pw_name)) && !str_is(who, number))
            continue;
        if (!parse_int(from, &low) || !parse_int(how_many, &size) || low <= 0 || size < least ||
            low + size > INT32_MAX)
            continue;
        *first = (uid_t)low;
        *count = size;
        return true;
    }
    return false;
}

/* newuidmap PID inside outside count, twice: the lane's root is us, its users are of the range. */
static bool run_tool(const char *tool, pid_t pid, uid_t us, const struct lane_setup *s,
                     uid_t outside, struct err *e)
{
    char words[6][16];
    const uint32_t numbers[] = { (uint32_t)pid, us, s->first_uid, outside, (uint32_t)s->uid_count };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        snprintf(words[i], sizeof words[i], "%u", numbers[i]);
    char *const argv[] = { (char *)(uintptr_t)tool,
                           words[0],
                           (char[]){ "0" },
                           words[1],
                           (char[]){ "1" },
                           words[2],
                           words[3],
                           words[4],
                           NULL };
    static char *const env[] = { NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&how, &none);
    pid_t child;
    int status = 0, rc = posix_spawn(&child, tool, &files, &how, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    if (rc != 0)
        return err_sysno(e, rc, "start %s", tool);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 || err_set(e, ERR_SYSTEM, "%s refuses", tool);
}

bool subids_map(const struct subids *r, pid_t pid, const struct lane_setup *s, struct err *e)
{
    uid_t at = (uid_t)s->lane * SUBIDS_PER_LANE;
    return run_tool(SUBIDS_USERS, pid, geteuid(), s, r->users + at, e) &&
           run_tool(SUBIDS_GROUPS, pid, getegid(), s, r->groups + at, e);
}

bool subids_enough(const struct subids *r, int lane)
{
    return ((int64_t)lane + 1) * SUBIDS_PER_LANE <= r->count;
}

/* The tools on a namespace of nobody's. */
static bool tools_work(const struct subids *r)
{
    const struct lane_setup s = { .first_uid = 1, .uid_count = SUBIDS_PER_LANE };
    struct err ignored;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        for (;;)
            pause();
    if (pid < 0)
        return false;
    bool ok = subids_map(r, pid, &s, &ignored);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
    return ok;
}

void subids_find(struct subids *ret)
{
    struct subids r = { 0 };
    int64_t users, groups;
    *ret = r;
    if (access(SUBIDS_USERS, X_OK) != 0 || access(SUBIDS_GROUPS, X_OK) != 0 ||
        !find_range("/etc/subuid", SUBIDS_PER_LANE, &r.users, &users) ||
        !find_range("/etc/subgid", SUBIDS_PER_LANE, &r.groups, &groups))
        return;
    r.count = MIN(users, groups);
    if (tools_work(&r))
        *ret = r;
}
