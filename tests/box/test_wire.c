/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/message.h"

struct pair {
    int ends[2];
    struct wire out, in;
};

static void pair_open(struct pair *p)
{
    *p = (struct pair){ 0 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->ends), 0);
}

static void pair_done(struct pair *p)
{
    fd_close(p->ends[0]);
    fd_close(p->ends[1]);
    wire_done(&p->out);
    wire_done(&p->in);
}
CLEANUP_FOR_STRUCT(struct pair, pair_done)

static void pass(struct pair *p)
{
    struct err e;
    MUST(wire_send(p->ends[0], &p->out, &e));
    assert_int_equal(wire_receive(p->ends[1], &p->in, &e), GOT_ONE);
}

TEST(values_arrive_as_they_were_put)
{
    static const char *const texts[] = { "a", "", "two words", NULL };
    CLEANUP(pair_done) struct pair p;
    pair_open(&p);
    wire_start(&p.out, WIRE_PLAN);
    wire_put_int(&p.out, -7);
    wire_put_str(&p.out, (struct str){ "a\0b", 3 });
    wire_put_texts(&p.out, texts);
    wire_put_texts(&p.out, NULL);
    wire_put_text(&p.out, "end");
    pass(&p);
    assert_int_equal(p.in.type, WIRE_PLAN);
    assert_int_equal(wire_get_int(&p.in), -7);
    assert_true(str_eq(wire_get_str(&p.in), (struct str){ "a\0b", 3 }));
    CLEANUP(free) void *got = wire_get_texts(&p.in), *none = wire_get_texts(&p.in);
    assert_string_equal(((char **)got)[2], "two words");
    assert_null(((char **)got)[3]);
    assert_null(((char **)none)[0]);
    assert_string_equal(wire_get_text(&p.in), "end");
    assert_true(wire_ok(&p.in));
    assert_int_equal(wire_get_int(&p.in), 0);
    assert_false(wire_ok(&p.in));
}

TEST(bodies_and_descriptors_beyond_one_packet_arrive)
{
    CLEANUP(pair_done) struct pair p;
    CLEANUP(buf_done) struct buf big = { 0 };
    pair_open(&p);
    for (int i = 0; i < 300000; i++)
        buf_addf(&big, "%d", i);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    wire_start(&p.out, WIRE_REPORT);
    wire_put_str(&p.out, buf_str(&big));
    for (int i = 0; i < 600; i++)
        wire_put_fd(&p.out, null);
    pass(&p);
    assert_true(str_eq(wire_get_str(&p.in), buf_str(&big)));
    for (int i = 0; i < 600; i++)
        fd_close(wire_take_fd(&p.in));
    assert_true(wire_ok(&p.in));
    assert_int_equal(wire_take_fd(&p.in), -1);
    assert_false(wire_ok(&p.in));
    fd_close(null);
}

TEST(descriptors_not_taken_are_closed)
{
    CLEANUP(pair_done) struct pair p;
    pair_open(&p);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    wire_start(&p.out, WIRE_REPORT);
    wire_put_fd(&p.out, null);
    pass(&p);
    int theirs = p.in.fds[0];
    wire_start(&p.in, WIRE_NONE);
    assert_int_equal(fcntl(theirs, F_GETFD), -1);
    fd_close(null);
}

TEST(a_closed_end_and_garbage_are_told_apart)
{
    CLEANUP(pair_done) struct pair p;
    struct err e;
    pair_open(&p);
    assert_int_equal(write(p.ends[0], "garbage", 7), 7);
    assert_int_equal(wire_receive(p.ends[1], &p.in, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_BUG);
    close(p.ends[0]);
    p.ends[0] = -1;
    assert_int_equal(wire_receive(p.ends[1], &p.in, &e), GOT_NONE);
}

TEST(lengths_that_lie_are_noticed)
{
    struct wire w = { 0 };
    wire_start(&w, WIRE_PLAN);
    wire_put_int(&w, 1000); /* a text of 1000 bytes, and two of them there */
    wire_put_int(&w, 0);
    assert_string_equal(wire_get_text(&w), "");
    assert_false(wire_ok(&w));
    wire_start(&w, WIRE_PLAN);
    wire_put_int(&w, INT64_MAX);
    CLEANUP(free) void *none = wire_get_texts(&w);
    assert_null(((char **)none)[0]);
    assert_false(wire_ok(&w));
    wire_done(&w);
}

static const struct plan sample = {
    .argv = (const char *const[]){ "prog", "x", NULL },
    .env = (const char *const[]){ "A=1", NULL },
    .exe_fd = -1,
    .stdin_fd = 0,
    .limits = { .cpu_us = 1,
                .cpu_extra_us = 2,
                .wall_us = 3,
                .memory_bytes = 4,
                .stack_bytes = 5,
                .output_bytes = 6,
                .file_bytes = 7,
                .disk_bytes = 8,
                .processes = 9,
                .open_files = 10 },
    .merge_stderr = true,
    .keep = true,
    .files = (const struct plan_file[]){ { "a/b", 0, 0644 } },
    .file_count = 1,
    .collect = (const struct plan_collect[]){ { "*.png", 1, 2, 3 } },
    .collect_count = 1,
};

TEST(a_plan_survives_the_way)
{
    CLEANUP(pair_done) struct pair p;
    CLEANUP(plan_held_done) struct plan_held held;
    struct err e;
    pair_open(&p);
    wire_start(&p.out, WIRE_PLAN);
    plan_put(&p.out, &sample);
    pass(&p);
    MUST(plan_get(&p.in, &held, &e));
    assert_string_equal(held.plan.argv[1], "x");
    assert_string_equal(held.plan.env[0], "A=1");
    assert_memory_equal(&held.plan.limits, &sample.limits, sizeof sample.limits);
    assert_true(held.plan.merge_stderr && held.plan.keep && !held.plan.all_cores);
    assert_int_equal(held.plan.exe_fd, -1);
    assert_true(held.plan.stdin_fd > 2);
    assert_string_equal(held.plan.files[0].path, "a/b");
    assert_int_equal(held.plan.files[0].mode, 0644);
    assert_string_equal(held.plan.collect[0].pattern, "*.png");
    assert_int_equal(held.plan.collect[0].files, 3);
}

TEST(a_plan_cut_anywhere_is_refused)
{
    struct wire w = { 0 };
    struct err e;
    wire_start(&w, WIRE_PLAN);
    plan_put(&w, &sample);
    size_t whole = w.body.len;
    for (size_t len = 0; len < whole; len++) {
        struct plan_held held;
        w.body.len = len;
        w.at = 0;
        w.bad = false;
        w.fd_at = w.fd_count; /* and without its descriptors */
        assert_false(plan_get(&w, &held, &e));
        assert_int_equal(e.kind, ERR_BUG);
    }
    wire_done(&w);
}

RUN_TESTS(T(values_arrive_as_they_were_put), T(bodies_and_descriptors_beyond_one_packet_arrive),
          T(descriptors_not_taken_are_closed), T(a_closed_end_and_garbage_are_told_apart),
          T(lengths_that_lie_are_noticed), T(a_plan_survives_the_way),
          T(a_plan_cut_anywhere_is_refused))
