/* SPDX-License-Identifier: Apache-2.0 */
/* A language file is read or refused with a sentence; what was read can be turned into commands. */
#include "base/arena.h"
#include "fuzz.h"
#include "lang/lang_file.h"

static void fill(const struct command *command, struct arena *arena)
{
    const char *const options[] = { "-O2", NULL }, *const args[] = { "a b", "{source}", NULL };
    struct command_words words = { options, args, "dir/main.x", "dir/main", 1 << 20 };
    const char *const *argv = command_fill(command, &words, arena);
    CHECK(!command->argv || argv[0]);
}

FUZZ(text)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct language_file file;
    struct err e = { 0 };
    if (!language_parse("fuzz.yaml", text, &arena, &file, &e)) {
        CHECK(e.kind == ERR_INVALID && e.text[0]);
        return;
    }
    const struct language *l = &file.language;
    CHECK(l->id[0] && l->name && l->package && l->run.argv[0] && file.probe.pattern);
    CHECK(!!file.probe.argv != !!file.probe.file);
    CHECK(l->time_factor >= 0.1 && l->memory_factor <= 100 && l->memory_extra_bytes >= 0);
    fill(&l->build, &arena);
    fill(&l->run, &arena);
}
