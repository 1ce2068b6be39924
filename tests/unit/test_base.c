/* SPDX-License-Identifier: Apache-2.0 */
/* The ground floor: bytes, arenas, text, errors, hashes, files. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define assert_str(s, text) assert_true(str_is((s), (text)))

/* ---- buf ---- */

TEST(an_empty_buf_gives_an_empty_str_and_no_null)
{
    struct buf b = { 0 };
    assert_non_null(buf_str(&b).ptr);
    assert_int_equal(buf_str(&b).len, 0);
    buf_reset(&b);
    buf_done(&b);
    assert_null(b.ptr);
}

TEST(a_buf_keeps_zero_bytes_and_always_ends_in_one_more)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    buf_add(&b, "a\0b", 3);
    buf_add_char(&b, '\0');
    buf_add_text(&b, "cd");
    assert_int_equal(b.len, 6);
    assert_memory_equal(b.ptr, "a\0b\0cd", 7);
    buf_add(&b, NULL, 0);
    assert_int_equal(b.len, 6);
}

TEST(a_buf_grows_over_many_sizes_without_losing_a_byte)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    for (int i = 0; i < 5000; i++)
        buf_addf(&b, "%d,", i);
    const char *p = b.ptr;
    for (int i = 0; i < 5000; i++) {
        char want[16];
        int len = snprintf(want, sizeof want, "%d,", i);
        assert_memory_equal(p, want, (size_t)len);
        p += len;
    }
    assert_ptr_equal(p, b.ptr + b.len);
    size_t capacity = b.capacity;
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.ptr[0], '\0');
    assert_int_equal(b.capacity, capacity);
}

TEST(reserved_room_can_be_written_and_counted)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    buf_add_text(&b, "ab");
    char *at = buf_reserve(&b, 100);
    memset(at, 'x', 100);
    b.len += 100;
    assert_int_equal(buf_str(&b).len, 102);
    assert_memory_equal(b.ptr, "abxx", 4);
}

/* ---- str ---- */

TEST(not_given_and_empty_are_equal_in_bytes_but_not_the_same)
{
    assert_true(str_eq(STR_NULL, STR("")));
    assert_null(STR_NULL.ptr);
    assert_non_null(STR("").ptr);
    assert_false(str_eq(STR("a"), STR("b")));
    assert_false(str_eq(STR("a\0b"), STR("a")));
    assert_true(str_starts(STR("tests[3]"), "tests"));
    assert_false(str_starts(STR("te"), "tests"));
    assert_int_equal(str_of(NULL).len, 0);
}

/* ---- arena ---- */

TEST(arena_memory_is_zeroed_aligned_and_does_not_overlap)
{
    CLEANUP(arena_done) struct arena a = { 0 };
    unsigned char *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = arena_get(&a, i + 1);
        assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(blocks[i][k], 0);
        memset(blocks[i], (int)(i % 251), i + 1);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(blocks[i][k], i % 251);
}

TEST(an_arena_holds_big_things_between_small_ones)
{
    CLEANUP(arena_done) struct arena a = { 0 };
    char *small = arena_text(&a, "small");
    char *big = arena_array(&a, 1000, 1000);
    char *after = arena_text(&a, "after");
    memset(big, 1, 1000000);
    assert_string_equal(small, "small");
    assert_string_equal(after, "after");
    assert_non_null(arena_get(&a, 0));
}

TEST(arena_copies_keep_zero_bytes_and_null_stays_null)
{
    CLEANUP(arena_done) struct arena a = { 0 };
    struct str s = arena_str(&a, (struct str){ "a\0b", 3 });
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.ptr, "a\0b", 4);
    assert_null(arena_str(&a, STR_NULL).ptr);
    assert_non_null(arena_str(&a, STR("")).ptr);
    assert_null(arena_text(&a, NULL));
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
}

TEST(an_arena_can_be_used_again_after_its_end)
{
    struct arena a = { 0 };
    arena_done(&a);
    assert_string_equal(arena_text(&a, "again"), "again");
    arena_done(&a);
    arena_done(&a);
}

/* ---- UTF-8 ---- */

