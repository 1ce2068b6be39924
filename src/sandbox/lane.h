/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.h - what the files of evalx-box share: the lane, its three processes, their shared memory.
 *
 * The theory of operation stands on top of lane.c.
 */
#ifndef EVALX_SANDBOX_LANE_H
#define EVALX_SANDBOX_LANE_H

#include <linux/filter.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "sandbox/around.h"
#include "sandbox/message.h"

enum { KEEPER_SOCKET = 3, LANE_SOCKET = 3, LANE_KEEPER_SOCKET = 4, LANE_FDS = 5 };
/* Where file systems are attached while they are made ready. */
#define SCRATCH "/run"
enum { LANE_STRINGS = 4 << 20 }; /* room for arguments and environment of one run */

/* Step of the child between clone and exec, for the error it leaves. */
enum child_step { CHILD_FINE, CHILD_STDIO, CHILD_RLIMIT, CHILD_FOLDER, CHILD_IDENTITY, CHILD_EXEC };

/* What the spawner has to start. Pointers are good in L, S and U: all map it at one address. */
struct order {
    char *const *argv;
    char *const *env;
    int exe_fd; /* -1: argv[0] */
    int in, out, err;
    uid_t uid;
    int64_t stack_bytes, file_bytes, cpu_s;
    int processes;        /* without cgroups: RLIMIT_NPROC; else 0, the cgroup counts better */
    int open_files;       /* 0: the lane's */
    int64_t memory_bytes; /* without cgroups: RLIMIT_AS; else 0 */
};

/* A helper (spawner or init) tells how its start went. */
enum helper_state { HELPER_STARTING, HELPER_READY, HELPER_FAILED };

struct helper {
    _Atomic uint32_t state;
    struct err err;
};

/* Memory shared by L, I and S, mapped before they part. Words waited on are futexes. */
struct shared {
    _Atomic uint32_t go;           /* L adds one: S starts the order */
    _Atomic uint32_t left;         /* I: after killing there still was something to be seen */
    _Atomic uint32_t kill, killed; /* L adds one to kill: I kills all, then killed says the same */
    struct helper init, spawner;

    struct order order;
    _Atomic int32_t pid;      /* of the run's main process, seen from L; 0 while there is none */
    _Atomic int32_t failed;   /* errno of clone */
    _Atomic int64_t start_us; /* just before clone */
    enum child_step step;     /* what the child failed in */
    int step_errno;

    char strings[LANE_STRINGS];
};

/* Descriptors of the box's writable space and how it looks when clean. */
struct space {
    int root, box, tmp, shm;
    int64_t disk_bytes, disk_now; /* the lane's size; what the file system has now */
    struct statfs clean;
    struct stat clean_box;
    int clean_flags; /* of /box: FS_IOC_GETFLAGS */
};

/* Made for the next run while nobody waits; -1: not there. Descriptors 0 read, 1 written. */
struct ahead {
    int nothing; /* /dev/null */
    int out[2], err[2];
};

/* Where small inputs are laid for the program: a file of the lane's own, used run after run. */
struct tray {
    int folder; /* written through this mount, */
    int shown;  /* opened for the program through this one, which is read-only */
    int file;   /* ours, open for writing */
    off_t size;
    bool used; /* since it was last looked at */
};

/* Descriptors of the last run: closing them waits until its report was sent. */
struct spent {
    int fds[8];
    int count;
};

/* An executable's copy, kept for the next runs of the same file. */
enum { EXE_COPIES = 4 };

struct exe_copy {
    int fd; /* -1: none */
    struct stat of;
    int used; /* number of the last run that did */
};

struct lane {
    struct lane_setup setup;
    int sock;   /* to the server */
    int keeper; /* to the keeper, while building */
    struct layers layers;

    struct shared *shared;
    struct cgroup cgroup;
    struct around around;
    struct sock_fprog filter;
    pid_t self, init, spawner;
    int pid_ns;   /* for setns */
    int signals;  /* signalfd: SIGCHLD */
    int sockets;  /* how many the box's network namespace has: its sockstat */
    int dev_tree; /* device nodes of our own, not attached yet; -1: bind the host's */
    int overlays; /* folders shown with inodes of their own */
    struct ahead ahead;
    struct tray tray;
    struct spent spent;
    struct exe_copy exes[EXE_COPIES];
    bool real_root; /* we were root of the host when we started */
    struct space space;

