/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors there are for this process: what a batch system, a container or taskset left it. */
#ifndef MR_IO_PROCESSORS_H
#define MR_IO_PROCESSORS_H

/* Those that it is bound to (sched_getaffinity), and no more than its cgroups' quota pays for (base/cgroup.h), rounded
 * up; at least 1. */
int mr_usable_processors(void);

#endif
