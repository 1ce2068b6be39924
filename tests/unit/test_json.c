/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "test.h"

#include <math.h>

/* ---- JSON, reading ---- */

TEST(json_refuses_what_is_not_exactly_one_value)
{
    static const char *const bad[] = {
        /* structure */
        "",
        " ",
        "{",
        "]",
        "{\"a\":1",
        "{\"a\":1}x",
        "{} {}",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "1 2",
        "{a:1}",
        "{\"a\" 1}",
        "{1:2}",
        "// c\n1",
        "/* c */ 1",
        /* words */
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "TRUE",
        "truex",
        "nul",
        "+1",
        "-",
        "01",
        "-01",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e999",
        "0x10",
        /* strings */
        "{'a':1}",
        "['a']",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "{\"a\\u0000b\":1}",
        "{\"a\\u0000\" :1}",
        "\xff",
        "\"\xc3\x28\"",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = { 0 };
        CLEANUP(json_free) struct json *root = json_parse(str_of(bad[i]), &e);
        if (root)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_true(e.text[0]);
    }
}

TEST(json_tells_where_it_is_broken)
{
    struct err e = { 0 };
    assert_null(json_parse(STR("{\"a\": x}"), &e));
    assert_non_null(strstr(e.text, "byte 6"));
    assert_null(json_parse(STR("{\"a\": 1"), &e));
    assert_non_null(strstr(e.text, "byte 7"));
}

TEST(json_is_at_most_64_levels_deep)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf b = { 0 };
    for (int i = 0; i < 100000; i++)
        buf_add_char(&b, '[');
    assert_null(json_parse(buf_str(&b), &e));
    buf_reset(&b);
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, '[');
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, ']');
    CLEANUP(json_free) struct json *root = json_parse(buf_str(&b), &e);
    assert_non_null(root);
}

TEST(json_tells_null_from_absent_and_kinds_apart)
{
    struct err e = { 0 };
    CLEANUP(json_free)
    struct json *root = json_parse(STR("{\"n\":null,\"b\":true,\"i\":-5,\"d\":5.0,\"e\":1e2,\"s\":"
                                       "\"x\",\"a\":[1,null],\"o\":{}}"),
                                   &e);
    assert_non_null(root);
    assert_null(json_get(root, "absent"));
    assert_int_equal(json_kind(json_get(root, "n")), JSON_NULL);
    assert_int_equal(json_kind(json_get(root, "b")), JSON_BOOL);
    assert_int_equal(json_kind(json_get(root, "i")), JSON_INT);
    assert_int_equal(json_kind(json_get(root, "d")), JSON_DOUBLE);
    assert_int_equal(json_kind(json_get(root, "e")), JSON_DOUBLE);
    assert_int_equal(json_kind(json_get(root, "s")), JSON_TEXT);
    assert_int_equal(json_kind(json_get(root, "a")), JSON_ARRAY);
    assert_int_equal(json_kind(json_get(root, "o")), JSON_OBJECT);
    assert_true(json_as_bool(json_get(root, "b")));
    assert_int_equal(json_as_int(json_get(root, "i")), -5);
    assert_true(json_as_double(json_get(root, "i")) == -5);
    assert_true(json_as_double(json_get(root, "d")) == 5);
    assert_int_equal(json_count(json_get(root, "a")), 2);
    assert_int_equal(json_kind(json_at(json_get(root, "a"), 1)), JSON_NULL);
    assert_int_equal(json_count(root), 8);
    assert_int_equal(json_count(json_get(root, "s")), 0);
    assert_null(json_get(json_get(root, "s"), "x"));
    assert_string_equal(json_kind_name(json_get(root, "a")), "an array");
}

TEST(json_numbers_beyond_int64_are_not_integers_and_none_is_bent)
{
    struct err e = { 0 };
    CLEANUP(json_free) struct json *large = json_parse(STR("18446744073709551615"), &e);
    assert_int_equal(json_kind(large), JSON_DOUBLE);
    assert_true(json_as_double(large) == 18446744073709551615.0);
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(large, &text);
    assert_string_equal(text.ptr, "18446744073709551615");
    CLEANUP(json_free) struct json *above = json_parse(STR("[9223372036854775808]"), &e);
    assert_int_equal(json_kind(json_at(above, 0)), JSON_DOUBLE);
    CLEANUP(json_free) struct json *most = json_parse(STR("9223372036854775807"), &e);
    assert_int_equal(json_kind(most), JSON_INT);
    assert_true(json_as_int(most) == INT64_MAX);
    CLEANUP(json_free) struct json *least = json_parse(STR("-9223372036854775808"), &e);
    assert_int_equal(json_kind(least), JSON_INT);
    assert_true(json_as_int(least) == INT64_MIN);
    static const char *const bent[] = { "18446744073709551616", "-9223372036854775809",
                                        "99999999999999999999999999" };
    for (size_t i = 0; i < COUNT_OF(bent); i++)
        if (json_parse(str_of(bent[i]), &e))
            fail_msg("%s was taken", bent[i]);
    assert_non_null(strstr(e.text, "out of range"));
}

