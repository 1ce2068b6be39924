/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each command writes into a memory file of its own: nothing can fill up, nothing has to be read
 * while others run, and the wait is one poll over pidfds.
 */
#include "lang/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"

enum { OUTPUT_BYTES = 64 * 1024 };

struct probe {
    pid_t pid; /* 0: not started, or reaped */
    int pidfd, out;
    bool answered; /* it ended by itself with success */
};

/* The tools see a plain environment, as they do in the box. */
static char *const environment[] = {
    (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    (char[]){ "HOME=/tmp" },
    (char[]){ "LC_ALL=C" },
    NULL,
};

static bool executable(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool spawn(struct probe *p, const char *const *argv, struct err *e)
{
    if (!executable(argv[0]))
        return true;
    p->out = memfd_create("probe", MFD_CLOEXEC);
    if (p->out < 0)
        return err_sys(e, "memfd_create");

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attr) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
          posix_spawn_file_actions_adddup2(&actions, p->out, 1) == 0 &&
          posix_spawn_file_actions_adddup2(&actions, p->out, 2) == 0 &&
          posix_spawnattr_setsigmask(&attr, &none) == 0 &&
          posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK) == 0);
    int why =
        posix_spawn(&p->pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (why == ENOEXEC || why == ENOENT || why == EACCES) {
        p->pid = 0;
        return true;
    }
    if (why != 0) {
        p->pid = 0;
        return err_sysno(e, why, "start %s", argv[0]);
    }
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    return true;
}

/* Collect those that ended; true while some run on. */
static bool reap(struct probe *probes, size_t count, bool kill_them)
{
    bool running = false;
    for (size_t i = 0; i < count; i++) {
        struct probe *p = &probes[i];
        int status;
        if (p->pid <= 0)
            continue;
        if (kill_them)
            kill(p->pid, SIGKILL);
        pid_t got = waitpid(p->pid, &status, kill_them ? 0 : WNOHANG);
        if (got == 0 || (got < 0 && errno == EINTR)) {
            running = true;
            continue;
        }
        p->answered = got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && !kill_them;
        p->pid = 0;
    }
    return running;
}

/* One probe that has not ended yet tells when to look again; without pidfds a short nap does. */
static void wait_some(const struct probe *probes, size_t count, int64_t left_us)
{
    for (size_t i = 0; i < count; i++) {
        if (probes[i].pid <= 0)
            continue;
        struct pollfd one = { probes[i].pidfd, POLLIN, 0 };
        int ms = probes[i].pidfd >= 0 ? (int)(left_us / US_PER_MS) + 1 : 5;
        (void)poll(&one, 1, ms);
        return;
    }
}

static void collect(struct probe *probes, size_t count, int64_t wait_us)
{
    int64_t deadline = mono_us() + wait_us;
    while (reap(probes, count, false)) {
        int64_t left = deadline - mono_us();
        if (left <= 0)
            break;
        wait_some(probes, count, left);
    }
    while (reap(probes, count, true))
        continue;
}

static bool read_output(const struct probe *p, struct buf *out)
{
    char *at = buf_reserve(out, OUTPUT_BYTES);
    ssize_t got = pread(p->out, at, OUTPUT_BYTES, 0);
    if (got <= 0)
        return false;
    out->len += (size_t)got;
    out->ptr[out->len] = '\0';
    return true;
}

/* The version in text, or NULL. */
static const char *match(const char *pattern, const char *text, struct arena *arena)
{
    regex_t compiled;
    regmatch_t groups[2];
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
        return NULL;
    const char *version = NULL;
    if (regexec(&compiled, text, COUNT_OF(groups), groups, 0) == 0 && groups[1].rm_so >= 0)
        version = arena_printf(arena, "%.*s", (int)(groups[1].rm_eo - groups[1].rm_so),
                               text + groups[1].rm_so);
    regfree(&compiled);
    return version;
}

/* A step whose program is an absolute path needs it; "./a.out" comes from the build. */
static bool step_ready(const struct command *c)
{
    return !c->argv || c->argv[0][0] != '/' || executable(c->argv[0]);
}

/* The whole answer goes in: Debian's revision of a compiler may change what it makes. */
static const char *toolchain_hash(struct str source, struct str answer, struct arena *arena)
{
    char text[HASH_TEXT];
    struct hash *h = hash_new();
    hash_add(h, source);
    hash_add(h, answer);
    hash_finish(h, text);
    return arena_text(arena, text);
}

static void conclude(struct language_file *file, struct str source, const struct probe *p,
                     struct arena *arena)
{
    CLEANUP(buf_done) struct buf answer = { 0 };
    struct err ignored = { 0 };
    struct language *l = &file->language;
    bool known = file->probe.file
                     ? file_read(AT_FDCWD, file->probe.file, OUTPUT_BYTES, &answer, &ignored)
                     : p->answered && read_output(p, &answer);
    if (known)
        l->version = match(file->probe.pattern, buf_str(&answer).ptr, arena);
    l->offered = l->version && step_ready(&l->build) && step_ready(&l->run);
    l->toolchain = toolchain_hash(source, buf_str(&answer), arena);
}

bool probe_all(struct language_file *files, const struct str *sources, size_t count,
               int64_t wait_us, struct arena *arena, struct err *e)
{
    CLEANUP(arena_done) struct arena scratch = { 0 };
    struct probe *probes = arena_array(&scratch, count + 1, sizeof *probes);
    bool started = true;
    for (size_t i = 0; i < count; i++)
        probes[i] = (struct probe){ .pidfd = -1, .out = -1 };
    for (size_t i = 0; i < count && started; i++)
        if (files[i].probe.argv)
            started = spawn(&probes[i], files[i].probe.argv, e);
    collect(probes, count, wait_us);
    for (size_t i = 0; i < count; i++) {
        if (started)
            conclude(&files[i], sources[i], &probes[i], arena);
        fd_close(probes[i].pidfd);
        fd_close(probes[i].out);
    }
    return started;
}
