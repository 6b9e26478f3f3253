/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors there are for this process: what a batch system, a container or taskset left it. */
#ifndef MR_IO_PROCESSORS_H
#define MR_IO_PROCESSORS_H

/* Those that it is bound to (sched_getaffinity), and no more than its cgroups' quota pays for, rounded up; at
 * least 1. */
int mr_usable_processors(void);

/* The least CPU quota of the cgroups that this process is in, and of those above them, in processors; 0: none
 * is set. LIST: the file that names them, NULL: /proc/self/cgroup; MOUNT: the folder that they are found in,
 * NULL: /sys/fs/cgroup. Both versions. */
double mr_cgroup_quota(const char *list, const char *mount);

#endif
