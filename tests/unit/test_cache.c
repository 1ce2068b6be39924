/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/cache.h"

static char folder[] = "/tmp/evalx-test-XXXXXX";

static int make_folder(UNUSED void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(UNUSED void **state)
{
    struct err e;
    struct cache_config config = { .folder = folder };
    struct cache *c = cache_open(&config, &e); /* a budget of 0 removes all */
    cache_close(c);
    for (unsigned i = 0; i < 256; i++) {
        char sub[64];
        snprintf(sub, sizeof sub, "%s/%02x", folder, i);
        rmdir(sub);
    }
    return rmdir(folder);
}

static struct cache *open_cache(bool on_disk, int64_t disk, int64_t memory)
{
    struct err e = { 0 };
    struct cache_config config = { .folder = on_disk ? folder : NULL,
                                   .disk_bytes = disk,
                                   .memory_bytes = memory,
                                   .memory_files = 1000 };
    struct cache *c = cache_open(&config, &e);
    if (!c)
        fail_msg("%s", e.text);
    return c;
}

/* A key that starts with these digits. */
static const char *key_of(unsigned n)
{
    static char keys[16][HASH_TEXT];
    static unsigned next;
    char *key = keys[next++ % COUNT_OF(keys)];
    snprintf(key, HASH_TEXT, "%04x%060x", n, n);
    return key;
}

static struct artifact *artifact_with(const char *content, size_t len, const char *said)
{
    struct err e = { 0 };
    struct report report = { 0 };
    report.files = calloc(2, sizeof *report.files);
    for (int i = 0; i < 2; i++) {
        int fd = memfd_of("test", (struct str){ content, len }, 0755, &e);
        assert_true(fd >= 0);
        report.files[i] =
            (struct report_file){ strdup(i ? "dir/b.class" : "a.out"), fd, (int64_t)len, 0755 };
    }
    report.file_count = 2;
    struct artifact *a = artifact_new();
    a->compile = (struct outcome){ .verdict = VERDICT_ACCEPTED,
                                   .cpu_us = 11,
                                   .wall_us = 22,
                                   .memory_bytes = 33,
                                   .out_cut = true,
                                   .out = arena_str(&a->arena, str_of(said)) };
    artifact_take_files(a, &report);
    report_done(&report);
    return a;
}

static void put(struct cache *c, unsigned n, size_t len)
{
    char content[100000] = "content";
    CHECK(len <= sizeof content);
    CLEANUP(artifact_unref) struct artifact *a = artifact_with(content, len, "said");
    cache_put(c, key_of(n), a);
}

static bool has(struct cache *c, unsigned n)
{
    CLEANUP(artifact_unref) struct artifact *a = cache_get(c, key_of(n));
    return a != NULL;
}

static struct cache_stats stats_of(struct cache *c)
{
    struct cache_stats stats;
    cache_stats(c, &stats);
    return stats;
}

static void path_of(unsigned n, char *path, size_t size)
{
    const char *key = key_of(n);
    snprintf(path, size, "%s/%.2s/%s", folder, key, key);
}

static void assert_content(const struct artifact *a, size_t i, const char *content, size_t len)
{
    char *bytes = calloc(1, len + 1);
    assert_int_equal(a->files[i].size, len);
    assert_int_equal(pread(a->files[i].fd, bytes, len + 1, 0), len);
    assert_memory_equal(bytes, content, len);
    free(bytes);
}

TEST(what_was_put_is_found_under_its_key_only)
{
    CLEANUP(cache_close) struct cache *c = open_cache(false, 0, 1 << 20);
    put(c, 1, 10);
    assert_true(has(c, 1));
    assert_false(has(c, 2));
}

TEST(everything_comes_back_from_disk_as_it_was)
{
    static const char bytes[] = "\0ELF\xff\n\0";
    CLEANUP(artifact_unref) struct artifact *a = artifact_with(bytes, sizeof bytes, "warning: x");
    {
        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
        cache_put(c, key_of(7), a);
    }
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    CLEANUP(artifact_unref) struct artifact *b = cache_get(c, key_of(7));
    assert_non_null(b);
    assert_int_equal(b->compile.verdict, VERDICT_ACCEPTED);
    assert_int_equal(b->compile.cpu_us, 11);
    assert_int_equal(b->compile.wall_us, 22);
    assert_int_equal(b->compile.memory_bytes, 33);
    assert_true(b->compile.out_cut);
    assert_true(str_is(b->compile.out, "warning: x"));
    assert_int_equal(b->file_count, 2);
    assert_string_equal(b->files[0].path, "a.out");
    assert_string_equal(b->files[1].path, "dir/b.class");
    for (size_t i = 0; i < 2; i++) {
        assert_content(b, i, bytes, sizeof bytes);
        assert_int_equal(b->files[i].mode, 0755);
    }
    assert_int_equal(fcntl(b->files[0].fd, F_GET_SEALS),
                     F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    struct stat st;
    assert_int_equal(fstat(b->files[0].fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
}

TEST(the_second_look_does_not_read_the_disk)
{
    CLEANUP(cache_close) struct cache *first = open_cache(true, 1 << 20, 1 << 20);
    put(first, 3, 10);
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    assert_int_equal(stats_of(c).memory_files, 0);
    assert_true(has(c, 3));
    assert_int_equal(stats_of(c).memory_files, 2);
    char path[128];
    path_of(3, path, sizeof path);
    assert_int_equal(truncate(path, 0), 0);
    assert_true(has(c, 3));
}

TEST(a_damaged_file_is_a_miss_and_removed)
{
    /* Each byte in turn is too slow; each of these is another part of the form. */
    const off_t places[] = { 0, 5, 17, 60, 100, 300, -70, -1 };
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        {
            CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
            put(c, 9, 200);
        }
        char path[128];
        path_of(9, path, sizeof path);
        CLEANUP(fd_close) int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        off_t at = places[i] >= 0 ? places[i] : lseek(fd, 0, SEEK_END) + places[i];
        char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);

        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
        assert_false(has(c, 9));
        assert_int_equal(stats_of(c).damaged, 1);
        assert_int_equal(stats_of(c).disk_bytes, 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

TEST(a_file_cut_short_is_a_miss)
{
    {
        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
        put(c, 9, 200);
    }
    char path[128];
    path_of(9, path, sizeof path);
    assert_int_equal(truncate(path, 100), 0);
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    assert_false(has(c, 9));
    put(c, 9, 200);
    assert_true(has(c, 9));
}

TEST(memory_drops_the_least_recently_used)
{
    CLEANUP(cache_close) struct cache *c = open_cache(false, 0, 64 << 10);
    put(c, 1, 8000); /* two files of two pages, and what holds them: 18 KiB or more */
    put(c, 2, 8000);
    put(c, 3, 8000);
    assert_true(has(c, 1));
    put(c, 4, 8000);
    assert_true(has(c, 1));
    assert_false(has(c, 2));
    assert_true(has(c, 3));
    assert_true(has(c, 4));
    assert_true(stats_of(c).memory_bytes <= 64 << 10);
}

TEST(descriptors_are_bounded_too)
{
    struct err e = { 0 };
    struct cache_config config = { .memory_bytes = 1 << 30, .memory_files = 5 };
    CLEANUP(cache_close) struct cache *c = cache_open(&config, &e);
    for (unsigned i = 0; i < 20; i++)
        put(c, i, 10);
    assert_int_equal(stats_of(c).memory_files, 4);
    assert_true(has(c, 19) && has(c, 18));
    assert_false(has(c, 17));
}

TEST(disk_removes_the_least_recently_used)
{
    CLEANUP(cache_close) struct cache *c = open_cache(true, 5000, 0);
    for (unsigned i = 1; i <= 4; i++)
        put(c, i, 500); /* some 1200 bytes each */
    assert_true(has(c, 1));
    put(c, 5, 500);
    assert_false(has(c, 2));
    assert_true(has(c, 1) && has(c, 3) && has(c, 4) && has(c, 5));
    char path[128];
    path_of(2, path, sizeof path);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(stats_of(c).disk_bytes <= 5000);
}

static void age(unsigned n, time_t hours)
{
    char path[128];
    path_of(n, path, sizeof path);
    struct timespec when = { .tv_sec = time(NULL) - hours * 3600 };
    const struct timespec times[2] = { when, when };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

TEST(what_was_used_last_is_known_after_a_restart)
{
    {
        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 0);
        for (unsigned i = 1; i <= 3; i++)
            put(c, i, 500);
    }
    age(1, 30);
    age(2, 20);
    age(3, 10);
    {
        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 0);
        assert_true(has(c, 1)); /* its file says so from now on */
    }
    CLEANUP(cache_close) struct cache *c = open_cache(true, 3000, 0);
    assert_true(has(c, 1));
    assert_false(has(c, 2));
    assert_true(has(c, 3));
}

TEST(eviction_takes_no_file_from_its_user)
{
    CLEANUP(cache_close) struct cache *c = open_cache(false, 0, 30000);
    put(c, 1, 10);
    CLEANUP(artifact_unref) struct artifact *used = cache_get(c, key_of(1));
    put(c, 2, 8000);
    put(c, 3, 8000);
    assert_false(has(c, 1));
    assert_content(used, 0, "content\0\0\0", 10);
}

TEST(what_is_larger_than_the_cache_is_not_kept)
{
    CLEANUP(cache_close) struct cache *c = open_cache(true, 5000, 5000);
    put(c, 1, 100);
    put(c, 2, 50000);
    assert_false(has(c, 2));
    assert_int_equal(stats_of(c).memory_bytes, 0);
    assert_true(has(c, 1)); /* from disk */
}

TEST(failed_builds_stay_in_memory)
{
    {
        CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
        CLEANUP(artifact_unref) struct artifact *a = artifact_new();
        a->compile.verdict = VERDICT_COMPILE_ERROR;
        cache_put(c, key_of(1), a);
        assert_true(has(c, 1));
        assert_int_equal(stats_of(c).disk_bytes, 0);
    }
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    assert_false(has(c, 1));
}

TEST(clearing_forgets_memory_and_disk)
{
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    put(c, 1, 10);
    cache_clear(c);
    assert_false(has(c, 1));
    assert_int_equal(stats_of(c).memory_bytes, 0);
    assert_int_equal(stats_of(c).memory_files, 0);
    assert_int_equal(stats_of(c).disk_bytes, 0);
    put(c, 1, 10);
    assert_true(has(c, 1));
}

TEST(strange_files_in_the_folder_are_left_alone_and_torn_ones_removed)
{
    struct err e = { 0 };
    char path[160];
    snprintf(path, sizeof path, "%s/ab", folder);
    CLEANUP(fd_close) int dir = dir_open(path, 0700, &e);
    assert_true(dir >= 0);
    MUST(file_replace(dir, "abREADME", STR("hello"), 0600, &e));
    char torn[100];
    snprintf(torn, sizeof torn, "ab%062d.new.5", 0);
    MUST(file_replace(dir, torn, STR("half"), 0600, &e));
    CLEANUP(cache_close) struct cache *c = open_cache(true, 1 << 20, 1 << 20);
    assert_int_equal(stats_of(c).disk_bytes, 0);
    assert_int_equal(faccessat(dir, torn, F_OK, 0), -1);
    assert_int_equal(faccessat(dir, "abREADME", F_OK, 0), 0);
    assert_int_equal(unlinkat(dir, "abREADME", 0), 0);
}

TEST(a_folder_that_cannot_be_is_an_error)
{
    struct err e = { 0 };
    struct cache_config config = { .folder = "/dev/null/cache" };
    assert_null(cache_open(&config, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "/dev/null"));
}

#define D(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_put_is_found_under_its_key_only),
        D(everything_comes_back_from_disk_as_it_was),
        D(the_second_look_does_not_read_the_disk),
        D(a_damaged_file_is_a_miss_and_removed),
        D(a_file_cut_short_is_a_miss),
        T(memory_drops_the_least_recently_used),
        T(descriptors_are_bounded_too),
        D(disk_removes_the_least_recently_used),
        D(what_was_used_last_is_known_after_a_restart),
        T(eviction_takes_no_file_from_its_user),
        D(what_is_larger_than_the_cache_is_not_kept),
        D(failed_builds_stay_in_memory),
        D(clearing_forgets_memory_and_disk),
        D(strange_files_in_the_folder_are_left_alone_and_torn_ones_removed),
        T(a_folder_that_cannot_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
