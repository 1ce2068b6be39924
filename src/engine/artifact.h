/* SPDX-License-Identifier: Apache-2.0 */
/*
 * artifact.h - what a run starts from: files, held as sealed memory files, and how they were made.
 *
 * A compiled program, or the sources of an interpreted one. Shared by the tests of a job, by jobs
 * with equal builds and by the cache: the last one to let go closes the descriptors, so eviction
 * never takes a file from under a running program. A failed build is an artifact too, without
 * files: what the compiler said is worth keeping.
 *
 * Threads: const once made; ref and unref from any.
 */
#ifndef EVALX_ENGINE_ARTIFACT_H
#define EVALX_ENGINE_ARTIFACT_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "job/job.h"
#include "job/result.h"
#include "sandbox/report.h"

struct artifact_file {
    const char *path; /* relative to /box */
    int fd;           /* sealed memory file, owned */
    int64_t size;
    mode_t mode;
};

struct artifact {
    atomic_int refs;
    struct arena arena;     /* paths, texts of compile */
    struct outcome compile; /* VERDICT_ACCEPTED, else there are no files */
    const char *message;    /* why the build failed, or NULL */
    bool rusage_only;       /* figures of compile are rusage's */
    struct artifact_file *files;
    size_t file_count;
    int64_t bytes; /* memory held */
};

/* An artifact without files; hold it with one reference. */
struct artifact *artifact_new(void);
struct artifact *artifact_ref(struct artifact *a);
void artifact_unref(struct artifact *a);
CLEANUP_FOR(struct artifact *, artifact_unref)

/*
 * The job's files from index first on, as they were sent.
 *
 * errors  SYSTEM no memory file to be had
 */
MUST_USE struct artifact *artifact_of_sources(const struct job *job, size_t first, struct err *e);

/* Take over the files a build left; the report is without them afterwards. */
void artifact_take_files(struct artifact *a, struct report *report);

/*
 * The form kept on disk, closed by a checksum.
 *
 * errors  SYSTEM a file cannot be read
 */
MUST_USE bool artifact_write(const struct artifact *a, struct buf *out, struct err *e);

/*
 * Read that form back.
 *
 * errors  INVALID damaged or of another version; SYSTEM no memory file to be had
 */
MUST_USE struct artifact *artifact_read(struct str bytes, struct err *e);

/* A copy whose texts live in arena. */
struct outcome outcome_copy(const struct outcome *o, struct arena *arena);

#endif
