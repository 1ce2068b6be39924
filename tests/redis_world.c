/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"

enum { START_SECONDS = 30 };

bool redis_is_here(void)
{
    return access("/usr/bin/redis-server", X_OK) == 0;
}

NORETURN static void give_up(const struct redis_server *s, const char *what)
{
    char path[80], text[4096];
    fprintf(stderr, "redis: %s\n", what);
    snprintf(path, sizeof path, "%s/log", s->folder);
    FILE *log = fopen(path, "re");
    for (size_t n; log && (n = fread(text, 1, sizeof text, log)) > 0;)
        fwrite(text, 1, n, stderr);
    abort();
}

static void nap(void)
{
    nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
}

/* ---- starting ---- */

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    CLEANUP(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        abort();
    return ntohs(a.sin_port);
}

/* In a child: die with the test, write to the log. */
static void become(const struct redis_server *s, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || chdir(s->folder) != 0)
        _exit(126);
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
}

static pid_t spawn(const struct redis_server *s, const char *program, char *const *argv)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(s, parent);
        execv(program, argv);
        _exit(127);
    }
    return pid;
}

/* A shell that removes the folder once nobody holds the other end: us, dead or done. */
static void start_janitor(struct redis_server *s)
{
    int ends[2];
    char folder[sizeof s->folder];
    memcpy(folder, s->folder, sizeof folder);
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
                     (char[]){ "read x; rm -rf \"$0\" || { sleep 1; rm -rf \"$0\"; }" }, folder,
                     NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up(s, "no pipe");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[0], 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    if (posix_spawn(&s->janitor, "/bin/sh", &files, &attributes, argv, NULL) != 0)
        give_up(s, "no shell");
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    fd_close(ends[0]);
    s->alive_fd = ends[1];
}

static void write_config(const struct redis_server *s)
{
    char path[80];
    snprintf(path, sizeof path, "%s/conf", s->folder);
    FILE *f = fopen(path, "we");
    if (!f)
        give_up(s, "no configuration");
    fprintf(f, "unixsocket %s/socket\nunixsocketperm 700\nport %d\nbind 127.0.0.1\n", s->folder,
            s->port);
    fprintf(f, "protected-mode no\ndir %s\n", s->folder);
    if (!strstr(s->program, "sentinel"))
        fprintf(f, "save \"\"\nappendonly yes\nappendfsync everysec\nenable-debug-command yes\n"
                   "repl-diskless-sync-delay 0\n");
    if (s->bus)
        fprintf(f, "cluster-enabled yes\ncluster-node-timeout 1500\ncluster-port %d\n", s->bus);
    fprintf(f, "%s", s->more); /* of two settings the last one counts */
    fclose(f);
}

void redis_server_start(struct redis_server *s, const char *more)
{
    snprintf(s->folder, sizeof s->folder, "/tmp/evalx-redis-XXXXXX");
    if (!mkdtemp(s->folder))
        give_up(s, "no folder in /tmp");
    start_janitor(s);
    if (!s->program)
        s->program = "/usr/bin/redis-server";
    snprintf(s->more, sizeof s->more, "%s", more ? more : "");
    if (s->port < 0)
        s->port = free_port();
    if (s->port)
        snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d", s->port);
    else
        snprintf(s->url, sizeof s->url, "unix://%s/socket", s->folder);
    write_config(s);
    redis_server_go_on(s);
}

static redisContext *connect_to(const struct redis_server *s)
{
    char path[80];
    snprintf(path, sizeof path, "%s/socket", s->folder);
    redisContext *c = redisConnectUnix(path);
    if (c && c->err == 0)
        return c;
    redisFree(c);
    return NULL;
}

/* It listens, whatever it answers: it may be loading, or want a password. */
static bool answers(const struct redis_server *s)
{
    redisContext *c = connect_to(s);
    redisReply *reply = c ? redisCommand(c, "PING") : NULL;
    bool ok = reply != NULL;
    if (reply)
        freeReplyObject(reply);
    if (c)
        redisFree(c);
    return ok;
}

