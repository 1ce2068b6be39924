/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { START_SECONDS = 60 };

static bool find_bin(char *out, size_t size)
{
    glob_t found;
    bool ok = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;
    if (ok && size)
        snprintf(out, size, "%.*s",
                 (int)(strrchr(found.gl_pathv[found.gl_pathc - 1], '/') -
                       found.gl_pathv[found.gl_pathc - 1]),
                 found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return ok;
}

bool postgres_is_here(void)
{
    return find_bin(NULL, 0) && (geteuid() != 0 || getpwnam("postgres"));
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int flag,
                      UNUSED struct FTW *ftw)
{
    return remove(path);
}

static void remove_folder(const struct postgres *p)
{
    if (*p->folder)
        nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

NORETURN static void give_up(struct postgres *p, const char *what)
{
    char path[80], text[4096];
    fprintf(stderr, "postgres: %s\n", what);
    snprintf(path, sizeof path, "%s/log", p->folder);
    FILE *log = fopen(path, "re");
    for (size_t n; log && (n = fread(text, 1, sizeof text, log)) > 0;)
        fwrite(text, 1, n, stderr);
    if (p->pid > 0)
        kill(p->pid, SIGQUIT);
    remove_folder(p);
    abort();
}

/* In a child: become who may run it, die with the test, write to its log. */
static void become(const struct postgres *p)
{
    pid_t parent = getppid();
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
        _exit(126);
    if (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != parent)
        _exit(126);
    if (chdir(p->folder) != 0)
        _exit(126);
    struct rlimit most = { 0 };
    if (p->file_bytes &&
        (getrlimit(RLIMIT_FSIZE, &most) != 0 ||
         (most.rlim_cur = (rlim_t)p->file_bytes, setrlimit(RLIMIT_FSIZE, &most) != 0)))
        _exit(126);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
}

static pid_t spawn(const struct postgres *p, char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        become(p);
        execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static int wait_end(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static void make_folder(struct postgres *p)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/evalx-postgres-XXXXXX");
    if (!mkdtemp(p->folder))
        give_up(p, "no folder in /tmp");
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && chown(p->folder, pw->pw_uid, pw->pw_gid) != 0)
        give_up(p, "chown");
}

void postgres_start(struct postgres *p)
{
    char initdb[240];
    if (!find_bin(p->bin, sizeof p->bin))
        give_up(p, "not installed");
    make_folder(p);
    snprintf(initdb, sizeof initdb, "%s/initdb", p->bin);
    char *argv[] = { initdb,
                     (char[]){ "-D" },
                     (char[]){ "data" },
                     (char[]){ "-U" },
                     (char[]){ "postgres" },
                     (char[]){ "-A" },
                     (char[]){ "trust" },
                     (char[]){ "-E" },
                     (char[]){ "UTF8" },
                     (char[]){ "--locale=C" },
                     (char[]){ "-N" }, /* no fsync: the machine outlives the test */
                     NULL };
    if (wait_end(spawn(p, argv)) != 0)
        give_up(p, "initdb failed");
    postgres_go_on(p);
}

void postgres_go_on(struct postgres *p)
{
    char program[240], folder[80];
    snprintf(program, sizeof program, "%s/postgres", p->bin);
    snprintf(folder, sizeof folder, "%s", p->folder);
    char *argv[] = { program,
                     (char[]){ "-D" },
                     (char[]){ "data" },
                     (char[]){ "-k" },
                     folder,
                     (char[]){ "-h" },
                     (char[]){ "" },
                     (char[]){ "-F" },
                     (char[]){ "-N" },
                     (char[]){ "50" },
                     NULL };
    p->pid = spawn(p, argv);
    char url[400];
    snprintf(url, sizeof url, "%s", postgres_url(p, "public"));
    int64_t deadline = mono_us() + START_SECONDS * US_PER_S;
    while (PQping(url) != PQPING_OK) {
        if (mono_us() > deadline || waitpid(p->pid, NULL, WNOHANG) != 0)
            give_up(p, "it does not come up");
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
}

void postgres_stop(struct postgres *p, int signal_number)
{
    if (p->pid <= 0)
        return;
    kill(p->pid, signal_number);
    wait_end(p->pid);
    p->pid = 0;
}

void postgres_done(struct postgres *p)
{
    postgres_stop(p, SIGQUIT);
    remove_folder(p);
    *p = (struct postgres){ 0 };
}

static struct postgres shared;

static void end_shared(void)
{
    postgres_done(&shared);
}

struct postgres *postgres_shared(void)
{
    if (!*shared.folder) {
        postgres_start(&shared);
        atexit(end_shared);
    }
    return &shared;
}

const char *postgres_url(struct postgres *p, const char *schema)
{
    snprintf(p->url, sizeof p->url,
             "postgres://postgres@/postgres?host=%s&options=-csearch_path%%3D%s", p->folder,
             schema);
    return p->url;
}

const char *postgres_new_url(struct postgres *p)
{
    char name[32], sql[80];
    snprintf(name, sizeof name, "world%d", p->schemas++);
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", name);
    postgres_sql(p, sql);
    return postgres_url(p, name);
}

static void run_sql(struct postgres *p, const char *sql, char *out, size_t size)
{
    char url[400];
    snprintf(url, sizeof url, "postgres://postgres@/postgres?host=%s", p->folder);
    PGconn *c = PQconnectdb(url);
    PGresult *r = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        give_up(p, PQerrorMessage(c));
    if (out)
        snprintf(out, size, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(c);
}

void postgres_sql(struct postgres *p, const char *sql)
{
    run_sql(p, sql, NULL, 0);
}

void postgres_ask(struct postgres *p, const char *sql, char *out, size_t size)
{
    run_sql(p, sql, out, size);
}
