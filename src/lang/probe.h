/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - which toolchains are on this machine, all asked at once. Internal to lang/.
 *
 * Probing stands between the start and the first request, so every command is spawned before the
 * first answer is read.
 */
#ifndef EVALX_LANG_PROBE_H
#define EVALX_LANG_PROBE_H

#include "lang/lang_file.h"

/*
 * Fill version, offered and toolchain of count languages.
 *
 * sources  of each language its file's bytes: they are part of what decides an artifact
 * wait_us  a tool that has not answered by then counts as not there
 * errors   SYSTEM pipes or processes cannot be made; a toolchain that is not there is no error
 */
MUST_USE bool probe_all(struct language_file *files, const struct str *sources, size_t count,
                        int64_t wait_us, struct arena *arena, struct err *e);

#endif
