/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx-box - the only privileged program of evalX, started by the server, never by hand.
 *
 *   evalx-box --keeper   the server's end of a socket pair is descriptor 3
 *   evalx-box --lane     3: to the server, 4: to the keeper
 *   evalx-box --version
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/lane.h"

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* What our starter ignored, programs in boxes would ignore. The raw call, since glibc keeps two
 * signals to itself that posix_spawn() may have left ignored. */
static void default_signals(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } plain = { 0 };
    for (int s = 1; s <= 64; s++)
        syscall(SYS_rt_sigaction, s, &plain, NULL, sizeof plain.mask);
}

int main(int argc, char **argv)
{
    const char *role = argc == 2 ? argv[1] : "";
    if (strcmp(role, "--version") == 0) {
        printf("evalx-box %s (build %s)\n", EVALX_VERSION, wire_build_id);
        return 0;
    }
    default_signals();
    if (strcmp(role, "--keeper") == 0 && is_socket(KEEPER_SOCKET))
        keeper_main();
    if (strcmp(role, "--lane") == 0 && is_socket(LANE_SOCKET) && is_socket(LANE_KEEPER_SOCKET))
        lane_main();
    fprintf(stderr, "evalx-box is started by evalx. Try: evalx run, evalx doctor\n");
    return 2;
}
