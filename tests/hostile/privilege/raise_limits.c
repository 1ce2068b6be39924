/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: raise every resource limit that is set, one's own and by prlimit()
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit was, more = { RLIM_INFINITY, RLIM_INFINITY };

        getrlimit(i, &was);
        if (was.rlim_max == RLIM_INFINITY)
            continue;
        REFUSED(setrlimit(i, &more), EPERM);
        more.rlim_max = was.rlim_max + 1;
        REFUSED(prlimit(getpid(), i, &more, NULL), EPERM, EINVAL);
    }
    {
        static const int bounded[] = { RLIMIT_CORE,       RLIMIT_MEMLOCK,  RLIMIT_NOFILE,
                                       RLIMIT_NPROC,      RLIMIT_FSIZE,    RLIMIT_STACK,
                                       RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE,
                                       RLIMIT_RTPRIO };

        for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++) {
            struct rlimit is;

            getrlimit(bounded[i], &is);
            if (is.rlim_max == RLIM_INFINITY)
                escaped("resource %d has no limit", bounded[i]);
        }
    }
    return verdict();
}
