/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_cluster.h - several workers around one Redis: queues of this process, queues of processes
 * that can be killed or stopped, and a check that every id is in exactly one place.
 */
#ifndef EVALX_TESTS_QUEUE_CLUSTER_H
#define EVALX_TESTS_QUEUE_CLUSTER_H

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "../redis_world.h"
#include "../unit/test.h"
#include "base/clock.h"
#include "drivers/redis.h"
#include "queue/queue.h"
#include "redis/cluster.h"

#define Q "{q}:queue"

/* One process's end of the queue. */
struct end {
    struct redis *redis;
    struct queue *q;
};

static inline struct end end_open_at(const char *url, int64_t lease_us, int64_t (*now_us)(void))
{
    struct err e = { 0 };
    struct end end = { .redis = redis_open(&(struct redis_config){ .url = url }, &e) };
    MUST(end.redis);
    MUST(end.q = queue_redis_open(end.redis, "q", &(struct queue_config){ lease_us, now_us }, &e));
    return end;
}

static inline struct end end_open(int64_t lease_us, int64_t (*now_us)(void))
{
    return end_open_at(redis_shared()->url, lease_us, now_us);
}

static inline void end_close(struct end *end)
{
    queue_close(end->q);
    redis_close(end->redis);
    *end = (struct end){ 0 };
}
CLEANUP_FOR_STRUCT(struct end, end_close)

/* The clock of a test: stands still until the test moves it. */
static _Atomic int64_t test_now = 1000000;

UNUSED static int64_t test_clock(void)
{
    return atomic_load(&test_now);
}

UNUSED static void pass_time(int64_t us)
{
    atomic_fetch_add(&test_now, us);
}

static inline int start_empty(UNUSED void **state)
{
    redis_say(redis_shared(), "FLUSHALL");
    redis_say(redis_shared(), "CONFIG SET appendfsync always"); /* else a kill may lose answers */
    redis_say(redis_shared(), "CONFIG SET maxmemory 0");
    return 0;
}

/* ---- words ---- */

static inline void push(struct end *end, const char *id, int priority, int64_t delay_us)
{
    struct err e = { 0 };
    MUST(queue_push(end->q, &(struct queue_entry){ id, priority, NULL, delay_us }, &e));
}

static inline enum got pull_within(struct end *end, int64_t wait_us, struct ticket *ret)
{
    struct err e = { 0 };
    int count;
    enum got got = queue_pull(end->q, wait_us, ret, 1, &count, &e);
    if (got == GOT_FAILED)
        fail_msg("pull: %s", e.text);
    return got;
}

static inline struct ticket pull_is(struct end *end, const char *id, int attempt)
{
    struct ticket t = { 0 };
    assert_int_equal(pull_within(end, 0, &t), GOT_ONE);
    assert_string_equal(t.id, id);
    assert_int_equal(t.attempt, attempt);
    return t;
}

static inline void is_empty(struct end *end)
{
    struct ticket t;
    assert_int_equal(pull_within(end, 0, &t), GOT_NONE);
}

static inline void ack(struct end *end, const struct ticket *t)
{
    struct err e = { 0 };
    MUST(queue_ack(end->q, t, &e));
}

static inline void tend(struct end *end)
{
    struct err e = { 0 };
    redis_say(redis_shared(), "HDEL " Q " tended"); /* else only once a second */
    MUST(queue_tend(end->q, &e));
}

static inline struct queue_stats stats_of(struct end *end)
{
    struct err e = { 0 };
    struct queue_stats s;
    MUST(queue_stats(end->q, &s, &e));
    return s;
}

static inline bool lease_is_lost(struct end *end, const struct ticket *t)
{
    struct err e = { 0 };
    if (queue_extend(end->q, t, &e) || e.kind != ERR_NOT_FOUND)
        return false;
    return !queue_give_back(end->q, t, 0, true, &e) && e.kind == ERR_NOT_FOUND;
}

static inline void announce(struct end *end)
{
    struct err e = { 0 };
    MUST(queue_announce(end->q, &(struct queue_worker){ .slots = 1, .languages = "[]" }, &e));
}

/* ---- the check ---- */

