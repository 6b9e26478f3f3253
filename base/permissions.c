/* SPDX-License-Identifier: Apache-2.0 */
#include "base/permissions.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

/* False: there is no regular file TARGET. */
static bool permissions(const char *target, mode_t *mode)
{
    struct stat st;
    bool regular = target && stat(target, &st) == 0 && S_ISREG(st.st_mode);
    *mode = regular ? st.st_mode & 0777 : 0;
    return regular;
}

mr_permissions mr_permissions_of(const char *target)
{
    mr_permissions p = {0};
    mode_t mode;
    int error = errno;
    p.changed = permissions(target, &mode);
    if (p.changed) {
        bool own = unshare(CLONE_FS) == 0; /* from now on this thread has an umask of its own */
        mode_t mask = ~(mode | S_IWUSR) & 0777;
        p.umask = umask(mask);
        if (!own) /* other threads' files may only get less */
            umask(mask | p.umask);
    }
    errno = error;
    return p;
}

void mr_permissions_end(const mr_permissions *p)
{
    int error = errno;
    if (p->changed)
        umask(p->umask);
    errno = error;
}

int mr_permissions_copy(const char *file, const char *target)
{
    mode_t want, have;
    if (!permissions(target, &want) || !permissions(file, &have) || want == have || chmod(file, want) == 0)
        return 0;
    return errno == EPERM && !(have & ~(want | S_IRUSR | S_IWUSR)) ? 0 : errno;
}