TEST(json_strings_hold_nul_and_the_last_of_two_keys_counts)
{
    struct err e = { 0 };
    CLEANUP(json_free)
    struct json *root =
        json_parse(STR("{\"a\":1,\"t\":\"x\\u0000y\\u00e9\\ud83d\\ude00\",\"a\":2}"), &e);
    assert_non_null(root);
    struct str t = json_as_str(json_get(root, "t"));
    assert_int_equal(t.len, 9);
    assert_memory_equal(t.ptr, "x\0y\xc3\xa9\xf0\x9f\x98\x80", 9);
    assert_int_equal(json_as_int(json_get(root, "a")), 2);
    assert_int_equal(json_count(root), 2);
}

static bool collect_keys(const char *key, UNUSED const struct json *value, void *arg)
{
    buf_addf(arg, "%s ", key);
    return strcmp(key, "stop") != 0;
}

TEST(json_each_walks_in_document_order_and_can_stop)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf keys = { 0 };
    CLEANUP(json_free)
    struct json *root = json_parse(STR("{\"z\":1,\"a\":null,\"stop\":2,\"m\":3}"), &e);
    assert_false(json_each(root, collect_keys, &keys));
    assert_string_equal(keys.ptr, "z a stop ");
    CLEANUP(json_free) struct json *array = json_parse(STR("[1]"), &e);
    assert_true(json_each(array, collect_keys, &keys));
}

TEST(json_bytes_reads_text_and_base64_by_the_encoding_beside_it)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };
    CLEANUP(json_free)
    struct json *root = json_parse(
        STR("{\"t\":\"a\\u0000b\",\"b\":\"/"
            "wA=\",\"b_enc\":\"base64\",\"u\":\"x\",\"u_enc\":\"utf-8\","
            "\"n\":null,\"n_enc\":\"base64\",\"i\":5,\"bad\":\"a\",\"bad_enc\":\"base64\","
            "\"odd\":\"a\",\"odd_enc\":\"latin1\",\"odd2_enc\":7,\"odd2\":\"a\",\"z\":\"x\",\"z_"
            "enc\":null}"),
        &e);
    assert_non_null(root);
    assert_int_equal(json_bytes(root, "t", "t_enc", &out, &e), GOT_ONE);
    assert_int_equal(out.len, 3);
    assert_int_equal(json_bytes(root, "b", "b_enc", &out, &e), GOT_ONE);
    assert_memory_equal(out.ptr, "a\0b\xff\0", 5);
    assert_int_equal(out.len, 5);
    assert_int_equal(json_bytes(root, "u", "u_enc", &out, &e), GOT_ONE);
    assert_int_equal(json_bytes(root, "z", "z_enc", &out, &e), GOT_ONE);
    assert_int_equal(out.len, 7);
    assert_int_equal(json_bytes(root, "n", "n_enc", &out, &e), GOT_NONE);
    assert_int_equal(json_bytes(root, "absent", "n_enc", &out, &e), GOT_NONE);
    assert_int_equal(json_bytes(root, "i", "i_enc", &out, &e), GOT_FAILED);
    assert_string_equal(e.field, "i");
    assert_int_equal(json_bytes(root, "bad", "bad_enc", &out, &e), GOT_FAILED);
    assert_string_equal(e.field, "bad");
    assert_int_equal(json_bytes(root, "odd", "odd_enc", &out, &e), GOT_FAILED);
    assert_string_equal(e.field, "odd_enc");
    assert_int_equal(json_bytes(root, "odd2", "odd2_enc", &out, &e), GOT_FAILED);
    assert_int_equal(out.len, 7);
}

/* ---- JSON, writing ---- */

TEST(json_is_written_with_commas_where_they_belong)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    struct json_writer w = { .out = &b };
    json_put_array(&w);
    json_put_object(&w);
    json_put_object_end(&w);
    json_put_object(&w);
    json_put_key(&w, "a\"b");
    json_put_null(&w);
    json_put_key(&w, "c");
    json_put_array(&w);
    json_put_int(&w, INT64_MIN);
    json_put_bool(&w, false);
    json_put_text(&w, NULL);
    json_put_raw(&w, STR("{\"x\":1}"));
    json_put_array_end(&w);
    json_put_object_end(&w);
    json_put_text(&w, "end");
    json_put_array_end(&w);
    assert_string_equal(b.ptr, "[{},{\"a\\\"b\":null,\"c\":[-9223372036854775808,false,null,"
                               "{\"x\":1}]},\"end\"]");
    struct err e = { 0 };
    CLEANUP(json_free) struct json *root = json_parse(buf_str(&b), &e);
    assert_non_null(root);
}

