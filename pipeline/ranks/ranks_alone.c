/* SPDX-License-Identifier: Apache-2.0 */
/* A build without MPI. */
#include "pipeline/ranks/ranks.h"

#include "base/team.h"

#include <limits.h>
#include <stdlib.h>

int mr_ranks_launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", NULL};
    for (int i = 0; names[i]; i++) {
        const char *text = getenv(names[i]);
        long n = text ? strtol(text, NULL, 10) : 1;
        if (n > 1 && n <= INT_MAX)
            return (int)n;
    }
    return 1;
}

int mr_ranks_join(mr_ranks **out, mr_error *e)
{
    *out = NULL;
    int launched = mr_ranks_launched();
    if (launched == 1)
        return 0;
    return mr_hint(e,
                   mr_fail(e, MR_EUNSUPPORTED,
                           "this is one of %d processes, and this program was built without MPI", launched),
                   "build it where mpicc is (Debian: libopenmpi-dev), or start it without mpirun");
}

void mr_ranks_leave(mr_ranks *r)
{
    (void)r;
}
void mr_ranks_abort(mr_ranks *r, int status)
{
    (void)r, (void)status;
}
int mr_ranks_rank(const mr_ranks *r)
{
    return (void)r, 0;
}
int mr_ranks_count(const mr_ranks *r)
{
    return (void)r, 1;
}
int mr_ranks_processors(mr_ranks *r)
{
    return (void)r, mr_processors();
}
void mr_ranks_sum(mr_ranks *r, double *values, size_t count)
{
    (void)r, (void)values, (void)count;
}
void mr_ranks_broadcast(mr_ranks *r, void *data, size_t bytes)
{
    (void)r, (void)data, (void)bytes;
}
void mr_ranks_start_sum(mr_ranks *r, mr_real *values, size_t count)
{
    (void)r, (void)values, (void)count;
}
void mr_ranks_poll(mr_ranks *r)
{
    (void)r;
}
void mr_ranks_finish_sums(mr_ranks *r)
{
    (void)r;
}

int mr_ranks_gather(mr_ranks *r, const void *data, size_t bytes, void **all, size_t *total, mr_error *e)
{
    (void)r, (void)data, (void)bytes;
    *all = NULL;
    *total = 0;
    return mr_fail(e, MR_EUNSUPPORTED, "there are no ranks to gather from");
}
