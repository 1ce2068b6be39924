/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what one run did. Plain data, measured where programs cannot lie.
 *
 * A report is about the user's program. Trouble of ours (a layer that broke, a lane that died, a
 * full disk) is never a report: box_run() then fails with a struct err.
 */
#ifndef EVALX_SANDBOX_REPORT_H
#define EVALX_SANDBOX_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Why the run ended; with several reasons the first in this order counts. */
enum report_end {
    END_CANCELLED, /* box_cancel() */
    END_MEMORY,    /* the cgroup's OOM killer had to act, on whichever process */
    END_OUTPUT,    /* stdout or stderr passed output_bytes */
    END_CPU,       /* CPU time above cpu_us, whether it was killed or ended by itself */
    END_WALL,
    END_SIGNAL, /* killed by a signal that is not ours */
    END_EXIT,
    END_NO_EXEC, /* the program could not be executed: exec_errno */
};

struct report_file {
    char *path; /* relative to /box, owned */
    int fd;     /* sealed memory file, owned */
    int64_t size;
    mode_t mode; /* permission bits only: 0644 or 0755 */
};

struct report {
    enum report_end end;
    int exit_code;  /* END_EXIT: 0..255, else 0 */
    int signal;     /* of the main process when a signal ended it, whoever sent it; else 0 */
    int exec_errno; /* END_NO_EXEC */

    int64_t wall_us;
    int64_t cpu_us;       /* of everything in the box */
    int64_t memory_bytes; /* peak of everything in the box, without what was there before */
    bool from_rusage;     /* no cgroup: cpu_us and memory_bytes are the weaker rusage figures */

    struct buf out, err;   /* at most output_bytes each */
    bool out_cut, err_cut; /* there was more */

    struct report_file *files;
    size_t file_count;
    bool files_cut; /* a collect limit left something out */

    int64_t overhead_us; /* time the lane spent around the program: prepare, collect, not wipe */
};

/* Frees what a report holds; accepts a zeroed or half-filled one. */
void report_done(struct report *r);
CLEANUP_FOR_STRUCT(struct report, report_done)

#endif
