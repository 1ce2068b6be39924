/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/report.h"

void report_done(struct report *r)
{
    buf_done(&r->out);
    buf_done(&r->err);
    for (size_t i = 0; i < r->file_count; i++) {
        free(r->files[i].path);
        fd_close(r->files[i].fd);
    }
    free(r->files);
    *r = (struct report){ 0 };
}
