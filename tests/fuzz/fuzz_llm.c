/* SPDX-License-Identifier: Apache-2.0 */
/* What a language model's endpoint answers: a hint that is one bounded line of text, or none. */
#include "base/text.h"
#include "fuzz.h"
#include "hints/llm.h"

FUZZ(text)
{
    struct web_answer a = { .status = 200 };
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct hint hint;
    struct err e;

    buf_add_str(&a.body, text);
    if (llm_answer(&a, &arena, &hint, &e) == GOT_ONE) {
        struct str line = str_of(hint.text);
        CHECK(line.len > 0 && line.len <= LLM_HINT_BYTES);
        CHECK(utf8_valid(line));
        for (size_t i = 0; i < line.len; i++)
            CHECK((unsigned char)line.ptr[i] >= ' ');
    }
    web_answer_done(&a);
}
