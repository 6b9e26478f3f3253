/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch system or a container left this process: the limits of the cgroups that it is in, and of those
 * above them. Both versions of cgroups (the kernel's Documentation/admin-guide/cgroup-v1/memory.rst,
 * cgroup-v2.rst). LIST: the file that names them, NULL: /proc/self/cgroup; MOUNT: the folder that they are
 * found in, NULL: /sys/fs/cgroup. */
#ifndef MR_IO_CGROUP_H
#define MR_IO_CGROUP_H

#include <stdint.h>

/* The least CPU quota, in processors; 0: none is set. */
double mr_cgroup_quota(const char *list, const char *mount);

typedef struct mr_cgroup_memory {
    uint64_t limit, left; /* bytes; what is left has the page cache in it, which the kernel can take back */
    char file[512];       /* that holds the limit */
} mr_cgroup_memory;

/* The cgroup with the least memory left; LIMIT 0: there is none with a limit. Limits on swap are not looked
 * at: what trains from swap does not get on. */
void mr_cgroup_memory_left(mr_cgroup_memory *out, const char *list, const char *mount);

#endif
