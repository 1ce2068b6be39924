/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/clock.h"
#include "lang/command.h"
#include "lang/lang_file.h"
#include "lang/near.h"
#include "lang/probe.h"
#include "languages.h"
#include "test.h"

#include <errno.h>
#include <sys/wait.h>

#define MINIMAL LANGUAGE_HEAD("toy") "run: [/bin/cat, '{source}']\nsource_file: toy.txt\n"

static bool parse(const char *text, struct arena *arena, struct language_file *ret, struct err *e)
{
    return language_parse("toy.yaml", str_of(text), arena, ret, e);
}

static const char *joined(const char *const *words, struct arena *arena)
{
    char *all = arena_text(arena, "");
    for (; words && *words; words++)
        all = arena_printf(arena, "%s<%s>", all, *words);
    return all;
}

/* ---- files ---- */

TEST(a_minimal_file_is_read_and_the_rest_has_defaults)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct language_file f;
    struct err e = { 0 };
    MUST(parse(MINIMAL, &arena, &f, &e));
    assert_string_equal(f.language.id, "toy");
    assert_string_equal(f.language.name, "The toy");
    assert_string_equal(f.language.source_file, "toy.txt");
    assert_null(f.language.build.argv);
    assert_string_equal(joined(f.language.run.argv, &arena), "</bin/cat><{source}>");
    assert_null(f.language.aliases[0]);
    assert_null(f.language.env[0]);
    assert_null(f.language.artifact[0]);
    assert_true(f.language.time_factor == 1 && f.language.memory_factor == 1);
    assert_int_equal(f.language.judge0_count, 0);
    assert_null(f.language.test_stdin);
}

TEST(a_whole_file_is_read)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct language_file f;
    struct err e = { 0 };
    MUST(parse(MINIMAL "aliases: [t, toy2]\n"
                       "judge0:\n"
                       "  - {id: 54, name: 'C++ (GCC 9.2.0)', source_file: main.cc}\n"
                       "  - {id: 4, archived: true}\n"
                       "build: [/bin/cp, '{options}', '{source}', a.out]\n"
                       "artifact: [a.out]\nsingle_executable: true\n"
                       "env: [A=b, C=]\netc: [alternatives]\nmounts: [/opt/x]\n"
                       "time_factor: 2\nmemory_factor: 1.5\nmemory_extra_mb: 64\n"
                       "processes_least: 70\nbuild_memory_mb: 512\nbuild_wall_s: 9\n",
               &arena, &f, &e));
    const struct language *l = &f.language;
    assert_string_equal(joined(l->aliases, &arena), "<t><toy2>");
    assert_int_equal(l->judge0_count, 2);
    assert_int_equal(l->judge0[0].id, 54);
    assert_string_equal(l->judge0[0].name, "C++ (GCC 9.2.0)");
    assert_string_equal(l->judge0[0].source_file, "main.cc");
    assert_false(l->judge0[0].archived);
    assert_true(l->judge0[1].archived);
    assert_null(l->judge0[1].name);
    assert_string_equal(joined(l->build.argv, &arena), "</bin/cp><{options}><{source}><a.out>");
    assert_true(l->single_executable);
    assert_string_equal(joined(l->env, &arena), "<A=b><C=>");
    assert_string_equal(joined(l->etc, &arena), "<alternatives>");
    assert_string_equal(joined(l->mounts, &arena), "</opt/x>");
    assert_true(l->time_factor == 2 && l->memory_factor == 1.5);
    assert_int_equal(l->memory_extra_bytes, 64 << 20);
    assert_int_equal(l->processes_least, 70);
    assert_int_equal(l->build_memory_bytes, 512 << 20);
    assert_int_equal(l->build_wall_us, 9000000);
}