TEST(utf8_takes_exactly_what_rfc_3629_allows)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool valid;
    } cases[] = {
        { "", 0, true },
        { "plain", 5, true },
        { "\0", 1, true },
        { "h\xc3\xa9", 3, true },
        { "\xe2\x82\xac", 3, true },
        { "\xf0\x9f\x98\x80", 4, true },
        { "\xf4\x8f\xbf\xbf", 4, true }, /* U+10FFFF */
        { "\xed\x9f\xbf", 3, true },     /* the last before the surrogates */
        { "\xee\x80\x80", 3, true },     /* the first behind them */
        { "\x80", 1, false },            /* continuation alone */
        { "\xff", 1, false },
        { "\xc0\x80", 2, false }, /* overlong NUL */
        { "\xc1\xbf", 2, false },
        { "\xe0\x9f\xbf", 3, false },     /* overlong */
        { "\xf0\x8f\xbf\xbf", 4, false }, /* overlong */
        { "\xed\xa0\x80", 3, false },     /* surrogate */
        { "\xf4\x90\x80\x80", 4, false }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", 4, false },
        { "\xc3", 1, false }, /* cut */
        { "\xe2\x82", 2, false },
        { "\xf0\x9f\x98", 3, false },
        { "\xc3(", 2, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (utf8_valid((struct str){ cases[i].bytes, cases[i].len }) != cases[i].valid)
            fail_msg("case %zu", i);
}

TEST(utf8_counts_characters_not_bytes)
{
    assert_int_equal(utf8_count(STR("")), 0);
    assert_int_equal(utf8_count(STR("h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80")), 9);
}

TEST(utf8_repair_replaces_each_bad_byte_and_keeps_the_rest)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    utf8_add_repaired(&b, STR("a\xff\xc3\xa9\xe2\x82z"));
    assert_str(buf_str(&b), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz");
    assert_true(utf8_valid(buf_str(&b)));
}

/* ---- base64 ---- */

TEST(base64_writes_the_vectors_of_rfc_4648)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf coded = { 0 }, plain = { 0 };
        base64_add(&coded, str_of(cases[i][0]));
        assert_string_equal(buf_str(&coded).ptr, cases[i][1]);
        assert_true(base64_decode(&plain, buf_str(&coded)));
        assert_str(buf_str(&plain), cases[i][0]);
    }
}

TEST(base64_brings_every_byte_back)
{
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    for (size_t len = 0; len <= sizeof all; len++) {
        CLEANUP(buf_done) struct buf coded = { 0 }, strict = { 0 }, lenient = { 0 };
        struct str bytes = { all, len };
        base64_add(&coded, bytes);
        assert_true(base64_decode(&strict, buf_str(&coded)));
        base64_decode_lenient(&lenient, buf_str(&coded));
        assert_true(str_eq(buf_str(&strict), bytes));
        assert_true(str_eq(buf_str(&lenient), bytes));
    }
}

TEST(strict_base64_refuses_everything_that_is_not_exactly_it)
{
    static const char *const bad[] = { "Z",     "Zg",   "Zg=",  "Zm9v\n", "Zm9 ",
                                       "Zm9v=", "====", "=g==", "Z===",   "Zg==Zg==",
                                       "Zm-v",  "Zm_v", "Zg=v", "Zm9vZg", "aGkK aGkK" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(buf_done) struct buf b = { 0 };
        buf_add_text(&b, "kept");
        if (base64_decode(&b, str_of(bad[i])))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(b.ptr, "kept");
        assert_int_equal(b.len, 4);
    }
}

