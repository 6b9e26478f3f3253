/* SPDX-License-Identifier: Apache-2.0 */
/* Files that take over the permissions of those they replace. Inside the sandbox no file's permissions can be changed
 * (cli/process/confine.h), so a file must have them from the start. */
#ifndef MR_IO_PERMISSIONS_H
#define MR_IO_PERMISSIONS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct mr_permissions {
    bool changed;
    mode_t umask; /* the one before */
} mr_permissions;

/* From here to mr_permissions_end, what this thread makes with mode 0666 has the permissions of the regular file TARGET, and
 * the owner may write. Nothing changes where there is none, as with NULL. */
mr_permissions mr_permissions_of(const char *target);
void mr_permissions_end(const mr_permissions *p);

/* Gives FILE the permissions of the regular file TARGET, where there is one and they differ. 0 or an errno. Inside the
 * sandbox, where permissions cannot be changed: 0 as long as FILE grants others than its owner no more than TARGET does. */
int mr_permissions_copy(const char *file, const char *target);

#endif
