/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "engine/recipe.h"

static struct job job_with(struct job_file *files, size_t count)
{
    static const char *none[] = { NULL };
    return (struct job){
        .files = files, .file_count = count, .compiler_options = none, .args = none, .env = none
    };
}

static const char *main_word(const char *path, const char *entrypoint, struct arena *arena)
{
    struct job_file file = { path, STR("x") };
    struct job job = job_with(&file, 1);
    job.entrypoint = entrypoint;
    struct job_test test = { .id = "1" };
    job.tests = &test;
    job.test_count = 1;
    return recipe_run_words(&job, 0, arena).main;
}

TEST(main_is_the_entry_point_without_its_ending)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    assert_string_equal(main_word("Main.java", NULL, &arena), "Main");
    assert_string_equal(main_word("Main.java", "pkg/App.java", &arena), "pkg/App");
    assert_string_equal(main_word("a.b/prog", NULL, &arena), "a.b/prog");
    assert_string_equal(main_word(".hidden", NULL, &arena), ".hidden");
    assert_string_equal(main_word("x.tar.gz", NULL, &arena), "x.tar");
}

static void key_of(const char *path, const char *content, const char *toolchain, const char *option,
                   char out[HASH_TEXT])
{
    struct job_file files[] = { { path, str_of(content) }, { "b.h", STR("b") } };
    struct job job = job_with(files, 2);
    struct language lang = { .id = "c", .toolchain = toolchain };
    const char *argv[] = { "cc", option, NULL };
    recipe_key(&job, &lang, argv, out);
}

TEST(the_key_changes_with_all_that_decides_the_build)
{
    char keys[6][HASH_TEXT];
    key_of("a.c", "int x;", "gcc 12", "-O1", keys[0]);
    key_of("a.c", "int y;", "gcc 12", "-O1", keys[1]);
    key_of("c.c", "int x;", "gcc 12", "-O1", keys[2]);
    key_of("a.c", "int x;", "gcc 13", "-O1", keys[3]);
    key_of("a.c", "int x;", "gcc 12", "-O2", keys[4]);
    key_of("a.ci", "nt x;", "gcc 12", "-O1", keys[5]);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
    char again[HASH_TEXT];
    key_of("a.c", "int x;", "gcc 12", "-O1", again);
    assert_string_equal(again, keys[0]);
}

TEST(a_language_may_ask_for_more_in_its_build_than_the_server_gives)
{
    struct box_limits server = {
        .cpu_us = 10 * US_PER_S, .wall_us = 20 * US_PER_S, .memory_bytes = 100, .processes = 50
    };
    struct language c = { .id = "c" };
    struct box_limits l = recipe_build_limits(&server, &c);
    assert_int_equal(l.wall_us, 20 * US_PER_S);
    assert_int_equal(l.cpu_us, 10 * US_PER_S);
    assert_int_equal(l.memory_bytes, 100);
    assert_int_equal(l.processes, 50);

    struct language go = { .id = "go",
                           .build_wall_us = 60 * US_PER_S,
                           .build_memory_bytes = 1000,
                           .processes_least = 64 };
    l = recipe_build_limits(&server, &go);
    assert_int_equal(l.wall_us, 60 * US_PER_S);
    assert_int_equal(l.cpu_us, 60 * US_PER_S);
    assert_int_equal(l.memory_bytes, 1000);
    assert_int_equal(l.processes, 64);
}

TEST(no_limit_of_a_build_is_left_at_nothing)
{
    struct box_limits server = { 0 };
    struct language c = { .id = "c", .processes_least = 4 };
    struct box_limits l = recipe_build_limits(&server, &c);
    assert_true(l.wall_us > 0 && l.memory_bytes > 0 && l.stack_bytes > 0 && l.output_bytes > 0 &&
                l.file_bytes > 0 && l.processes > 4);
}

TEST(a_name_stands_in_the_environment_once)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    const char *lang_env[] = { "HOME=/box", "A=1", NULL }, *extra[] = { "A=2", "AB=3", NULL };
    struct language lang = { .id = "x", .env = lang_env };
    const char *const *env = recipe_env(&lang, extra, &arena);
    int count = 0, homes = 0;
    for (; env[count]; count++)
        homes += strncmp(env[count], "HOME=", 5) == 0;
    assert_int_equal(homes, 1);
    assert_int_equal(count, 6);
    assert_string_equal(env[1], "HOME=/box");
    assert_string_equal(env[4], "A=2");
    assert_string_equal(env[5], "AB=3");
}

RUN_TESTS(T(main_is_the_entry_point_without_its_ending),
          T(the_key_changes_with_all_that_decides_the_build),
          T(a_language_may_ask_for_more_in_its_build_than_the_server_gives),
          T(no_limit_of_a_build_is_left_at_nothing), T(a_name_stands_in_the_environment_once))
