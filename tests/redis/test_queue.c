/* SPDX-License-Identifier: Apache-2.0 */
/* The known defects of queues over Redis, each tried on workers that die, stall, or come back. */
#include "queue_cluster.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"

enum { LEASE_US = 60 * 1000 * 1000, SHORT_US = 300 * 1000 };

static void nap_ms(int ms)
{
    struct timespec t = us_to_timespec(ms * US_PER_MS);
    nanosleep(&t, NULL);
}

/* ---- what another process does ---- */

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

/* Take one and hold it; said back when told to go on. */
static void work_hold(struct end *end)
{
    struct ticket t;
    struct err e;
    int count;
    if (queue_pull(end->q, 600 * US_PER_S, &t, 1, &count, &e) != GOT_ONE)
        exit(3);
    say(t.id);
    raise(SIGSTOP);
    say(queue_extend(end->q, &t, &e) ? "mine" : err_kind_name(e.kind));
    if (!queue_ack(end->q, &t, &e))
        exit(4);
    say("acked");
    pause();
}

/* Wait and do nothing with what comes. */
static void work_wait(struct end *end)
{
    struct ticket t;
    struct err e;
    int count;
    say("waits");
    if (queue_pull(end->q, 600 * US_PER_S, &t, 1, &count, &e) == GOT_ONE)
        say(t.id);
    pause();
}

/* Take and give back, for ever. */
static void work_juggle(struct end *end)
{
    struct ticket t[3];
    struct err e;
    say("begins");
    for (unsigned i = 0;; i++) {
        int count;
        if (queue_pull(end->q, 1000, t, 3, &count, &e) != GOT_ONE)
            continue;
        for (int k = 0; k < count; k++)
            if (!queue_give_back(end->q, &t[k], i % 3 ? 0 : 1000, (i + (unsigned)k) % 2, &e) &&
                e.kind != ERR_NOT_FOUND)
                exit(5);
    }
}

static int worker_main(char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct end end = end_open_at(argv[2], strtoll(argv[3], NULL, 10), NULL);
    if (strcmp(argv[1], "hold") == 0)
        work_hold(&end);
    else if (strcmp(argv[1], "wait") == 0)
        work_wait(&end);
    else
        work_juggle(&end);
    return 0;
}

/* ---- workers that die ---- */

TEST(a_worker_killed_in_the_middle_of_a_job_loses_it_to_another)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct worker a = worker_start("hold", SHORT_US);
    push(&b, "job", 1, 0);
    worker_says(&a, "job");
    worker_end(&a);
    struct ticket t = { 0 };
    int64_t begin = mono_us();
    while (pull_within(&b, 20000, &t) != GOT_ONE)
        assert_true(mono_us() - begin < 60 * US_PER_S);
    assert_int_equal(t.attempt, 2);
    assert_int_equal(stats_of(&b).lease_expiries, 1);
    ack(&b, &t);
    is_sound(0);
}

/* What a worker leaves that dies the moment the server has answered its XREADGROUP. */
static void ghost_reads(int priority)
{
    redis_say(redis_shared(), "XREADGROUP GROUP workers ghost COUNT 1 STREAMS " Q ":stream:%d >",
              priority);
}

TEST(a_worker_that_dies_before_it_knows_its_job_has_used_an_attempt)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    push(&b, "job", 1, 0);
    push(&b, "next", 1, 0);
    for (int attempt = 1; attempt <= 3; attempt++) {
        tend(&b);
        ghost_reads(1);
        tend(&b); /* its lease begins when it is found */
        is_sound(2);
        pass_time(LEASE_US - 1);
        tend(&b);
        pass_time(1);
        tend(&b);
        is_sound(2);
    }
    struct ticket t = pull_is(&b, "job", 4);
    ack(&b, &t);
    pull_is(&b, "next", 1);
    is_sound(1);
}

TEST(what_a_dead_worker_had_does_not_hide_what_is_behind_it)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    push(&b, "job", 1, 0);
    push(&b, "next", 1, 0);
    tend(&b);
    ghost_reads(1);
    struct ticket t;
    assert_int_equal(pull_within(&b, 0, &t), GOT_ONE);
    assert_string_equal(t.id, "next");
}

TEST(a_job_finished_before_its_lease_was_told_makes_room_for_the_next)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    tend(&b);
    push(&b, "job", 1, 0);
    push(&b, "next", 1, 0);
    ghost_reads(1);
    ack(&b, &(struct ticket){ .id = "job" });
    is_sound(1); /* there is a head for who waits */
    pull_is(&b, "next", 1);
}