TEST(a_broken_file_is_refused_with_its_name_and_the_key)
{
    static const struct {
        const char *text;
        const char *needle;
    } cases[] = {
        { "", "toy.yaml" },
        { "[1, 2]", "toy.yaml" },
        { "id: toy\n", "name" },
        { MINIMAL "aliasses: [a]\n", "aliasses" },
        { MINIMAL "aliases: {a: b}\n", "aliases" },
        { MINIMAL "judge0: [{id: many}]\n", "'id' (line: 8" },
        { MINIMAL "judge0: [{id: 0}]\n", "judge0" },
        { MINIMAL "judge0: [{name: x}]\n", "id" },
        { MINIMAL "time_factor: fast\n", "time_factor" },
        { MINIMAL "time_factor: 0\n", "time_factor" },
        { MINIMAL "memory_factor: .nan\n", "memory_factor" },
        { MINIMAL "processes_least: -1\n", "processes_least" },
        { MINIMAL "single_executable: perhaps\n", "single_executable" },
        { MINIMAL "single_executable: true\n", "single_executable" },
        { MINIMAL "artifact: [x]\n", "artifact" },
        { MINIMAL "build: [/bin/true]\n", "artifact" },
        { MINIMAL "build: [/bin/true, '{optoins}']\nartifact: [x]\n", "build" },
        { MINIMAL "build: [/bin/true, '-x{args}']\nartifact: [x]\n", "build" },
        { MINIMAL "env: [A]\n", "env" },
        { MINIMAL "etc: [/etc/x]\n", "etc" },
        { MINIMAL "etc: [../root]\n", "etc" },
        { MINIMAL "mounts: [x]\n", "mounts" },
        { MINIMAL "aliases: [a b]\n", "aliases" },
        { MINIMAL "aliases: ['54']\n", "aliases" },
        { MINIMAL "aliases: ['a@b']\n", "aliases" },
        { MINIMAL "id: twice\n", "toy.yaml" },
        { "id: &a toy\nname: *a\n", "toy.yaml" },
        { "id: [\n", "toy.yaml" },
        { "id: \"toy\n", "toy.yaml" },
        { "id: \xff\xfe\n", "toy.yaml" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(arena_done) struct arena arena = { 0 };
        struct language_file f;
        struct err e = { 0 };
        if (parse(cases[i].text, &arena, &f, &e)) {
            if (strstr(cases[i].text, "twice")) /* libcyaml lets the last of two keys count */
                continue;
            fail_msg("case %zu was taken: %s", i, cases[i].text);
        }
        assert_int_equal(e.kind, ERR_INVALID);
        if (!strstr(e.text, "toy.yaml") || !strstr(e.text, cases[i].needle))
            fail_msg("case %zu says: %s", i, e.text);
    }
}

TEST(a_broken_schema_says_the_line)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct language_file f;
    struct err e = { 0 };
    assert_false(parse(MINIMAL "\n\nenv: {A: b}\n", &arena, &f, &e));
    if (!strstr(e.text, "line: 10"))
        fail_msg("%s", e.text);
}

TEST(probe_rules_must_be_complete_and_harmless)
{
    static const char *const bad[] = {
        "version: {pattern: '(x)'}\n",
        "version: {argv: [/bin/true], file: /etc/x, pattern: '(x)'}\n",
        "version: {argv: [/bin/true]}\n",
        "version: {argv: [true], pattern: '(x)'}\n",
        "version: {file: x, pattern: '(x)'}\n",
        "version: {argv: [/bin/true], pattern: 'x'}\n",
        "version: {argv: [/bin/true], pattern: '(x'}\n",
        "version: {argv: [/bin/true], pattern: '((x{200}){200})'}\n",
        "version: {argv: [], pattern: '(x)'}\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(arena_done) struct arena arena = { 0 };
        struct language_file f;
        struct err e = { 0 };
        const char *text = arena_printf(&arena,
                                        "id: toy\nname: n\npackage: p\nrun: [x]\n"
                                        "test: {source: 'x', expected: ''}\n%s",
                                        bad[i]);
        if (parse(text, &arena, &f, &e))
            fail_msg("%s was taken", bad[i]);
        if (!strstr(e.text, "version") && !strstr(e.text, "pattern") && !strstr(e.text, "argv"))
            fail_msg("%s says: %s", bad[i], e.text);
    }
}

TEST(a_huge_file_is_refused_unread)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct language_file f;
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf b = { 0 };
    memset(buf_reserve(&b, LANGUAGE_FILE_BYTES + 1), ' ', LANGUAGE_FILE_BYTES + 1);
    b.len = LANGUAGE_FILE_BYTES + 1;
    assert_false(language_parse("toy.yaml", buf_str(&b), &arena, &f, &e));
}

/* ---- templates ---- */