    bool first; /* L, I and S go before everybody else on their core */
    cpu_set_t all_cpus;
    int cpu_count;
    int idle_processes; /* in the cgroup when nothing runs */
    int run_no;         /* choose the uid */
    uid_t uid;          /* of the current or the next run */
    bool kept;          /* the box still holds what a plan with keep left */
    bool wiped;         /* nothing of an earlier run is left */
    bool broken;        /* refuses further runs */
    bool talks;         /* the last run printed more than a pipe holds */
    bool hurried;       /* this plan came right after the last report */
    int64_t reported_us;
};

/* ---- processes ---- */

/* futex(2) on a shared word: wait while it holds value, for at most timeout_us (-1: no end). */
bool word_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_us);
void word_wake(_Atomic uint32_t *word);
void helper_ready(struct helper *h);
NORETURN void helper_failed(struct helper *h, const struct err *e);
/* Wait until a helper is ready; its error when it failed or died. */
MUST_USE bool helper_wait(struct helper *h, pid_t pid, const char *name, struct err *e);

MUST_USE bool init_start(struct lane *l, struct err *e);    /* init.c */
MUST_USE bool spawner_start(struct lane *l, struct err *e); /* spawner.c */
MUST_USE bool spawner_restart(struct lane *l, struct err *e);
/* Everything in the process namespace dies; false when it does not within a second. */
MUST_USE bool lane_kill_all(struct lane *l); /* init.c */

/* ---- building the box ---- */

MUST_USE bool root_devices(struct lane *l, struct err *e); /* root.c: before the user namespace */
MUST_USE bool root_build(struct lane *l, struct err *e);
MUST_USE bool root_enter(struct lane *l, struct err *e);
MUST_USE bool root_mask_proc(const char *proc, struct err *e);

MUST_USE bool identity_enter_user_ns(struct lane *l, struct err *e); /* identity.c */
MUST_USE bool identity_trim_keeper(struct err *e);
MUST_USE bool identity_trim_lane(struct err *e);
MUST_USE bool identity_trim_spawner(struct err *e);

/*
 * subids.c: for the keeper of an ordinary user: the ids that /etc/subuid and /etc/subgid give him
 * beside his own. users, groups: the first on the host; count 0: none, or nobody to map them.
 */
struct subids {
    uid_t users, groups;
    int64_t count;
};

enum { SUBIDS_PER_LANE = 64 };
#define SUBIDS_USERS  "/usr/bin/newuidmap"
#define SUBIDS_GROUPS "/usr/bin/newgidmap"

void subids_find(struct subids *ret);
bool subids_enough(const struct subids *r, int lane);
/* Write the maps of a lane's namespace: its root is this user, its users are of the range. */
MUST_USE bool subids_map(const struct subids *r, pid_t pid, const struct lane_setup *s,
                         struct err *e);

MUST_USE bool seccomp_build(int *ret_fd,
                            struct err *e); /* seccomp.c: the filter as a memory file */
MUST_USE bool seccomp_read(int fd, struct sock_fprog *ret, struct err *e);
MUST_USE bool seccomp_install(const struct sock_fprog *filter, struct err *e);

MUST_USE bool rlimit_fixed(struct err *e);       /* rlimit.c: for all runs, in the spawner */
MUST_USE bool rlimit_run(const struct order *o); /* for one run, in the child */

/* ---- the writable space ---- */

MUST_USE bool space_mount(struct lane *l, struct err *e); /* wipe.c */
MUST_USE bool space_resize(struct lane *l, int64_t bytes, struct err *e);
MUST_USE bool space_wipe(struct lane *l, struct err *e);
MUST_USE bool space_own(struct lane *l, struct err *e); /* /box belongs to the run's user */
MUST_USE bool files_put(struct lane *l, const struct plan *p, struct err *e); /* files.c */
/* inputs.c: the plan's, which has one; owned by the caller, -1 on error */
int input_stdin(struct lane *l, const struct plan *p, struct err *e);
MUST_USE bool tray_build(struct lane *l, struct err *e);
MUST_USE bool tray_clear(struct lane *l, struct err *e); /* nothing of the last run clings to it */
int input_exe(struct lane *l, const struct plan *p, struct err *e); /* owned by the lane; -1 */
MUST_USE bool collect_files(struct lane *l, const struct plan *p, struct report *r, struct err *e);

/* ---- running ---- */

/* User, pipes and /dev/null of the next run, ahead of its plan. */
MUST_USE bool run_ahead(struct lane *l, struct err *e);

/* One plan from start to report; making the box clean again is left to the caller. */
MUST_USE bool run_plan(struct lane *l, const struct plan *p, int64_t run_no, struct report *r,
                       struct err *e);

NORETURN void lane_main(void);   /* lane.c */
NORETURN void keeper_main(void); /* keeper.c */

#endif