TEST(who_dies_between_finish_and_ack_leaves_an_ack_to_do)
{
    CLEANUP(end_close) struct end a = end_open(LEASE_US, test_clock);
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    push(&a, "job", 1, 0);
    struct ticket first = pull_is(&a, "job", 1); /* finished, kept, and then killed */
    pass_time(LEASE_US);
    struct ticket second = pull_is(&b, "job", 2); /* finds it final */
    ack(&b, &second);
    ack(&a, &first);
    pass_time(LEASE_US);
    is_empty(&b);
    is_sound(0);
}

TEST(a_worker_that_only_stalled_is_fenced_off)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct worker a = worker_start("hold", SHORT_US);
    push(&b, "job", 1, 0);
    worker_says(&a, "job");
    int status; /* it has stopped itself */
    assert_int_equal(waitpid(a.pid, &status, WUNTRACED), a.pid);
    assert_true(WIFSTOPPED(status));
    struct ticket t = { 0 };
    while (pull_within(&b, 20000, &t) != GOT_ONE)
        continue;
    assert_int_equal(t.attempt, 2);

    struct err e;
    MUST(queue_extend(b.q, &t, &e));
    kill(a.pid, SIGCONT);
    worker_says(&a, "not_found");
    worker_says(&a, "acked");
    worker_end(&a);
    assert_true(lease_is_lost(&b, &t)); /* acked is finished, for everybody */
    is_sound(0);
}

TEST(a_stale_receipt_fits_no_later_lease)
{
    CLEANUP(end_close) struct end a = end_open(LEASE_US, test_clock);
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    struct ticket old[4];
    push(&a, "job", 1, 0);
    for (int i = 0; i < 4; i++) {
        old[i] = pull_is(i % 2 ? &a : &b, "job", i + 1);
        for (int k = 0; k < i; k++)
            assert_true(lease_is_lost(&a, &old[k]));
        pass_time(LEASE_US);
    }
    is_sound(1);
}

static int64_t consumers(int priority)
{
    char key[64], count[24];
    snprintf(key, sizeof key, Q ":stream:%d", priority);
    lua(redis_shared(), "return #redis.call('XINFO', 'CONSUMERS', KEYS[1], 'workers')", key, count,
        sizeof count);
    return strtoll(count, NULL, 10);
}

TEST(a_worker_that_is_silent_loses_its_jobs_before_their_leases_end)
{
    struct end a = end_open(3600 * US_PER_S, test_clock);
    CLEANUP(end_close) struct end b = end_open(3600 * US_PER_S, test_clock);
    push(&a, "job", 1, 0);
    announce(&a);
    pull_is(&a, "job", 1);
    pass_time(19 * US_PER_S);
    announce(&b);
    tend(&b);
    is_empty(&b);
    assert_int_equal(consumers(1), 1);
    pass_time(2 * US_PER_S);
    tend(&b);
    assert_int_equal(consumers(1), 0);
    pull_is(&b, "job", 2);
    is_sound(1);
    end_close(&a);
}

static void count_worker(void *arg, UNUSED const struct queue_worker *w)
{
    ++*(int *)arg;
}

TEST(names_of_workers_that_left_are_not_kept)
{
    struct err e;
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    for (int i = 0; i < 5; i++) {
        struct end a = end_open(LEASE_US, test_clock);
        announce(&a);
        push(&a, "job", 1, 0);
        struct ticket t = pull_is(&a, "job", 1);
        ack(&a, &t);
        end_close(&a);
    }
    tend(&b);
    int seen = 0;
    MUST(queue_workers(b.q, count_worker, &seen, &e));
    assert_int_equal(seen, 0);
    assert_int_equal(consumers(1), 0);
}

TEST(a_worker_that_leaves_with_a_job_keeps_it_until_the_lease_ends)
{
    struct end a = end_open(LEASE_US, test_clock);
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    push(&a, "job", 1, 0);
    pull_is(&a, "job", 1);
    end_close(&a);
    tend(&b);
    is_empty(&b);
    is_sound(1);
    pass_time(LEASE_US);
    pull_is(&b, "job", 2);
}

/* ---- no step leaves an id in two places, or in none ---- */