TEST(a_template_takes_lists_and_words)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    const char *const argv[] = {
        "/usr/bin/cc",      "{options}",       "-o",   "{main}.out", "{source}", "{args}",
        "-Xmx{memory_mb}m", "{heap_mb}{main}", "${x}", "{unknown}",  "{}",       NULL
    };
    const char *const options[] = { "-O2", "-DX=1 2", "{args}", NULL };
    const char *const args[] = { "a b", "", NULL };
    struct command c = { argv };
    struct command_words words = { options, args, "src/main.c", "src/main", 256 << 20 };
    assert_string_equal(joined(command_fill(&c, &words, &arena), &arena),
                        "</usr/bin/cc><-O2><-DX=1 2><{args}><-o><src/main.out><src/main.c><a b><>"
                        "<-Xmx256m><192src/main><${x}><{unknown}><{}>");
}

TEST(empty_lists_leave_no_word_behind)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    const char *const argv[] = { "x", "{options}", "{args}", "{source}", NULL };
    struct command c = { argv };
    struct command_words words = { .source = "s", .memory_bytes = 1000 };
    assert_string_equal(joined(command_fill(&c, &words, &arena), &arena), "<x><s>");
    const char *const twice[] = { "{args}", "x", "{args}", NULL };
    const char *const args[] = { "1", "2", NULL };
    struct command repeated = { twice };
    words.args = args;
    assert_string_equal(joined(command_fill(&repeated, &words, &arena), &arena), "<1><2><x>");
    struct command none = { NULL };
    assert_null(command_fill(&none, &words, &arena)[0]);
}

TEST(templates_with_unknown_words_are_trouble)
{
    assert_null(template_trouble("plain"));
    assert_null(template_trouble("{source}"));
    assert_null(template_trouble("-Xmx{memory_mb}m"));
    assert_null(template_trouble("${name}"));
    assert_null(template_trouble("{}"));
    assert_null(template_trouble("{ x; }"));
    assert_non_null(template_trouble("{sources}"));
    assert_non_null(template_trouble("a{options}"));
    assert_non_null(template_trouble("{args}{args}"));
}

/* ---- the catalogue ---- */

TEST(a_catalogue_is_sorted_and_knows_ids_aliases_and_versions)
{
    static const struct language_text texts[] = {
        { "b.yaml", LANGUAGE_HEAD("python") "run: [/bin/cat]\naliases: [python3, py]\n"
                                            "judge0: [{id: 71, name: 'Python (3.8.1)'}]\n" },
        { "a.yaml", LANGUAGE_HEAD("zig") "run: [/bin/cat]\n" },
        { "notes.txt", "not a language" },
        { ".hidden.yaml", "not: one" },
    };
    struct err e = { 0 };
    CLEANUP(catalogue_free) struct catalogue *c = catalogue_of(texts, COUNT_OF(texts), &e);
    MUST(c);
    assert_int_equal(catalogue_count(c), 2);
    assert_string_equal(catalogue_at(c, 0)->id, "python");
    assert_string_equal(catalogue_at(c, 1)->id, "zig");
    const struct language *python = catalogue_at(c, 0);
    assert_true(python->offered);
    assert_string_equal(python->version, "3.11.2");
    assert_int_equal(strlen(python->toolchain), 64);

    static const char *const found[] = { "python",   "python3", "py",
                                         "python@3", "py@3.11", "python3@3.11.2" };
    for (size_t i = 0; i < COUNT_OF(found); i++)
        assert_ptr_equal(catalogue_find(c, str_of(found[i]), &e), python);
    static const char *const missed[] = { "",         "Pyhton", "python@",         "python@3.1",
                                          "python@4", "@3",     "python@3.11.2.1", "python@2@3" };
    for (size_t i = 0; i < COUNT_OF(missed); i++) {
        if (catalogue_find(c, str_of(missed[i]), &e))
            fail_msg("%s was found", missed[i]);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_string_equal(e.field, "language");
    }
    assert_null(catalogue_find(c, STR("pyhton"), &e));
    assert_non_null(strstr(e.text, "did you mean \"python\""));
    assert_null(catalogue_find(c, (struct str){ "python\0", 7 }, &e));

    const struct judge0_name *name = NULL;
    assert_ptr_equal(catalogue_find_judge0(c, 71, &name), python);
    assert_string_equal(name->name, "Python (3.8.1)");
    assert_null(catalogue_find_judge0(c, 72, NULL));
    assert_null(catalogue_find_judge0(c, -1, NULL));
}

