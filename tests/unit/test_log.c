/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event, whatever the values are. */
#include "base/json.h"
#include "base/log.h"
#include "test.h"

#include <math.h>
#include <string.h>

static struct buf fields(enum log_format format, const char *fmt, ...) PRINTF(2, 3);

static struct buf fields(enum log_format format, const char *fmt, ...)
{
    struct buf line = { 0 };
    va_list args;
    va_start(args, fmt);
    log_fields(&line, format, fmt, args);
    va_end(args);
    return line;
}

#define assert_fields(format, want, ...)                                                           \
    do {                                                                                           \
        struct buf got_ = fields(format, __VA_ARGS__);                                             \
        assert_string_equal(buf_str(&got_).ptr, want);                                             \
        buf_done(&got_);                                                                           \
    } while (0)

TEST(numbers_are_numbers_and_texts_are_texts)
{
    assert_fields(LOG_JSON, ",\"a\":-1,\"b\":2,\"c\":3,\"d\":-4,\"e\":5,\"f\":1.500,\"g\":\"7\"",
                  "a=%d b=%u c=%zu d=%lld e=%ld f=%.3f g=%s", -1, 2u, (size_t)3, -4LL, 5L, 1.5,
                  "7");
    assert_fields(LOG_JSON, ",\"x\":\"ff\",\"mix\":\"1/2\",\"p\":\"50%\",\"c\":\"z\"",
                  "x=%x mix=%d/%d p=%d%% c=%c", 255u, 1, 2, 50, 'z');
}

TEST(what_is_no_number_in_json_is_a_text)
{
    assert_fields(LOG_JSON, ",\"a\":\"inf\",\"b\":\"nan\"", "a=%f b=%.1f", (double)INFINITY,
                  fabs((double)NAN));
}

TEST(a_text_that_is_not_there_is_left_out)
{
    const char *volatile none = NULL; /* the compiler would warn of it */
    assert_fields(LOG_JSON, ",\"b\":1", "a=%s b=%d c=%s", none, 1, "");
    assert_fields(LOG_TEXT, " b=1", "a=%s b=%d c=%s", none, 1, "");
    assert_fields(LOG_TEXT, " a=/", "a=%s/%s", none, none);
}

TEST(a_text_may_be_cut_by_its_conversion)
{
    assert_fields(LOG_TEXT, " a=ab b=abc", "a=%.*s b=%.3s", 2, "abcdef", "abcdef");
}

TEST(a_value_never_becomes_a_field_or_a_line)
{
    const char *nasty = "x y=z\n\"quoted\" \\ \x1f \x1b[31m \x7f";
    struct buf text = fields(LOG_TEXT, "a=%s b=%d", nasty, 1);
    assert_null(strchr(text.ptr, '\n'));
    assert_null(strchr(text.ptr, '\x1b'));
    assert_true(str_starts(buf_str(&text), " a=\"x y=z\\n"));
    assert_string_equal(text.ptr + text.len - 4, " b=1");
    buf_done(&text);

    struct buf json = fields(LOG_JSON, "a=%s b=%d", nasty, 1);
    CLEANUP(buf_done) struct buf whole = { 0 };
    buf_addf(&whole, "{\"time\":\"\"%s}", json.ptr);
    buf_done(&json);
    struct err e;
    CLEANUP(json_free) struct json *back = json_parse(buf_str(&whole), &e);
    assert_non_null(back);
    assert_int_equal(json_count(back), 3);
    assert_true(str_is(json_as_str(json_get(back, "a")), nasty));
}

TEST(ill_formed_text_is_repaired)
{
    assert_fields(LOG_JSON, ",\"a\":\"\xef\xbf\xbdx\"", "a=%s", "\xffx");
}

TEST(a_long_text_is_cut_between_two_characters)
{
    char text[2 * LOG_VALUE_BYTES] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    struct buf json = fields(LOG_JSON, "a=%s b=%d", text, 1);
    assert_null(strstr(json.ptr, "\xef\xbf\xbd"));
    assert_true(json.len > LOG_VALUE_BYTES && json.len < LOG_VALUE_BYTES + 20);
    assert_string_equal(json.ptr + json.len - 6, ",\"b\":1");
    buf_done(&json);
}

TEST(a_line_is_written_when_its_level_is_wanted)
{
    log_setup(LOG_WARN, LOG_TEXT);
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARN));
    assert_true(log_wants(LOG_ERROR));
}

RUN_TESTS(T(numbers_are_numbers_and_texts_are_texts), T(what_is_no_number_in_json_is_a_text),
          T(a_text_that_is_not_there_is_left_out), T(a_text_may_be_cut_by_its_conversion),
          T(a_value_never_becomes_a_field_or_a_line), T(ill_formed_text_is_repaired),
          T(a_long_text_is_cut_between_two_characters),
          T(a_line_is_written_when_its_level_is_wanted))
