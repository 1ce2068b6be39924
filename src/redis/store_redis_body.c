/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs and results in Redis are their stored form, packed with a text of their kind as dictionary:
 * nearly all of a small one is names that every other one has too.
 *
 * A dictionary is part of the format. It may be followed by better ones; none may ever change.
 */
#include "redis/store_redis.h"

static const char *const dictionaries[] = {
    /* 1: what is most alike stands last, where zstd looks first. */
    "\"entrypoint\":\"main.py\",\"env\":{\"\":\"\"},\"encoding\":\"base64\",\"stdin_encoding\":"
    "\"base64\",\"expected_output_encoding\":\"base64\",\"merge_stderr\":true,\"network\":true,"
    "\"metadata\":{\"user\":\"\",\"problem\":\"\"},\"face\":{\"judge0\":{\"language_id\":}},"
    "\"webhook_url\":\"https://\",\"callback_url\":\"https://\",\"tenant\":\"\",\"start_at_us\":"
    "\"priority\":\"low\",\"priority\":\"high\",\"cache\":\"result\",\"stop_on_failure\":true,"
    "\"type\":\"tokens\",\"type\":\"floats\",\"absolute\":1e-06,\"relative\":1e-06},"
    "\"verdict\":\"runtime_error\",\"verdict\":\"cpu_time_limit\",\"limit\":\"cpu_time\","
    "\"verdict\":\"wall_time_limit\",\"limit\":\"wall_time\",\"verdict\":\"memory_limit\","
    "\"limit\":\"memory\",\"verdict\":\"compile_error\",\"verdict\":\"internal_error\","
    "\"message\":\"\",\"stdout_truncated\":true,\"stderr\":\"Traceback (most recent call last):\\n"
    "  File \\\"main.py\\\", line 1, in <module>\\n\",\"hints\":[{\"id\":\"\",\"title\":\"\","
    "\"text\":\"\",\"confidence\":\"certain\",\"confidence\":\"likely\"}],"
    "import java.util.*;\\npublic class Main {\\n    public static void main(String[] args) {\\n"
    "        Scanner in = new Scanner(System.in);\\n        System.out.println(\\n    }\\n}\\n"
    "#include <bits/stdc++.h>\\n#include <iostream>\\n#include <vector>\\n#include <string>\\n"
    "using namespace std;\\n\\nint main()\\n{\\n    int n;\\n    std::cin >> n;\\n"
    "    for (int i = 0; i < n; i++) {\\n        std::cout << \\\" \\\" << std::endl;\\n    }\\n"
    "    return 0;\\n}\\n#include <stdio.h>\\n    scanf(\\\"%d\\\", &n);\\n"
    "    printf(\\\"%d\\\\n\\\", n);\\nprint(int(input()))\\nfor i in range(n):\\n    "
    "{\"id\":\"00000000-0000-4000-8000-000000000000\",\"created_at_us\":1795455600250261,"
    "\"language\":\"python\",\"language\":\"java\",\"language\":\"c\",\"language\":\"cpp\","
    "\"files\":[{\"path\":\"main.py\",\"path\":\"Main.java\",\"path\":\"main.c\","
    "\"path\":\"main.cpp\",\"content\":\"\"}],\"compiler_options\":[],\"args\":[],\"collect\":[],"
    "\"limits\":{\"cpu_time_ms\":5000,\"wall_time_ms\":10000,\"memory_bytes\":268435456,"
    "\"stack_bytes\":67108864,\"processes\":64,\"output_bytes\":1048576,\"file_bytes\":1048576},"
    "\"single\":true,\"tests\":[{\"id\":\"1\",\"stdin\":\"1 2\\n\",\"expected_output\":\"3\\n\"},"
    "{\"id\":\"2\",\"stdin\":\"\",\"expected_output\":\"\"}],\"checker\":{\"type\":\"lines\"},"
    "\"runs\":1,\"hints\":true,\"cache\":\"build\",\"priority\":\"normal\",\"retention_us\":0}"
    "{\"verdict\":\"wrong_answer\",\"compiled\":true,\"cached\":true,\"compile\":{\"verdict\":"
    "\"none\",\"exit_code\":0,\"signal\":0,\"cpu_us\":0,\"wall_us\":0,\"memory_bytes\":0},"
    "\"tests\":[{\"id\":\"1\",\"weight\":1,\"verdict\":\"accepted\",\"exit_code\":0,\"signal\":0,"
    "\"cpu_us\":1234,\"wall_us\":2345,\"memory_bytes\":1345536,\"stdout\":\"3\\n\"}],"
    "\"attempt\":1,\"score\":1,\"cpu_us\":0,\"wall_us\":0,\"memory_bytes\":0,\"started_us\":"
    "1795455600123456,\"finished_us\":1795455600223456,\"compile_us\":0,\"run_us\":0}",
};

enum { BODY_MOST = 512 * 1024 * 1024 };

struct zip *body_zip(void)
{
    struct str texts[COUNT_OF(dictionaries)];
    for (size_t i = 0; i < COUNT_OF(dictionaries); i++)
        texts[i] = str_of(dictionaries[i]);
    return zip_new(texts, (int)COUNT_OF(dictionaries));
}

void body_pack(struct store_redis *s, struct str text, struct buf *out)
{
    zip_pack(s->zip, text, out);
}

static bool unpack(struct store_redis *s, const char *id, struct str packed, struct buf *out,
                   struct err *e)
{
    return zip_unpack(s->zip, packed, BODY_MOST, out, e) || err_add(e, "stored text of %s", id);
}

bool body_job(struct store_redis *s, struct record *r, struct str packed, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    return unpack(s, r->id, packed, &text, e) && record_read_job(r, buf_str(&text), e);
}

bool body_result(struct store_redis *s, struct record *r, struct str packed, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    return unpack(s, r->id, packed, &text, e) && record_read_result(r, buf_str(&text), e);
}
