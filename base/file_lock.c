/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MS = 50 };

mr_lock mr_file_lock(int fd, int milliseconds)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    for (int i = 0; fcntl(fd, F_OFD_SETLK, &lock); i++) {
        if (errno != EAGAIN && errno != EACCES)
            return MR_LOCK_NONE;
        if (i * PAUSE_MS >= milliseconds)
            return MR_LOCK_TAKEN;
        nanosleep(&pause, NULL);
    }
    return MR_LOCK_HELD;
}
