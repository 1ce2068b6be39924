/* SPDX-License-Identifier: Apache-2.0 */
#include "main/privilege.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct identity {
    uid_t uid;
    gid_t gid;
};

static bool find_user(const char *user, struct identity *ret, struct err *e)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    const char *name = user ? user : "evalx";
    getpwnam_r(name, &entry, text, sizeof text, &found);
    if (!found && !user)
        getpwnam_r("nobody", &entry, text, sizeof text, &found);
    if (!found)
        return err_invalid(e, "EVALX_USER", "EVALX_USER: there is no user %s", name);
    if (found->pw_uid == 0)
        return err_invalid(e, "EVALX_USER",
                           "EVALX_USER: the server never runs as root; name another");
    *ret = (struct identity){ found->pw_uid, found->pw_gid };
    return true;
}

static bool become(struct identity who, struct err *e)
{
    if (setgroups(0, NULL) != 0)
        return err_sys(e, "give up groups");
    if (setresgid(who.gid, who.gid, who.gid) != 0)
        return err_sys(e, "become group %d", (int)who.gid);
    if (setresuid(who.uid, who.uid, who.uid) != 0)
        return err_sys(e, "become user %d", (int)who.uid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, "no new privileges");
    CHECK(setresuid(0, 0, 0) != 0);
    return true;
}

bool drop_root(const char *user, struct err *e)
{
    struct identity who;
    if (geteuid() != 0)
        return true;
    return find_user(user, &who, e) && become(who, e);
}

/* A container's root may lack the right to change what is as it should be. */
static bool is_handed_over(int fd, struct identity who)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_uid == who.uid && st.st_gid == who.gid &&
           (st.st_mode & 07777) == 0700;
}

int data_dir_and_drop_root(const char *data_dir, const char *user, struct err *e)
{
    CLEANUP(fd_close) int fd = dir_open(data_dir, 0755, e);
    if (fd < 0) {
        err_add(e, "EVALX_DATA_DIR");
        return -1;
    }
    if (geteuid() != 0)
        return TAKE_FD(fd);

    struct identity who;
    if (!find_user(user, &who, e))
        return -1;
    if (!is_handed_over(fd, who) && (fchown(fd, who.uid, who.gid) != 0 || fchmod(fd, 0700) != 0)) {
        err_sys(e, "EVALX_DATA_DIR: hand %s to user %d", data_dir, (int)who.uid);
        return -1;
    }
    if (!become(who, e))
        return -1;
    /* A parent folder nobody else may enter is found now, with its name, not in a strange error. */
    if (access(data_dir, R_OK | W_OK | X_OK) != 0) {
        err_sys(e, "EVALX_DATA_DIR: user %d cannot use %s", (int)who.uid, data_dir);
        return -1;
    }
    return TAKE_FD(fd);
}