TEST(a_missing_toolchain_leaves_the_language_out_and_no_more)
{
    static const struct language_text texts[] = {
        { "a.yaml", "id: a\nname: A\npackage: a-tools\nrun: [/nonexistent/a]\n"
                    "version: {argv: [/nonexistent/a, -v], pattern: '(.)'}\n"
                    "test: {source: x, expected: x}\n" },
        { "b.yaml", "id: b\nname: B\npackage: b\nrun: [/nonexistent/b]\n"
                    "version: {argv: [/bin/echo, '1'], pattern: '(.)'}\n"
                    "test: {source: x, expected: x}\n" },
        { "c.yaml", "id: c\nname: C\npackage: c\nrun: [/bin/cat]\n"
                    "version: {argv: [/bin/false], pattern: '(.)'}\n"
                    "test: {source: x, expected: x}\n" },
        { "d.yaml", "id: d\nname: D\npackage: d\nrun: [/bin/cat]\n"
                    "version: {argv: [/bin/echo, no number], pattern: '([0-9]+)'}\n"
                    "test: {source: x, expected: x}\n" },
        { "e.yaml", "id: e\nname: E\npackage: e\nrun: [/bin/cat]\n"
                    "version: {file: /proc/version, pattern: 'version ([0-9.]+)'}\n"
                    "test: {source: x, expected: x}\n" },
    };
    struct err e = { 0 };
    CLEANUP(catalogue_free) struct catalogue *c = catalogue_of(texts, COUNT_OF(texts), &e);
    MUST(c);
    assert_int_equal(catalogue_count(c), 5);
    for (size_t i = 0; i < 4; i++)
        assert_false(catalogue_at(c, i)->offered);
    assert_null(catalogue_at(c, 0)->version);
    assert_string_equal(catalogue_at(c, 1)->version, "1");
    assert_true(catalogue_at(c, 4)->offered);
    assert_ptr_equal(catalogue_find(c, STR("a"), &e), catalogue_at(c, 0));
}

TEST(a_tool_that_hangs_does_not_hold_up_the_start_for_ever)
{
    static const char *const hangs[] = { "/bin/sleep", "1000", NULL };
    static const char *const answers[] = { "/bin/echo", "1", NULL };
    static const char *const run[] = { "/bin/cat", NULL };
    struct language_file files[2] = {
        { .probe = { .argv = hangs, .pattern = "(.)" }, .language.run.argv = run },
        { .probe = { .argv = answers, .pattern = "(.)" }, .language.run.argv = run },
    };
    static const struct str sources[2] = { { "a", 1 }, { "b", 1 } };
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct err e = { 0 };
    MUST(probe_all(files, sources, 2, 300 * US_PER_MS, &arena, &e));
    assert_false(files[0].language.offered);
    assert_true(files[1].language.offered);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left behind */
    assert_int_equal(errno, ECHILD);
}

TEST(the_toolchain_hash_follows_the_file_and_the_tool)
{
    static const struct language_text one[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [/bin/cat]\n" },
    };
    static const struct language_text other_file[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [/bin/cat, -n]\n" },
    };
    struct err e = { 0 };
    CLEANUP(catalogue_free) struct catalogue *a = catalogue_of(one, 1, &e);
    CLEANUP(catalogue_free) struct catalogue *b = catalogue_of(one, 1, &e);
    CLEANUP(catalogue_free) struct catalogue *c = catalogue_of(other_file, 1, &e);
    assert_string_equal(catalogue_at(a, 0)->toolchain, catalogue_at(b, 0)->toolchain);
    assert_string_not_equal(catalogue_at(a, 0)->toolchain, catalogue_at(c, 0)->toolchain);
}

TEST(only_what_exists_is_listed_for_the_box)
{
    static const struct language_text texts[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [/bin/cat]\netc: [no-such-thing, passwd]\n"
                                       "mounts: [/no-such-thing, /usr]\n" },
    };
    struct err e = { 0 };
    CLEANUP(arena_done) struct arena arena = { 0 };
    CLEANUP(catalogue_free) struct catalogue *c = catalogue_of(texts, COUNT_OF(texts), &e);
    MUST(c);
    assert_string_equal(joined(catalogue_at(c, 0)->etc, &arena), "<passwd>");
    assert_string_equal(joined(catalogue_at(c, 0)->mounts, &arena), "</usr>");
}

