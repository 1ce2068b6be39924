/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that resemble each other, packed. */
#include "test.h"

#include <string.h>

#include "base/hash.h"
#include "drivers/zip.h"

static const char first[] = "{\"language\":\"c\",\"source\":\"int main(void) { return 0; }\"}";
static const char second[] = "{\"verdict\":\"accepted\",\"attempt\":1,\"score\":1,\"cpu_us\":0}";
static const struct str dictionaries[] = {
    { first, sizeof first - 1 },
    { second, sizeof second - 1 },
};

static struct zip *zip(int count)
{
    return zip_new(dictionaries, count);
}

/* There and back; returns the packed size. */
static size_t round_trip(struct zip *packer, struct zip *reader, struct str bytes)
{
    struct err e;
    CLEANUP(buf_done) struct buf packed = { 0 };
    CLEANUP(buf_done) struct buf back = { 0 };
    buf_add_text(&packed, "in front");
    zip_pack(packer, bytes, &packed);
    assert_memory_equal(packed.ptr, "in front", 8);
    struct str text = { packed.ptr + 8, packed.len - 8 };
    buf_add_text(&back, "too");
    MUST(zip_unpack(reader, text, 1 << 20, &back, &e));
    assert_int_equal(back.len, bytes.len + 3);
    assert_memory_equal(back.ptr + 3, bytes.len ? bytes.ptr : "", bytes.len);
    return text.len;
}

TEST(what_is_packed_comes_back)
{
    CLEANUP(zip_free) struct zip *z = zip(2);
    static char random[70000], zeros[200000];
    random_bytes(random, sizeof random);
    round_trip(z, z, STR(""));
    round_trip(z, z, STR("x"));
    assert_true(round_trip(z, z, (struct str){ zeros, sizeof zeros }) < 200);
    assert_int_equal(round_trip(z, z, (struct str){ random, sizeof random }), sizeof random + 1);
    assert_int_equal(round_trip(z, z, (struct str){ random, 5 }), 6);
}

TEST(what_resembles_the_dictionary_gets_small)
{
    CLEANUP(zip_free) struct zip *z = zip(2);
    struct str text = STR("{\"verdict\":\"accepted\",\"attempt\":1,\"score\":1,\"cpu_us\":7}");
    assert_true(round_trip(z, z, text) < text.len / 2);
}

TEST(what_an_earlier_dictionary_packed_is_still_read)
{
    CLEANUP(zip_free) struct zip *old = zip(1);
    CLEANUP(zip_free) struct zip *new = zip(2);
    round_trip(old, new, STR("{\"language\":\"c\",\"source\":\"int main(void) { return 7; }\"}"));
}

TEST(damage_is_an_error)
{
    CLEANUP(zip_free) struct zip *z = zip(2);
    CLEANUP(buf_done) struct buf packed = { 0 };
    CLEANUP(buf_done) struct buf out = { 0 };
    char text[300];
    memset(text, 'a', sizeof text);
    zip_pack(z, (struct str){ text, sizeof text }, &packed);
    struct err e;
    assert_false(zip_unpack(z, STR(""), 1000, &out, &e));
    assert_false(zip_unpack(z, buf_str(&packed), sizeof text - 1, &out, &e)); /* too large */
    for (size_t len = 1; len < packed.len; len++)
        assert_false(zip_unpack(z, (struct str){ packed.ptr, len }, 1000, &out, &e));
    packed.ptr[0] = 9; /* a dictionary of later */
    assert_false(zip_unpack(z, buf_str(&packed), 1000, &out, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    packed.ptr[0] = 0;
    assert_false(zip_unpack(z, buf_str(&packed), packed.len - 2, &out, &e));
    assert_int_equal(out.len, 0);
}

RUN_TESTS(T(what_is_packed_comes_back), T(what_resembles_the_dictionary_gets_small),
          T(what_an_earlier_dictionary_packed_is_still_read), T(damage_is_an_error))
