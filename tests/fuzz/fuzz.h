/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the fuzz targets share. A target is one FUZZ(text) { ... }: it gets any bytes, and
 * fails by a sanitizer's finding or by a CHECK that does not hold.
 */
#ifndef EVALX_TESTS_FUZZ_FUZZ_H
#define EVALX_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

#define FUZZ(text)                                                                                 \
    static void fuzz_one(struct str text);                                                         \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);                                 \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)                                  \
    {                                                                                              \
        fuzz_one((struct str){ (const char *)bytes, size });                                       \
        return 0;                                                                                  \
    }                                                                                              \
    static void fuzz_one(struct str text)

#endif