TEST(workers_killed_at_any_moment_leave_every_id_in_one_place)
{
    enum { IDS = 30, KILLS = 40 };
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        push(&b, id, i % QUEUE_PRIORITIES, 0);
    }
    unsigned random = 99;
    for (int i = 0; i < KILLS; i++) {
        struct worker w = worker_start("juggle", SHORT_US);
        worker_says(&w, "begins");
        random = random * 1664525u + 1013904223u;
        nap_ms((int)(random >> 28));
        worker_end(&w);
        tend(&b); /* one that was delivered and not told */
        is_sound(IDS);
    }
    bool seen[IDS] = { 0 };
    for (int got = 0; got < IDS;) {
        struct ticket t;
        if (pull_within(&b, 20000, &t) != GOT_ONE)
            continue;
        assert_false(seen[strtol(t.id, NULL, 10)]);
        seen[strtol(t.id, NULL, 10)] = true;
        got++;
        ack(&b, &t);
    }
    is_sound(0);
}

TEST(connections_cut_at_any_moment_leave_every_id_in_one_place)
{
    enum { IDS = 30, CUTS = 60 };
    CLEANUP(end_close) struct end b = end_open(SHORT_US, NULL);
    for (int i = 0; i < IDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        push(&b, id, i % QUEUE_PRIORITIES, 0);
    }
    struct ticket t[4];
    struct err e;
    int served = 0;
    int64_t until = mono_us() + 60 * US_PER_S;
    for (int cut = 0; cut < CUTS || served < 200;) {
        int count = 0;
        assert_true(mono_us() < until);
        if (cut < CUTS && served % 3 == 0) {
            redis_say(redis_shared(), "CLIENT KILL TYPE normal SKIPME yes");
            cut++;
        }
        if (queue_pull(b.q, 5000, t, 4, &count, &e) == GOT_FAILED)
            assert_int_equal(e.kind, ERR_UNAVAILABLE);
        for (int k = 0; k < count; k++) {
            if (served++ % 5 == 0)
                redis_say(redis_shared(), "CLIENT KILL TYPE normal SKIPME yes");
            while (!queue_give_back(b.q, &t[k], 0, true, &e) && e.kind == ERR_UNAVAILABLE)
                continue; /* what had been done before the cut is found done: NOT_FOUND */
        }
    }
    while (!queue_tend(b.q, &e))
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    is_sound(IDS);
}

static void copy_some(const char *from, const char *to, off_t bytes)
{
    CLEANUP(buf_done) struct buf all = { 0 };
    struct err e;
    MUST(file_read(AT_FDCWD, from, 1 << 24, &all, &e));
    MUST(file_replace(AT_FDCWD, to, (struct str){ all.ptr, (size_t)bytes }, 0600, &e));
}

TEST(a_log_cut_at_any_byte_leaves_every_id_in_one_place)
{
    char path[128], copy[128];
    struct redis_server *s = redis_shared();
    struct end b = end_open(LEASE_US, test_clock);
    push(&b, "a", 1, 0);
    push(&b, "b", 1, 0);
    push(&b, "c", 1, 9000);
    struct ticket t = pull_is(&b, "a", 1);
    snprintf(path, sizeof path, "%s/appendonlydir/%s", s->folder, "appendonly.aof.1.incr.aof");
    snprintf(copy, sizeof copy, "%s/whole", s->folder);

    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    struct err e;
    MUST(queue_give_back(b.q, &t, 0, true, &e));
    t = pull_is(&b, "a", 2);
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_size > before.st_size + 500);
    end_close(&b);
    redis_server_stop(s, SIGKILL);
    assert_int_equal(rename(path, copy), 0);
    for (off_t at = before.st_size; at <= after.st_size;
         at += 1 + (after.st_size - before.st_size) / 25) {
        copy_some(copy, path, at);
        redis_server_go_on(s);
        redis_say_until(s, "\nloading:0", "INFO persistence");
        is_sound_at(s, 3);
        redis_server_stop(s, SIGKILL);
    }
    redis_server_done(s); /* the next test gets a new one */
}

/* ---- waiting ---- */

struct waiter {
    struct end end;
    struct ticket ticket;
    enum got got;
    int64_t got_us;
    pthread_t thread;
};

static void *wait_for_one(void *arg)
{
    struct waiter *w = arg;
    struct err e;
    int count;
    w->got = queue_pull(w->end.q, 30 * US_PER_S, &w->ticket, 1, &count, &e);
    w->got_us = mono_us();
    return NULL;
}

static int64_t blocked(void)
{
    const char *clients = redis_say(redis_shared(), "INFO clients");
    return strtoll(strstr(clients, "blocked_clients:") + strlen("blocked_clients:"), NULL, 10);
}

