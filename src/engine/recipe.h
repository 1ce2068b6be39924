/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recipe.h - from a job and its language to what a box is told. Pure; texts live in an arena.
 */
#ifndef EVALX_ENGINE_RECIPE_H
#define EVALX_ENGINE_RECIPE_H

#include "base/hash.h"
#include "engine/artifact.h"
#include "job/job.h"
#include "sandbox/plan.h"

/* The words the build step fills its template with; equal words, equal artifact. */
struct command_words recipe_build_words(const struct job *job, const struct box_limits *limits,
                                        struct arena *arena);

/* Those of test k. */
struct command_words recipe_run_words(const struct job *job, size_t k, struct arena *arena);

/*
 * The environment of a program: the common one, then the language's, then extra; a later name
 * takes the place of an earlier one.
 *
 * extra  NULL-ended, or NULL
 */
const char *const *recipe_env(const struct language *lang, const char *const *extra,
                              struct arena *arena);

/* Limits of the build step: the server's, with what the language asks for itself. */
struct box_limits recipe_build_limits(const struct box_limits *server, const struct language *lang);

/* Limits of test k in the box's words. */
struct box_limits recipe_run_limits(const struct limits *limits, int64_t disk_bytes);

/* The same the other way round, for messages about a build. */
struct limits recipe_as_limits(const struct box_limits *limits);

/* What the artifact of this build is kept under. */
void recipe_key(const struct job *job, const struct language *lang, const char *const *argv,
                char out[HASH_TEXT]);

/* Put the files of an artifact into an array of plan files; returns how many. */
size_t recipe_files(const struct artifact *a, struct plan_file *to);

#endif
