/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: name files by handle instead of path, which goes past mounts and folders
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    char buffer[sizeof(struct file_handle) + 128];
    struct file_handle *handle = (struct file_handle *)buffer;
    int mount_id;

    handle->handle_bytes = 128;
    FILTERED(name_to_handle_at(AT_FDCWD, "/usr", handle, &mount_id, 0));
    FILTERED(open_by_handle_at(AT_FDCWD, handle, O_RDONLY));
    FILTERED(syscall(SYS_fanotify_init, 0, 0));
    FILTERED(syscall(SYS_fanotify_init, 0x200 | 0x400 /* by name: open to all users */, 0));
    FILTERED(syscall(SYS_fanotify_mark, -1, 0, 0, -1, NOWHERE));
    FILTERED(syscall(SYS_lookup_dcookie, 0, NOWHERE, 0));
    return verdict();
}