static void waiter_start(struct waiter *w, int64_t lease_us)
{
    int64_t others = blocked();
    *w = (struct waiter){ .end = end_open(lease_us, NULL) };
    if (pthread_create(&w->thread, NULL, wait_for_one, w) != 0)
        abort();
    while (blocked() == others)
        nap_ms(1);
}

static void waiter_end(struct waiter *w)
{
    queue_wake(w->end.q);
    pthread_join(w->thread, NULL);
    end_close(&w->end);
}

static int64_t commands(void)
{
    const char *stats = redis_say(redis_shared(), "INFO stats");
    const char *at = strstr(stats, "total_commands_processed:");
    return strtoll(at + strlen("total_commands_processed:"), NULL, 10);
}

TEST(waiting_workers_send_nothing)
{
    struct waiter w[4];
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    push(&b, "later", 1, 3600 * US_PER_S);
    for (int i = 0; i < 4; i++)
        waiter_start(&w[i], LEASE_US);
    while (redis_say_int(redis_shared(), "XLEN " Q ":wake") > 0 || blocked() < 4)
        nap_ms(1); /* the one that becomes the timer looks twice */
    int64_t before = commands();
    nap_ms(1500);
    int64_t sent = commands() - before; /* the question itself; drivers may ping */
    assert_true(sent <= 4);
    for (int i = 0; i < 4; i++)
        waiter_end(&w[i]);
    is_sound(1);
}

TEST(each_push_wakes_one_waiting_worker)
{
    struct waiter w[3];
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    for (int i = 0; i < 3; i++)
        waiter_start(&w[i], LEASE_US);
    int64_t before = commands();
    push(&b, "a", 0, 0);
    while (blocked() > 2)
        nap_ms(1);
    push(&b, "b", 2, 0);
    while (blocked() > 1)
        nap_ms(1);
    int64_t questions = commands() - before;
    assert_true(questions < 300); /* those of this test; nobody looks in vain */
    int served = 0;
    for (int i = 0; i < 3; i++) {
        waiter_end(&w[i]);
        served += w[i].got == GOT_ONE && w[i].ticket.attempt == 1;
    }
    assert_int_equal(served, 2);
    is_sound(2);
}

TEST(a_delayed_job_comes_on_time_though_the_one_who_watched_the_clock_got_another)
{
    struct waiter timer, other;
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    waiter_start(&timer, LEASE_US);
    int64_t due = mono_us() + 500 * US_PER_MS;
    push(&b, "later", 1, 500 * US_PER_MS);
    while (!*redis_say(redis_shared(), "HGET " Q " timer") || blocked() == 0)
        nap_ms(1);
    waiter_start(&other, LEASE_US);
    push(&b, "now", 1, 0); /* goes to the one who has waited longest */
    pthread_join(timer.thread, NULL);
    assert_int_equal(timer.got, GOT_ONE);
    assert_string_equal(timer.ticket.id, "now");
    pthread_join(other.thread, NULL);
    assert_int_equal(other.got, GOT_ONE);
    assert_string_equal(other.ticket.id, "later");
    assert_true(other.got_us >= due - 2000 && other.got_us < due + 20 * US_PER_S);
    end_close(&timer.end);
    end_close(&other.end);
    is_sound(2);
}

TEST(a_delayed_job_is_not_lost_with_the_one_who_watched_the_clock)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct worker timer = worker_start("wait", LEASE_US);
    worker_says(&timer, "waits");
    while (blocked() == 0)
        nap_ms(1);
    push(&b, "later", 1, 300 * US_PER_MS);
    while (!*redis_say(redis_shared(), "HGET " Q " timer"))
        nap_ms(1);
    struct waiter w;
    waiter_start(&w, LEASE_US);
    worker_end(&timer);
    nap_ms(350);
    tend(&b); /* as every process does each second */
    pthread_join(w.thread, NULL);
    assert_int_equal(w.got, GOT_ONE);
    end_close(&w.end);
}

TEST(a_worker_with_one_place_free_gives_back_what_else_it_is_handed)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        push(&b, (char[2]){ (char)('a' + p) }, p, 0);
    for (int p = 0; p < QUEUE_PRIORITIES; p++) /* the script sees nothing, XREADGROUP does */
        redis_say(redis_shared(), "HSET " Q " ready:%d 0", p);
    struct ticket t;
    assert_int_equal(pull_within(&b, 5 * US_PER_S, &t), GOT_ONE);
    assert_string_equal(t.id, "c");
    tend(&b);
    is_sound(3);
    assert_int_equal(stats_of(&b).leased, 1);
    pull_is(&b, "b", 1);
    pull_is(&b, "a", 1);
}