/* Lua: every id of the entries is in exactly the place it says, and the numbers agree. */
static const char check_text[] =
    "local Q, bad = KEYS[1], {}\n"
    "local function no(...) bad[#bad + 1] = table.concat({...}, ' ') end\n"
    "local all = redis.call('HGETALL', Q..':entries')\n"
    "local ready, out, heads = {0,0,0}, {0,0,0}, {0,0,0}\n"
    "local dead, total = 0, #all / 2\n"
    "for i = 1, #all, 2 do\n"
    "  local id = all[i]\n"
    "  local place, p, tenant = string.match(all[i+1], '^(%a):(%d):%d+:%d+:%d+:(.*)$')\n"
    "  local n = p + 1\n"
    "  local lane = redis.call('ZSCORE', Q..':lane:'..p..':'..tenant, id) and 1 or 0\n"
    "  local delayed = redis.call('ZSCORE', Q..':delayed:'..p, id) and 1 or 0\n"
    "  local o = redis.call('HGET', Q..':out:'..p, id)\n"
    "  local grave = redis.call('HEXISTS', Q..':graves', id)\n"
    "  if lane + delayed + (o and 1 or 0) + grave ~= 1 then no('places of', id, place) end\n"
    "  if place == 'r' then ready[n] = ready[n] + 1\n"
    "    if lane == 0 then no('not in its lane:', id) end end\n"
    "  if place == 'd' and delayed == 0 then no('not delayed:', id) end\n"
    "  if place == 'x' then dead = dead + 1\n"
    "    if grave == 0 then no('not dead:', id) end end\n"
    "  if place == 's' then\n"
    "    out[n] = out[n] + 1\n"
    "    local entry, worker = string.match(o or '', '^(%S+) (.*)$')\n"
    "    if not entry then no('not out:', id)\n"
    "    elseif #redis.call('XRANGE', Q..':stream:'..p, entry, entry) ~= 1 then\n"
    "      no('not in the stream:', id) end\n"
    "    local leased = redis.call('ZSCORE', Q..':leases', id)\n"
    "    if worker == '' then heads[n] = heads[n] + 1; ready[n] = ready[n] + 1 end\n"
    "    if (worker == '') == (leased and true or false) then no('lease of', id, worker) end\n"
    "  end\n"
    "end\n"
    "for p = 0, 2 do\n"
    "  local n = p + 1\n"
    "  local counted = tonumber(redis.call('HGET', Q, 'ready:'..p) or 0)\n"
    "  if counted ~= ready[n] then no('ready', p, counted, ready[n]) end\n"
    "  if redis.call('HLEN', Q..':out:'..p) ~= out[n] then no('out', p) end\n"
    "  if redis.call('XLEN', Q..':stream:'..p) ~= out[n] then no('stream', p) end\n"
    "  if heads[n] > 1 then no('heads', p, heads[n]) end\n"
    "  if heads[n] == 0 and ready[n] > 0 and redis.call('HEXISTS', Q, 'paused') == 0 then\n"
    "    no('no head', p) end\n"
    "end\n"
    "if redis.call('XLEN', Q..':dead') ~= dead then no('dead letters') end\n"
    "return table.concat(bad, '; ')";

/* Run a script of the test's; the answer as text. */
static inline void lua(struct redis_server *server, const char *text, const char *key, char *out,
                       size_t size)
{
    struct err e = { 0 };
    CLEANUP(redis_close)
    struct redis *r = redis_open(&(struct redis_config){ .url = server->url }, &e);
    MUST(r);
    CLEANUP(redis_reply_free)
    struct redis_reply *reply = redis_words(r, &e, "EVAL", text, "1", key);
    MUST(reply);
    if (redis_kind(reply) == REDIS_INT)
        snprintf(out, size, "%lld", (long long)redis_int(reply));
    else
        snprintf(out, size, "%.*s", STR_FMT(redis_text(reply)));
}

/* Every id is in exactly one place, and there are so many in all. */
static inline void is_sound_at(struct redis_server *server, int64_t total)
{
    char bad[1024];
    lua(server, check_text, Q, bad, sizeof bad);
    if (*bad)
        fail_msg("the queue is not sound: %s", bad);
    assert_int_equal(redis_say_int(server, "HLEN " Q ":entries"), total);
}

static inline void is_sound(int64_t total)
{
    is_sound_at(redis_shared(), total);
}

/* ---- other processes ---- */

struct worker {
    pid_t pid;
    FILE *says;
};

/* This program again, as a worker: see worker_main(). */
static inline struct worker worker_start(const char *what, int64_t lease_us)
{
    int fds[2];
    char lease[24], program[] = "/proc/self/exe", url[128], job[16];
    struct worker w;
    snprintf(lease, sizeof lease, "%lld", (long long)lease_us);
    snprintf(url, sizeof url, "%s", redis_shared()->url);
    snprintf(job, sizeof job, "%s", what);
    char *argv[] = { program, job, url, lease, NULL };
    posix_spawn_file_actions_t actions;
    if (pipe(fds) != 0)
        abort();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    if (posix_spawn(&w.pid, program, &actions, NULL, argv, environ) != 0)
        abort();
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    w.says = fdopen(fds[0], "r");
    return w;
}

/* Its next word is this. */
static inline void worker_says(struct worker *w, const char *expected)
{
    char line[128] = "";
    if (!fgets(line, sizeof line, w->says))
        fail_msg("the worker said nothing, instead of %s", expected);
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, expected);
}

static inline void worker_end(struct worker *w)
{
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    fclose(w->says);
}

#endif