TEST(two_languages_may_not_share_a_name_or_an_id)
{
    static const struct language_text same_id[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [x]\n" },
        { "b.yaml", LANGUAGE_HEAD("a") "run: [x]\n" },
    };
    static const struct language_text alias[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [x]\naliases: [q]\n" },
        { "b.yaml", LANGUAGE_HEAD("b") "run: [x]\naliases: [z, q]\n" },
    };
    static const struct language_text crossed[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [x]\naliases: [b]\n" },
        { "b.yaml", LANGUAGE_HEAD("b") "run: [x]\n" },
    };
    static const struct language_text judge0[] = {
        { "a.yaml", LANGUAGE_HEAD("a") "run: [x]\njudge0: [{id: 7}, {id: 8}]\n" },
        { "b.yaml", LANGUAGE_HEAD("b") "run: [x]\njudge0: [{id: 8}]\n" },
    };
    static const struct language_text *const all[] = { same_id, alias, crossed, judge0 };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct err e = { 0 };
        assert_null(catalogue_of(all[i], 2, &e));
        assert_int_equal(e.kind, ERR_CONFLICT);
    }
}

TEST(a_folder_must_be_there_and_hold_languages)
{
    struct err e = { 0 };
    assert_null(catalogue_load("/no/such/folder", &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_null(catalogue_of(NULL, 0, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    static const struct language_text broken[] = { { "bad.yaml", "id: 5\nnam: x\n" } };
    assert_null(catalogue_of(broken, 1, &e));
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.text, "bad.yaml"));
    assert_non_null(strstr(e.text, "nam"));
}

/* ---- near names ---- */

TEST(edits_are_counted_up_to_the_most_asked_for)
{
    assert_int_equal(edit_distance(STR("python"), STR("python"), 2), 0);
    assert_int_equal(edit_distance(STR("Python"), STR("python"), 2), 0);
    assert_int_equal(edit_distance(STR("pyhton"), STR("python"), 2), 1);
    assert_int_equal(edit_distance(STR("pithon"), STR("python"), 2), 1);
    assert_int_equal(edit_distance(STR("pthn"), STR("python"), 2), 2);
    assert_int_equal(edit_distance(STR("java"), STR("python"), 2), 3);
    assert_int_equal(edit_distance(STR(""), STR("ab"), 2), 2);
    assert_int_equal(edit_distance(STR(""), STR(""), 2), 0);
}

static const char *nearest(const char *word)
{
    static const char *const names[] = { "c",    "cpp",         "python",           "javascript",
                                         "java", "cpu_time_ms", "cpu_extra_time_ms" };
    struct near near = near_start(str_of(word));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        near_try(&near, names[i]);
    return near.best ? near.best : "-";
}

TEST(the_nearest_name_is_the_one_meant)
{
    assert_string_equal(nearest("pyton"), "python");
    assert_string_equal(nearest("javascrip"), "javascript");
    assert_string_equal(nearest("javas"), "java");
    assert_string_equal(nearest("JAVA"), "java");
    assert_string_equal(nearest("cpu_time"), "cpu_time_ms");
    assert_string_equal(nearest("cpu_tiem_ms"), "cpu_time_ms");
    assert_string_equal(nearest("fortran"), "-");
    assert_string_equal(nearest("xy"), "-");
    assert_string_equal(nearest(""), "-");
    static char longest[100000];
    memset(longest, 'p', sizeof longest - 1);
    assert_string_equal(nearest(longest), "-");
}

RUN_TESTS(T(a_minimal_file_is_read_and_the_rest_has_defaults), T(a_whole_file_is_read),
          T(a_broken_file_is_refused_with_its_name_and_the_key), T(a_broken_schema_says_the_line),
          T(probe_rules_must_be_complete_and_harmless), T(a_huge_file_is_refused_unread),
          T(a_template_takes_lists_and_words), T(empty_lists_leave_no_word_behind),
          T(templates_with_unknown_words_are_trouble),
          T(a_catalogue_is_sorted_and_knows_ids_aliases_and_versions),
          T(a_missing_toolchain_leaves_the_language_out_and_no_more),
          T(a_tool_that_hangs_does_not_hold_up_the_start_for_ever),
          T(the_toolchain_hash_follows_the_file_and_the_tool),
          T(only_what_exists_is_listed_for_the_box), T(two_languages_may_not_share_a_name_or_an_id),
          T(a_folder_must_be_there_and_hold_languages),
          T(edits_are_counted_up_to_the_most_asked_for), T(the_nearest_name_is_the_one_meant))