TEST(json_strings_escape_what_they_must_and_repair_bad_utf8)
{
    CLEANUP(buf_done) struct buf b = { 0 };
    json_escape(&b, (struct str){ "a\"\\\n\t\r\0\x1f\x7f/\xc3\xa9", 12 });
    assert_string_equal(b.ptr, "\"a\\\"\\\\\\n\\t\\r\\u0000\\u001f\\u007f/\xc3\xa9\"");
    buf_reset(&b);
    json_escape(&b, STR("\xff\"x"));
    assert_string_equal(b.ptr, "\"\xef\xbf\xbd\\\"x\"");
    buf_reset(&b);
    json_escape(&b, STR_NULL);
    assert_string_equal(b.ptr, "\"\"");
}

TEST(json_doubles_are_short_and_come_back_equal)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0.1, "0.1" },    { 1, "1" },       { 1e300, "1e+300" },     { -2.5, "-2.5" },
        { 1.0 / 3, NULL }, { 5e-324, NULL }, { 123456789.123, NULL }, { 1e-6, "1e-06" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf b = { 0 };
        struct json_writer w = { .out = &b };
        json_put_double(&w, cases[i].value);
        if (cases[i].text)
            assert_string_equal(b.ptr, cases[i].text);
        assert_true(strtod(b.ptr, NULL) == cases[i].value);
        struct err e = { 0 };
        CLEANUP(json_free) struct json *back = json_parse(buf_str(&b), &e);
        assert_non_null(back);
        assert_true(json_as_double(back) == cases[i].value);
    }
    CLEANUP(buf_done) struct buf b = { 0 };
    struct json_writer w = { .out = &b };
    json_put_double(&w, NAN);
    assert_string_equal(b.ptr, "null");
}

TEST(any_bytes_survive_json_without_loss)
{
    static const struct {
        struct str bytes;
        const char *json;
    } cases[] = {
        { { "plain", 5 }, "{\"k\":\"plain\"}" },
        { { "", 0 }, "{\"k\":\"\"}" },
        { { NULL, 0 }, "{\"k\":null}" },
        { { "a\0b", 3 }, "{\"k\":\"a\\u0000b\"}" },
        { { "\xff\xfe", 2 }, "{\"k\":\"//4=\",\"k_encoding\":\"base64\"}" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf b = { 0 }, back = { 0 };
        struct json_writer w = { .out = &b };
        struct err e = { 0 };
        json_put_object(&w);
        json_put_bytes(&w, "k", "k_encoding", cases[i].bytes);
        json_put_object_end(&w);
        assert_string_equal(b.ptr, cases[i].json);
        CLEANUP(json_free) struct json *root = json_parse(buf_str(&b), &e);
        enum got got = json_bytes(root, "k", "k_encoding", &back, &e);
        assert_int_equal(got, cases[i].bytes.ptr ? GOT_ONE : GOT_NONE);
        assert_true(str_eq(buf_str(&back), cases[i].bytes));
    }
}

TEST(a_dumped_document_reads_back_and_dumps_the_same)
{
    struct err e = { 0 };
    CLEANUP(json_free)
    struct json *root =
        json_parse(STR(" { \"a\" : [ 1 , 2.50, \"x/\\u0007\\u0000\" ] , \"n\" : null } "), &e);
    CLEANUP(buf_done) struct buf once = { 0 }, twice = { 0 };
    json_dump(root, &once);
    CLEANUP(json_free) struct json *again = json_parse(buf_str(&once), &e);
    assert_non_null(again);
    json_dump(again, &twice);
    assert_string_equal(once.ptr, twice.ptr);
    assert_null(strchr(once.ptr, ' '));
    assert_non_null(strstr(once.ptr, "x/"));
}

RUN_TESTS(T(json_refuses_what_is_not_exactly_one_value), T(json_tells_where_it_is_broken),
          T(json_is_at_most_64_levels_deep), T(json_tells_null_from_absent_and_kinds_apart),
          T(json_numbers_beyond_int64_are_not_integers_and_none_is_bent),
          T(json_strings_hold_nul_and_the_last_of_two_keys_counts),
          T(json_each_walks_in_document_order_and_can_stop),
          T(json_bytes_reads_text_and_base64_by_the_encoding_beside_it),
          T(json_is_written_with_commas_where_they_belong),
          T(json_strings_escape_what_they_must_and_repair_bad_utf8),
          T(json_doubles_are_short_and_come_back_equal), T(any_bytes_survive_json_without_loss),
          T(a_dumped_document_reads_back_and_dumps_the_same))
