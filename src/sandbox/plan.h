/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what one run in a box may do. Plain data: the server writes it, evalx-box obeys it.
 *
 * Units: microseconds and bytes. A limit of 0 means "none" where that is said, else it is a bug.
 */
#ifndef EVALX_SANDBOX_PLAN_H
#define EVALX_SANDBOX_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct box_limits {
    int64_t cpu_us;       /* CPU time of all processes together, from the cgroup; 0: none */
    int64_t cpu_extra_us; /* grace before the kill; above cpu_us it is a cpu_time_limit anyway */
    int64_t wall_us;      /* from the start of the program; never 0 */
    int64_t memory_bytes; /* all processes together, the files they write in the box included */
    int64_t stack_bytes;  /* main thread of each process; 0 is obeyed: nothing can start */
    int64_t output_bytes; /* stdout and stderr, each */
    int64_t file_bytes;   /* largest file the program may write (RLIMIT_FSIZE) */
    int64_t disk_bytes;   /* /box, /tmp and /dev/shm together; 0: the lane's size */
    int processes;        /* processes and threads at one time */
    int open_files;       /* descriptors per process; 0: the lane's default */
};

/* One file put into /box before the program starts. */
struct plan_file {
    const char *path; /* relative to /box: no "..", no leading '/', at most 255 bytes and 8 deep */
    int fd;           /* borrowed; its bytes from offset 0 on are copied (or used, see exe) */
    mode_t mode;      /* 0444, 0555, 0644 or 0755; owned by the box's user */
};

/* What to bring out of /box when the program has ended and everything in the box is dead. */
struct plan_collect {
    const char *pattern; /* glob over paths relative to /box, '*' does not cross '/'; "**" does */
    int64_t file_bytes;  /* one file at most */
    int64_t total_bytes; /* all together at most */
    int files;           /* this many at most */
};

struct plan {
    const char *const
        *argv; /* NULL-ended; argv[0] is looked up as an absolute path or /box-relative */
    const char *const *env; /* NULL-ended, the whole environment */

    const struct plan_file *files;
    size_t file_count;

    /* A program run from its descriptor, without a copy in /box; -1: argv[0] is executed. Must be a
     * sealed memory file or a read-only descriptor of a file nobody can write. Borrowed. */
    int exe_fd;
    int stdin_fd; /* sealed memory file or read-only descriptor, borrowed; -1: /dev/null */

    struct box_limits limits;
    bool merge_stderr; /* stderr goes into stdout, in the order written */
    bool all_cores;    /* for build steps: not pinned to the lane's core */
    bool keep;         /* do not wipe afterwards: the next plan on this box continues in it */

    /* Called by box_run(), from its thread, whenever the program begins to wait (its CPU counter
     * stands still) and when it computes again; not for the first 20 ms. NULL: nobody looks. */
    void (*on_waiting)(void *arg, bool waiting);
    void *on_waiting_arg;
    bool report_waiting; /* on the lane's side: somebody asked for it */

    const struct plan_collect *collect;
    size_t collect_count;
};

#endif