TEST(what_was_handed_to_a_process_while_it_stopped_goes_back_at_once)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct end a = end_open(LEASE_US, NULL);
    push(&b, "job", 1, 0);
    tend(&b); /* there is a group */
    struct ticket t;
    announce(&a);
    char name[128];
    snprintf(name, sizeof name, "%s", redis_say(redis_shared(), "ZRANGE " Q ":workers 0 -1"));
    redis_say(redis_shared(), "XREADGROUP GROUP workers %s COUNT 1 STREAMS " Q ":stream:1 >", name);
    assert_int_equal(pull_within(&b, 0, &t), GOT_NONE);
    end_close(&a);
    pull_is(&b, "job", 1);
    is_sound(1);
}

/* ---- everything at random ---- */

enum { RANDOM_IDS = 40 };

struct chance {
    struct end ends[2];
    struct ticket tickets[RANDOM_IDS]; /* the last of each */
    unsigned state;
};

static unsigned next_random(struct chance *c)
{
    c->state = c->state * 1664525u + 1013904223u;
    return (c->state ^ c->state >> 16) * 2654435761u >> 4;
}

static void random_step(struct chance *c)
{
    static const char *const tenants[] = { NULL, "ann", "bob" };
    struct err e = { 0 };
    char id[16];
    unsigned i = next_random(c) % RANDOM_IDS, what = next_random(c) % 16, x = next_random(c);
    struct queue *q = c->ends[x % 2].q;
    struct ticket *t = &c->tickets[i], got;
    snprintf(id, sizeof id, "%u", i);
    switch (what) {
    case 0 ... 4:
        MUST(queue_push(q,
                        &(struct queue_entry){ id, (int)(x / 2 % 3), tenants[x / 6 % 3],
                                               x / 18 % 3 ? 0 : x % LEASE_US },
                        &e));
        break;
    case 5 ... 8:
        if (pull_within(&c->ends[x % 2], 0, &got) == GOT_ONE)
            c->tickets[strtol(got.id, NULL, 10)] = got;
        break;
    case 9:
        if (!queue_give_back(q, t, x % 3 ? 0 : x % LEASE_US, x % 2, &e))
            assert_int_equal(e.kind, ERR_NOT_FOUND);
        break;
    case 10:
        MUST(queue_ack(q, t->id[0] ? t : &(struct ticket){ .id = "none" }, &e));
        break;
    case 11:
        MUST(queue_bury(q, t, "bad", &e));
        break;
    case 12:
        assert_int_not_equal(x % 2 ? queue_drop(q, id, &e) : queue_retry(q, id, &e), GOT_FAILED);
        break;
    case 13:
        MUST(queue_pause(q, x % 4 == 0, &e));
        break;
    case 14: /* somebody is handed a head and dies, or only forgets to tell */
        ghost_reads((int)(x % 3));
        break;
    default:
        pass_time(x % (LEASE_US / 4));
    }
}

TEST(thousands_of_random_steps_leave_every_id_in_one_place)
{
    struct chance c = { .state = 4711 };
    for (int i = 0; i < 2; i++) {
        c.ends[i] = end_open(LEASE_US, test_clock);
        tend(&c.ends[i]);
    }
    for (int step = 0; step < 6000; step++) {
        random_step(&c);
        if (step % 20)
            continue;
        tend(&c.ends[step / 20 % 2]);
        is_sound(redis_say_int(redis_shared(), "HLEN " Q ":entries"));
    }

    struct err e;
    MUST(queue_pause(c.ends[0].q, false, &e));
    for (int i = 0; i < 3; i++) { /* delays and leases end, what comes is finished */
        struct ticket t;
        pass_time(2 * LEASE_US);
        tend(&c.ends[0]);
        while (pull_within(&c.ends[0], 0, &t) == GOT_ONE)
            ack(&c.ends[0], &t);
    }
    is_sound(stats_of(&c.ends[0]).dead);
    for (int i = 0; i < 2; i++)
        end_close(&c.ends[i]);
}