void redis_server_go_on(struct redis_server *s)
{
    char config[80], program[64], sentinel[] = "--sentinel";
    snprintf(config, sizeof config, "%s/conf", s->folder);
    snprintf(program, sizeof program, "%s", s->program);
    char *argv[] = { program, config, strstr(program, "sentinel") ? sentinel : NULL, NULL };
    s->pid = spawn(s, s->program, argv);
    int64_t deadline = mono_us() + START_SECONDS * US_PER_S;
    while (!answers(s)) {
        if (mono_us() > deadline || waitpid(s->pid, NULL, WNOHANG) != 0)
            give_up(s, "it does not come up");
        nap();
    }
}

void redis_server_stop(struct redis_server *s, int signal_number)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, signal_number);
    if (signal_number == SIGSTOP || signal_number == SIGCONT)
        return;
    kill(s->pid, SIGCONT);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    s->pid = 0;
}

void redis_server_done(struct redis_server *s)
{
    redis_server_stop(s, SIGKILL);
    if (s->janitor > 0) {
        fd_close(s->alive_fd);
        while (waitpid(s->janitor, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    *s = (struct redis_server){ 0 };
}

static struct redis_server shared;

static void end_shared(void)
{
    redis_server_done(&shared);
}

struct redis_server *redis_shared(void)
{
    if (!*shared.folder) {
        redis_server_start(&shared, NULL);
        atexit(end_shared);
    }
    return &shared;
}

/* ---- saying ---- */

static void answer_text(const redisReply *r, char *out, size_t size)
{
    if (r->type == REDIS_REPLY_INTEGER)
        snprintf(out, size, "%lld", r->integer);
    else if (r->type == REDIS_REPLY_ARRAY && r->elements > 0)
        answer_text(r->element[r->elements - 1], out, size);
    else
        snprintf(out, size, "%s", r->str ? r->str : "");
}

/* NULL: it did not answer; what says why. */
static const char *try_say(struct redis_server *s, char *line, char what[128])
{
    static _Thread_local char text[8192];
    const char *words[64];
    int count = 0;
    for (char *rest = line, *word; (word = strsep(&rest, " ")) && count < 64;)
        if (*word)
            words[count++] = word;
    redisContext *c = connect_to(s);
    redisReply *reply = c ? redisCommandArgv(c, count, words, NULL) : NULL;
    snprintf(what, 128, "%s", c ? c->errstr : "it does not answer");
    if (reply) {
        answer_text(reply, text, sizeof text);
        freeReplyObject(reply);
    }
    if (c)
        redisFree(c);
    return reply ? text : NULL;
}

static const char *say(struct redis_server *s, char *line)
{
    char what[128];
    const char *text = try_say(s, line, what);
    if (!text)
        give_up(s, what);
    return text;
}

const char *redis_say(struct redis_server *s, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return say(s, line);
}

int64_t redis_say_int(struct redis_server *s, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return strtoll(say(s, line), NULL, 10);
}

void redis_say_until(struct redis_server *s, const char *text, const char *command)
{
    int64_t deadline = mono_us() + START_SECONDS * US_PER_S;
    for (;;) {
        char line[256], what[128];
        snprintf(line, sizeof line, "%s", command);
        const char *answer = try_say(s, line, what); /* a Sentinel may cut us off */
        if (answer && strstr(answer, text))
            return;
        if (mono_us() > deadline)
            give_up(s, text);
        nap();
    }
}

/* ---- Sentinel ---- */

void redis_sentinel_start(struct redis_sentinel *w)
{
    char more[400];
    w->primary.port = w->replica.port = w->sentinel.port = -1;
    redis_server_start(&w->primary, NULL);
    snprintf(more, sizeof more, "replicaof 127.0.0.1 %d\n", w->primary.port);
    redis_server_start(&w->replica, more);
    redis_say_until(&w->replica, "master_link_status:up", "INFO replication");
    redis_say_until(&w->primary, "state=online", "INFO replication");

    snprintf(more, sizeof more,
             "sentinel monitor jobs 127.0.0.1 %d 1\nsentinel down-after-milliseconds jobs 1000\n"
             "sentinel failover-timeout jobs 2000\n",
             w->primary.port);
    w->sentinel.program = "/usr/bin/redis-sentinel";
    redis_server_start(&w->sentinel, more);
    redis_say_until(&w->sentinel, "slaves=1", "INFO sentinel");
    snprintf(w->url, sizeof w->url, "redis+sentinel://127.0.0.1:%d/jobs", w->sentinel.port);
}

void redis_sentinel_fail_over(struct redis_sentinel *w)
{
    redis_server_stop(&w->primary, SIGKILL);
    redis_say_until(&w->replica, "role:master", "INFO replication");
}

void redis_sentinel_done(struct redis_sentinel *w)
{
    redis_server_done(&w->sentinel);
    redis_server_done(&w->replica);
    redis_server_done(&w->primary);
}

/* ---- cluster ---- */

static void join(struct redis_cluster *w)
{
    char places[CLUSTER_NODES][32];
    char *argv[CLUSTER_NODES + 8] = { (char[]){ "redis-cli" }, (char[]){ "--cluster" },
                                      (char[]){ "create" } };
    for (int i = 0; i < CLUSTER_NODES; i++) {
        snprintf(places[i], sizeof places[i], "127.0.0.1:%d", w->nodes[i].port);
        argv[3 + i] = places[i];
    }
    argv[3 + CLUSTER_NODES] = (char[]){ "--cluster-replicas" };
    argv[4 + CLUSTER_NODES] = (char[]){ "1" };
    argv[5 + CLUSTER_NODES] = (char[]){ "--cluster-yes" };
    pid_t pid = spawn(&w->nodes[0], "/usr/bin/redis-cli", argv);
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (status != 0)
        give_up(&w->nodes[0], "redis-cli --cluster create failed");
}

void redis_cluster_start(struct redis_cluster *w)
{
    for (int i = 0; i < CLUSTER_NODES; i++) {
        w->nodes[i].port = free_port();
        w->nodes[i].bus = free_port();
        redis_server_start(&w->nodes[i], NULL);
    }
    join(w);
    for (int i = 0; i < CLUSTER_NODES; i++)
        redis_say_until(&w->nodes[i], "cluster_state:ok", "CLUSTER INFO");
    for (int i = 3; i < CLUSTER_NODES; i++)
        redis_say_until(&w->nodes[i], "master_link_status:up", "INFO replication");
    snprintf(w->url, sizeof w->url, "redis+cluster://127.0.0.1:%d,127.0.0.1:%d", w->nodes[0].port,
             w->nodes[1].port);
}

int redis_cluster_owner(struct redis_cluster *w, int slot)
{
    int owner = -1;
    for (int i = 0; i < CLUSTER_NODES && owner < 0; i++) {
        redisContext *c = w->nodes[i].pid > 0 ? connect_to(&w->nodes[i]) : NULL;
        redisReply *map = c ? redisCommand(c, "CLUSTER SLOTS") : NULL;
        for (size_t range = 0; map && range < map->elements; range++) {
            redisReply *r = map->element[range];
            if (r->element[0]->integer > slot || r->element[1]->integer < slot)
                continue;
            for (int n = 0; n < CLUSTER_NODES; n++)
                if (w->nodes[n].port == r->element[2]->element[1]->integer)
                    owner = n;
        }
        if (map)
            freeReplyObject(map);
        if (c)
            redisFree(c);
    }
    return owner;
}

void redis_cluster_done(struct redis_cluster *w)
{
    for (int i = 0; i < CLUSTER_NODES; i++)
        redis_server_done(&w->nodes[i]);
}