TEST(lenient_base64_reads_what_clients_send)
{
    static const char *const cases[][2] = {
        { "ZWNob yBoaQ", "echo hi" }, /* a space, no padding */
        { "YQ==YQ==", "a" },          /* stops at the padding */
        { "=YQ==", "a" },             /* a leading '=' is skipped */
        { "Y=Q=", "a" },              /* one character: '=' is skipped too */
        { "YWJj\r\nZGVm\n", "abcdef" },
        { "Y", "" }, /* a dangling character yields nothing */
        { "YWJjZ", "abc" },
        { "Y-W_J.j", "abc" },
        { "", "" },
        { "====", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf b = { 0 };
        base64_decode_lenient(&b, str_of(cases[i][0]));
        if (!str_is(buf_str(&b), cases[i][1]))
            fail_msg("\"%s\" gave \"%s\"", cases[i][0], buf_str(&b).ptr);
    }
}

/* ---- numbers ---- */

TEST(parse_int_takes_whole_decimal_numbers_alone)
{
    int64_t n = 77;
    assert_true(parse_int(STR("0"), &n) && n == 0);
    assert_true(parse_int(STR("-42"), &n) && n == -42);
    assert_true(parse_int(STR("+7"), &n) && n == 7);
    assert_true(parse_int(STR("9223372036854775807"), &n) && n == INT64_MAX);
    assert_true(parse_int(STR("-9223372036854775808"), &n) && n == INT64_MIN);
    static const char *const bad[] = { "",
                                       "-",
                                       "+",
                                       " 1",
                                       "1 ",
                                       "1.",
                                       "0x1",
                                       "1e3",
                                       "--1",
                                       "9223372036854775808",
                                       "-9223372036854775809" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(parse_int(str_of(bad[i]), &n));
    assert_false(parse_int((struct str){ "1\0", 2 }, &n));
    assert_true(n == INT64_MIN);
}

TEST(parse_double_takes_finite_decimal_numbers_alone)
{
    double d = 77;
    assert_true(parse_double(STR("2.5"), &d) && d == 2.5);
    assert_true(parse_double(STR("-1e3"), &d) && d == -1000);
    assert_true(parse_double(STR(".5"), &d) && d == .5);
    static const char *const bad[] = { "",   "inf", "nan", "0x10", "1e999", " 1",
                                       "1 ", "1,5", "-",   "e5",   "1e",    "infinity" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (parse_double(str_of(bad[i]), &d))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_true(d == .5);
}

TEST(hex_is_lower_case)
{
    char out[9];
    hex_text((const uint8_t *)"\x00\xff\x1a\x0b", 4, out);
    assert_string_equal(out, "00ff1a0b");
}

/* ---- err ---- */

TEST(an_err_names_the_cause_and_each_caller_its_place)
{
    struct err e = { 0 };
    errno = EACCES;
    assert_false(err_sys(&e, "open %s", "python.yaml"));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(e.sys, EACCES);
    assert_false(err_add(&e, "languages"));
    assert_string_equal(e.text, "languages: open python.yaml: Permission denied");
    err_reset(&e);
    assert_int_equal(e.kind, ERR_NONE);
    assert_string_equal(e.text, "");
}

TEST(a_full_err_keeps_the_cause_and_lets_the_context_go)
{
    struct err e = { 0 };
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(err_sysno(&e, ENOENT, "%s", longest));
    assert_non_null(strstr(e.text, ": No such file or directory"));
    err_set(&e, ERR_BUG, "%.230s", longest);
    err_add(&e, "a long context that does not fit");
    assert_non_null(strstr(e.text, "xxxxxxxx"));
    assert_true(strlen(e.text) < sizeof e.text);
    err_set(&e, ERR_LIMIT, "cause");
    err_add(&e, "%s", longest);
    assert_string_equal(e.text + strlen(e.text) - 7, ": cause");
}

TEST(an_invalid_err_says_which_field)
{
    struct err e = { 0 };
    assert_false(err_invalid(&e, "tests[3].stdin", "must be a string"));
    assert_int_equal(e.kind, ERR_INVALID);
    assert_string_equal(e.field, "tests[3].stdin");
    assert_false(err_set(&e, ERR_CONFLICT, "other"));
    assert_string_equal(e.field, "");
    for (int k = ERR_NONE; k <= ERR_BUG; k++)
        assert_string_not_equal(err_kind_name((enum err_kind)k), "unknown");
    assert_string_equal(err_kind_name((enum err_kind)99), "unknown");
}

/* ---- hash ---- */

TEST(a_hash_depends_on_how_the_pieces_are_cut)
{
    char a[HASH_TEXT], b[HASH_TEXT], c[HASH_TEXT];
    struct hash *h = hash_new();
    hash_add(h, STR("ab"));
    hash_add(h, STR("c"));
    hash_finish(h, a);
    h = hash_new();
    hash_add(h, STR("a"));
    hash_add(h, STR("bc"));
    hash_finish(h, b);
    h = hash_new();
    hash_add(h, STR("ab"));
    hash_add(h, STR("c"));
    hash_finish(h, c);
    assert_string_equal(a, c);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(strspn(a, "0123456789abcdef"), 64);
    h = hash_new();
    hash_add_int(h, 1);
    hash_finish(h, b);
    h = hash_new();
    hash_add_int(h, 2);
    hash_finish(h, c);
    assert_string_not_equal(b, c);
}

TEST(tokens_are_random_uuids_of_version_4)
{
    char seen[64][TOKEN_TEXT];
    for (size_t i = 0; i < COUNT_OF(seen); i++) {
        token_new(seen[i]);
        assert_true(token_valid(str_of(seen[i])));
        assert_int_equal(seen[i][14], '4');
        assert_non_null(strchr("89ab", seen[i][19]));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
    }
    assert_false(token_valid(STR("")));
    assert_false(token_valid(STR("0B1c4f5e-0000-4000-8000-000000000000")));
    assert_false(token_valid(STR("0b1c4f5e00000-4000-8000-000000000000")));
    assert_false(token_valid(STR("0b1c4f5e-0000-4000-8000-00000000000g")));
    assert_false(token_valid(STR("0b1c4f5e-0000-4000-8000-0000000000001")));
    assert_false(token_valid(STR("../../../../../../../../etc/passwd..")));
}

TEST(secrets_are_compared_whole)
{
    assert_true(secret_eq(STR("abc"), STR("abc")));
    assert_false(secret_eq(STR("abc"), STR("abd")));
    assert_false(secret_eq(STR("abc"), STR("ab")));
    assert_true(secret_eq(STR(""), STR("")));
}

/* ---- clock ---- */

TEST(wall_text_has_three_digits_and_z)
{
    char out[32];
    wall_text(INT64_C(1795437763982999), out, sizeof out);
    assert_string_equal(out, "2026-11-23T12:42:43.982Z");
    wall_text(0, out, sizeof out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    struct timespec ts = us_to_timespec(1500000);
    assert_int_equal(ts.tv_sec, 1);
    assert_int_equal(ts.tv_nsec, 500000000);
    int64_t before = mono_us();
    assert_true(mono_us() >= before);
}

/* ---- file ---- */

/* A folder of its own, removed by the test. */
static int scratch(char path[64])
{
    snprintf(path, 64, "/tmp/evalx-test-base-XXXXXX");
    assert_non_null(mkdtemp(path));
    struct err e = { 0 };
    int dir = dir_open(path, 0755, &e);
    assert_true(dir >= 0);
    return dir;
}

TEST(a_calendar_does_not_believe_a_clock_that_jumps_before_an_hour)
{
    const int64_t minute = 60 * US_PER_S, hour = 60 * minute, year = 365 * 24 * hour;
    struct calendar c = { 0 };
    assert_int_equal(calendar_date(&c, year, 7), year);
    assert_int_equal(calendar_date(&c, year + minute, 7 + minute), year + minute);
    assert_int_equal(calendar_date(&c, year + minute + 9, 8 + minute),
                     year + minute + 9); /* drifts */

    int64_t wall = year + minute + 9, mono = 8 + minute; /* ahead, and back */
    assert_int_equal(calendar_date(&c, wall + year, mono + 5), wall + 5);
    assert_int_equal(calendar_date(&c, wall + hour / 2, mono + hour / 2), wall + hour / 2);
    /* back, which is the earlier date */
    assert_int_equal(calendar_date(&c, wall - year, mono + hour / 2), wall - year);
    assert_int_equal(calendar_date(&c, wall - year + hour / 2, mono + hour),
                     wall - year + hour / 2);
    /* ahead again by another year: that is a jump of its own */
    assert_int_equal(calendar_date(&c, wall + year + hour, mono + hour), wall + hour);
    assert_int_equal(calendar_date(&c, wall + year + 2 * hour - 1, mono + 2 * hour - 1),
                     wall + 2 * hour - 1);
    assert_int_equal(calendar_date(&c, wall + year + 2 * hour, mono + 2 * hour),
                     wall + year + 2 * hour); /* it has stood for an hour */
    assert_int_equal(calendar_date(&c, wall + year + 3 * hour, mono + 3 * hour),
                     wall + year + 3 * hour);
}

TEST(a_file_is_replaced_whole_and_read_back)
{
    struct err e = { 0 };
    char path[64];
    CLEANUP(fd_close) int dir = scratch(path);
    CLEANUP(buf_done) struct buf b = { 0 };
    MUST(file_replace(dir, "f", STR("old and long"), 0640, &e));
    MUST(file_replace(dir, "f", ((struct str){ "n\0w", 3 }), 0640, &e));
    MUST(file_read(dir, "f", 100, &b, &e));
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.ptr, "n\0w", 3);
    struct stat st;
    assert_int_equal(fstatat(dir, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(unlinkat(dir, "f", 0), 0);
    assert_int_equal(rmdir(path), 0); /* no temporary file is left */
}

TEST(a_file_that_is_too_long_or_not_there_says_so)
{
    struct err e = { 0 };
    char path[64];
    CLEANUP(fd_close) int dir = scratch(path);
    CLEANUP(buf_done) struct buf b = { 0 };
    MUST(file_replace(dir, "f", STR("12345"), 0600, &e));
    MUST(file_read(dir, "f", 5, &b, &e));
    buf_reset(&b);
    assert_false(file_read(dir, "f", 4, &b, &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    assert_false(file_read(dir, "absent", 4, &b, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "absent"));
    assert_int_equal(unlinkat(dir, "f", 0), 0);
    assert_int_equal(rmdir(path), 0);
}

TEST(dir_open_makes_the_parents_too)
{
    struct err e = { 0 };
    char path[64], deep[128], part[128];
    fd_close(scratch(path));
    snprintf(deep, sizeof deep, "%s/a/b", path);
    CLEANUP(fd_close) int dir = dir_open(deep, 0755, &e);
    assert_true(dir >= 0);
    assert_int_equal(fcntl(dir, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CLEANUP(fd_close) int again = dir_open(deep, 0755, &e);
    assert_true(again >= 0);
    assert_int_equal(dir_open("", 0755, &e), -1);
    assert_int_equal(dir_open("/dev/null/x", 0755, &e), -1);
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(rmdir(deep), 0);
    snprintf(part, sizeof part, "%s/a", path);
    assert_int_equal(rmdir(part), 0);
    assert_int_equal(rmdir(path), 0);
}

TEST(a_sealed_memory_file_cannot_be_changed_by_anyone)
{
    struct err e = { 0 };
    CLEANUP(fd_close) int fd = memfd_of("t", STR("bytes"), 0444, &e);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_ptr_equal(mmap(NULL, 5, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    char back[6] = { 0 };
    assert_int_equal(pread(fd, back, 5, 0), 5);
    assert_string_equal(back, "bytes");
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
}

TEST(descriptors_are_written_and_read_through_a_pipe)
{
    struct err e = { 0 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    MUST(fd_write_all(ends[1], STR("through"), &e));
    fd_close(ends[1]);
    CLEANUP(buf_done) struct buf b = { 0 };
    MUST(fd_read_all(ends[0], 100, &b, &e));
    assert_string_equal(b.ptr, "through");
    fd_close(ends[0]);
    errno = ENOENT;
    fd_close(-1);
    assert_int_equal(errno, ENOENT);
    assert_false(fd_write_all(-1, STR("x"), &e));
    assert_int_equal(e.sys, EBADF);
}

RUN_TESTS(T(an_empty_buf_gives_an_empty_str_and_no_null),
          T(a_buf_keeps_zero_bytes_and_always_ends_in_one_more),
          T(a_buf_grows_over_many_sizes_without_losing_a_byte),
          T(reserved_room_can_be_written_and_counted),
          T(not_given_and_empty_are_equal_in_bytes_but_not_the_same),
          T(arena_memory_is_zeroed_aligned_and_does_not_overlap),
          T(an_arena_holds_big_things_between_small_ones),
          T(arena_copies_keep_zero_bytes_and_null_stays_null),
          T(an_arena_can_be_used_again_after_its_end), T(utf8_takes_exactly_what_rfc_3629_allows),
          T(utf8_counts_characters_not_bytes),
          T(utf8_repair_replaces_each_bad_byte_and_keeps_the_rest),
          T(base64_writes_the_vectors_of_rfc_4648), T(base64_brings_every_byte_back),
          T(strict_base64_refuses_everything_that_is_not_exactly_it),
          T(lenient_base64_reads_what_clients_send), T(parse_int_takes_whole_decimal_numbers_alone),
          T(parse_double_takes_finite_decimal_numbers_alone), T(hex_is_lower_case),
          T(an_err_names_the_cause_and_each_caller_its_place),
          T(a_full_err_keeps_the_cause_and_lets_the_context_go), T(an_invalid_err_says_which_field),
          T(a_hash_depends_on_how_the_pieces_are_cut), T(tokens_are_random_uuids_of_version_4),
          T(secrets_are_compared_whole), T(wall_text_has_three_digits_and_z),
          T(a_calendar_does_not_believe_a_clock_that_jumps_before_an_hour),
          T(a_file_is_replaced_whole_and_read_back),
          T(a_file_that_is_too_long_or_not_there_says_so), T(dir_open_makes_the_parents_too),
          T(a_sealed_memory_file_cannot_be_changed_by_anyone),
          T(descriptors_are_written_and_read_through_a_pipe))
