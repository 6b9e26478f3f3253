/* SPDX-License-Identifier: Apache-2.0 */
#include "base/processors.h"

#include "base/cgroup.h"
#include "base/team.h"

#include <math.h>

int mr_usable_processors(void)
{
    int bound = mr_processors();
    double quota = ceil(mr_cgroup_quota(NULL, NULL));
    return quota > 0 && quota < bound ? (int)quota : bound;
}
