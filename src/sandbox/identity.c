/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the processes of a box are.
 *
 * By default the lane lives in a user namespace: its root is an unprivileged user of the host, and
 * the users of its runs come from a range of the host no one else has. Where the kernel has no user
 * namespaces and we are real root, the lane stays root with the few capabilities it needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/lane.h"

/* Mounting, switching users, owning and removing their files, ending them. */
static const cap_value_t lane_caps[] = { CAP_SYS_ADMIN, CAP_SETUID,       CAP_SETGID,
                                         CAP_CHOWN,     CAP_DAC_OVERRIDE, CAP_FOWNER,
                                         CAP_KILL,      CAP_SETPCAP,      CAP_SYS_NICE };
/* The lane's, and what only real root can do for it: private device nodes, cgroup folders. */
static const cap_value_t keeper_caps[] = { CAP_SYS_ADMIN, CAP_SETUID,       CAP_SETGID,
                                           CAP_CHOWN,     CAP_DAC_OVERRIDE, CAP_FOWNER,
                                           CAP_KILL,      CAP_SETPCAP,      CAP_SYS_NICE,
                                           CAP_MKNOD,     CAP_SYS_RESOURCE, CAP_SYS_PTRACE,
                                           CAP_SETFCAP };
static const cap_value_t spawner_caps[] = { CAP_SETUID, CAP_SETGID };

static bool listed(cap_value_t cap, const cap_value_t *list, int count)
{
    for (int i = 0; i < count; i++)
        if (list[i] == cap)
            return true;
    return false;
}

/* Only those of the list that we have now stay; with bound also across exec, else none do. */
static bool keep_only(const cap_value_t *list, int count, bool bound, struct err *e)
{
    for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
        if (!(bound && listed(c, list, count)) && prctl(PR_CAPBSET_DROP, c) != 0 && errno != EPERM)
            return err_sys(e, "drop capability %d", c);

    cap_t now = cap_get_proc(), next = cap_init();
    bool ok = now && next;
    for (int i = 0; ok && i < count; i++) {
        cap_flag_value_t has = CAP_CLEAR;
        cap_get_flag(now, list[i], CAP_PERMITTED, &has);
        if (has != CAP_SET)
            continue;
        ok = cap_set_flag(next, CAP_PERMITTED, 1, &list[i], CAP_SET) == 0 &&
             cap_set_flag(next, CAP_EFFECTIVE, 1, &list[i], CAP_SET) == 0;
    }
    ok = ok && cap_set_proc(next) == 0;
    if (!ok)
        err_sys(e, "set capabilities");
    cap_free(now);
    cap_free(next);
    return ok;
}

bool identity_trim_keeper(struct err *e)
{
    return keep_only(keeper_caps, COUNT_OF(keeper_caps), true, e);
}

bool identity_trim_lane(struct err *e)
{
    if (!keep_only(lane_caps, COUNT_OF(lane_caps), false, e))
        return false;
    prctl(PR_SET_DUMPABLE, 0);
    return true;
}

bool identity_trim_spawner(struct err *e)
{
    return keep_only(spawner_caps, COUNT_OF(spawner_caps), false, e);
}

/*
 * A change from root to another user takes all capabilities away; one is kept and raised again.
 * Where AppArmor restricts namespaces of the unprivileged, that is what tells us apart.
 */
static bool become_owner(uid_t owner, struct err *e)
{
    static const cap_value_t kept[] = { CAP_SYS_ADMIN };
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 || syscall(SYS_setresgid, owner, owner, owner) != 0 ||
        syscall(SYS_setresuid, owner, owner, owner) != 0)
        return err_sys(e, "become the lane's user");
    cap_t caps = cap_get_proc();
    bool ok = caps && cap_set_flag(caps, CAP_EFFECTIVE, COUNT_OF(kept), kept, CAP_SET) == 0 &&
              cap_set_proc(caps) == 0;
    if (!ok)
        err_sys(e, "keep a capability of the lane's user");
    cap_free(caps);
    return ok;
}

bool identity_enter_user_ns(struct lane *l, struct err *e)
{
    if (setgroups(0, NULL) != 0 && l->real_root)
        return err_sys(e, "leave all groups");
    /* The namespace belongs to the user who makes it, and kernel objects are counted against its
     * owner: each lane has an owner of its own, or one could use up what is root's for all. */
    if (l->real_root && !become_owner(l->setup.root_uid, e))
        return false;
    if (unshare(CLONE_NEWUSER) != 0)
        return err_sys(e, "unshare");
    /* A change of user makes undumpable, and then /proc/self belongs to others. */
    prctl(PR_SET_DUMPABLE, 1);

    CLEANUP(wire_done) struct wire w = { 0 };
    wire_start(&w, WIRE_MAP);
    if (!wire_send(l->keeper, &w, e))
        return false;
    if (wire_receive(l->keeper, &w, e) != GOT_ONE || w.type != WIRE_MAPPED)
        return err_set(e, ERR_SYSTEM, "the keeper did not write the id maps");
    struct err mapped;
    wire_get_err(&w, &mapped);
    if (mapped.kind != ERR_NONE) {
        *e = mapped;
        return false;
    }
    /* With one user there is no root to become: the capabilities are enough, until an exec. */
    if (!l->setup.one_user &&
        (syscall(SYS_setresgid, 0, 0, 0) != 0 || syscall(SYS_setresuid, 0, 0, 0) != 0))
        return err_sys(e, "become the namespace's root");
    /* Only now may an ordinary user leave his groups, if his own were not all he could map. */
    if (!l->real_root && !l->setup.one_user && setgroups(0, NULL) != 0)
        return err_sys(e, "leave all groups");
    prctl(PR_SET_DUMPABLE, 1);
    return true;
}
