/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint.h - what clang-tidy and cppcheck cannot find out by themselves. tools/lint.sh includes it
 * first in every file they read; no compiler ever does.
 */
#include "base/cleanup.h"
#include "base/err.h"

/* These always return false: "return err_set(...)" is a failure, its outputs are not used. */
#ifndef EVALX_LINT_ERR_ITSELF
#define err_set(...)     (err_set(__VA_ARGS__), false)
#define err_invalid(...) (err_invalid(__VA_ARGS__), false)
#define err_sys(...)     (err_sys(__VA_ARGS__), false)
#define err_sysno(...)   (err_sysno(__VA_ARGS__), false)
#define err_add(...)     (err_add(__VA_ARGS__), false)
#endif

#ifdef __cppcheck__
/* It takes the NULL that a statement expression stores for the value it gives. */
#undef TAKE
#define TAKE(p) (p)
#undef TAKE_FD
#define TAKE_FD(fd) (fd)
#endif