TEST(whatever_is_deleted_between_random_steps_is_mended)
{
    static const struct {
        const char *before, *after; /* a priority stands between them; NULL: none does */
    } hurts[] = {
        { "XTRIM " Q ":stream:", " MAXLEN 0" },
        { "XTRIM " Q ":stream:", " MAXLEN 1" },
        { "DEL " Q ":stream:", "" },
        { "XGROUP DESTROY " Q ":stream:", " workers" },
        { "XGROUP SETID " Q ":stream:", " workers 0" },
        { "XGROUP SETID " Q ":stream:", " workers $" },
        { "DEL " Q ":out:", "" },
        { "DEL " Q ":turns:", "" },
        { "DEL " Q ":lane:", ":ann" },
        { "DEL " Q ":lane:", ":" },
        { "DEL " Q ":delayed:", "" },
        { "HDEL " Q " head:", "" },
        { "HDEL " Q " ready:", "" },
        { "DEL " Q ":leases", NULL },
        { "DEL " Q ":wake", NULL },
        { "DEL " Q ":graves", NULL },
        { "XTRIM " Q ":dead MAXLEN 1", NULL },
    };
    struct chance c = { .state = 815 };
    for (int i = 0; i < 2; i++)
        c.ends[i] = end_open(LEASE_US, test_clock);
    for (int step = 0; step < 4000; step++) {
        random_step(&c);
        if (step % 15)
            continue;
        unsigned which = next_random(&c) % COUNT_OF(hurts), p = next_random(&c) % 3;
        char command[128];
        if (hurts[which].after)
            snprintf(command, sizeof command, "%s%u%s", hurts[which].before, p, hurts[which].after);
        else
            snprintf(command, sizeof command, "%s", hurts[which].before);
        redis_say(redis_shared(), "%s", command);
        for (int i = 0; i < 3; i++)
            tend(&c.ends[i % 2]);
        char bad[1024];
        lua(redis_shared(), check_text, Q, bad, sizeof bad);
        if (*bad)
            fail_msg("after step %d, %s: %s", step, command, bad);
    }
    for (int i = 0; i < 2; i++)
        end_close(&c.ends[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(a_worker_killed_in_the_middle_of_a_job_loses_it_to_another, start_empty),
    cmocka_unit_test_setup(a_worker_that_dies_before_it_knows_its_job_has_used_an_attempt,
                           start_empty),
    cmocka_unit_test_setup(what_a_dead_worker_had_does_not_hide_what_is_behind_it, start_empty),
    cmocka_unit_test_setup(a_job_finished_before_its_lease_was_told_makes_room_for_the_next,
                           start_empty),
    cmocka_unit_test_setup(who_dies_between_finish_and_ack_leaves_an_ack_to_do, start_empty),
    cmocka_unit_test_setup(a_worker_that_only_stalled_is_fenced_off, start_empty),
    cmocka_unit_test_setup(a_stale_receipt_fits_no_later_lease, start_empty),
    cmocka_unit_test_setup(a_worker_that_is_silent_loses_its_jobs_before_their_leases_end,
                           start_empty),
    cmocka_unit_test_setup(names_of_workers_that_left_are_not_kept, start_empty),
    cmocka_unit_test_setup(a_worker_that_leaves_with_a_job_keeps_it_until_the_lease_ends,
                           start_empty),
    cmocka_unit_test_setup(workers_killed_at_any_moment_leave_every_id_in_one_place, start_empty),
    cmocka_unit_test_setup(connections_cut_at_any_moment_leave_every_id_in_one_place, start_empty),
    cmocka_unit_test_setup(a_log_cut_at_any_byte_leaves_every_id_in_one_place, start_empty),
    cmocka_unit_test_setup(waiting_workers_send_nothing, start_empty),
    cmocka_unit_test_setup(each_push_wakes_one_waiting_worker, start_empty),
    cmocka_unit_test_setup(
        a_delayed_job_comes_on_time_though_the_one_who_watched_the_clock_got_another, start_empty),
    cmocka_unit_test_setup(a_delayed_job_is_not_lost_with_the_one_who_watched_the_clock,
                           start_empty),
    cmocka_unit_test_setup(a_worker_with_one_place_free_gives_back_what_else_it_is_handed,
                           start_empty),
    cmocka_unit_test_setup(what_was_handed_to_a_process_while_it_stopped_goes_back_at_once,
                           start_empty),
    cmocka_unit_test_setup(whatever_is_deleted_between_random_steps_is_mended, start_empty),
    cmocka_unit_test_setup(thousands_of_random_steps_leave_every_id_in_one_place, start_empty),
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return worker_main(argv);
    if (!redis_is_here())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
