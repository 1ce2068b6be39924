/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/keyspace.h"

#include "base/attr.h"

void key_name(char out[KEY_TEXT], const char *prefix, const char *name)
{
    int len = snprintf(out, KEY_TEXT, "{%.*s}:%s", PREFIX_TEXT - 1,
                       prefix && prefix[0] ? prefix : "evalx", name);
    CHECK(len < KEY_TEXT);
}
