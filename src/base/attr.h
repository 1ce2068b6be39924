/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.h - compiler attributes under short names, and the one assertion.
 *
 * gcc 12 and clang 14 take [[nodiscard]] only in c2x, so attributes wear macros.
 */
#ifndef EVALX_BASE_ATTR_H
#define EVALX_BASE_ATTR_H

#include <stdio.h>
#include <stdlib.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN          __attribute__((noreturn))
#define UNUSED            __attribute__((unused))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

/*
 * Stays on in production and means "we wrote a bug". Never used on input, files, the network or
 * the kernel's answers: those get a struct err.
 */
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: bug: %s does not hold\n", __FILE__, __LINE__, #x);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
