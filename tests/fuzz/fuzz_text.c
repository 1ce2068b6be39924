/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 comes back as it went, repaired text is text, numbers read the same with a zero behind. */
#include <math.h>

#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"

static void base64_comes_back(struct str text)
{
    CLEANUP(buf_done) struct buf coded = { 0 };
    CLEANUP(buf_done) struct buf back = { 0 };
    CLEANUP(buf_done) struct buf lenient = { 0 };

    base64_add(&coded, text);
    CHECK(base64_decode(&back, buf_str(&coded)));
    CHECK(str_eq(buf_str(&back), text) || (!text.len && !back.len));
    base64_decode_lenient(&lenient, buf_str(&coded));
    CHECK(str_eq(buf_str(&lenient), buf_str(&back)));

    buf_reset(&back);
    buf_reset(&lenient);
    if (base64_decode(&back, text)) {
        base64_decode_lenient(&lenient, text);
        CHECK(str_eq(buf_str(&lenient), buf_str(&back)));
    } else {
        CHECK(back.len == 0);
        base64_decode_lenient(&lenient, text);
    }
}

static void repaired_text_is_text(struct str text)
{
    CLEANUP(buf_done) struct buf repaired = { 0 };
    CLEANUP(buf_done) struct buf escaped = { 0 };
    struct err e;

    utf8_add_repaired(&repaired, text);
    CHECK(utf8_valid(buf_str(&repaired)));
    if (utf8_valid(text))
        CHECK(str_eq(buf_str(&repaired), text) || !text.len);
    CHECK(utf8_count(text) <= text.len);

    json_escape(&escaped, text);
    CLEANUP(json_free) struct json *node = json_parse(buf_str(&escaped), &e);
    CHECK(node && str_eq(json_as_str(node), buf_str(&repaired)));
}

FUZZ(text)
{
    int64_t whole;
    double number;

    base64_comes_back(text);
    repaired_text_is_text(text);
    if (parse_double(text, &number))
        CHECK(isfinite(number));
    if (parse_int(text, &whole)) {
        char shown[32];
        snprintf(shown, sizeof shown, "%lld", (long long)whole);
        int64_t again;
        CHECK(parse_int(str_of(shown), &again) && again == whole);
    }
}
