/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-redis URL THREADS COUNT WINDOW - commands per second of the driver: COUNT times SET, sent
 * by so many threads, each with at most WINDOW of its own under way. Beside it, on the same server:
 *
 *   redis-benchmark -s SOCKET -t set -q -n COUNT -c THREADS -P WINDOW
 */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "drivers/redis.h"

static struct redis *redis;
static _Atomic int64_t answered, failed;
static int64_t each;

static void take(void *arg, struct redis_reply *reply, const struct err *e)
{
    atomic_fetch_add_explicit(e ? &failed : &answered, 1, memory_order_relaxed);
    redis_reply_free(reply);
    sem_post(arg);
}

static void *send_all(void *arg)
{
    struct str words[] = { STR("SET"), STR("key:000000000000"), STR("xxx") };
    struct redis_call call = { .words = words, .count = COUNT_OF(words) };
    for (int64_t i = 0; i < each; i++) {
        while (sem_wait(arg) != 0)
            continue;
        redis_send(redis, &call, false, take, arg);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    enum { THREADS_MAX = 64 };
    static sem_t windows[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    int64_t count, wanted, window;
    struct err e = { 0 };
    if (argc != 5 || !parse_int(str_of(argv[2]), &wanted) || wanted < 1 || wanted > THREADS_MAX ||
        !parse_int(str_of(argv[3]), &count) || !parse_int(str_of(argv[4]), &window) || window < 1) {
        fprintf(stderr, "usage: bench-redis URL THREADS COUNT WINDOW\n");
        return 2;
    }
    redis = redis_open(&(struct redis_config){ .url = argv[1] }, &e);
    CLEANUP(redis_reply_free)
    struct redis_reply *pong = redis ? redis_words(redis, &e, "PING") : NULL;
    if (!pong) {
        fprintf(stderr, "bench-redis: %s\n", e.text);
        return 1;
    }
    each = count / wanted;
    int64_t start = mono_us();
    for (int64_t i = 0; i < wanted; i++) {
        sem_init(&windows[i], 0, (unsigned int)window);
        if (pthread_create(&threads[i], NULL, send_all, &windows[i]) != 0)
            return 1;
    }
    for (int64_t i = 0; i < wanted; i++)
        pthread_join(threads[i], NULL);
    while (answered + failed < each * wanted)
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    double seconds = (double)(mono_us() - start) / US_PER_S;
    printf("%.0f commands/s, %" PRId64 " failed\n", (double)answered / seconds, failed);
    redis_close(redis);
    return 0;
}
