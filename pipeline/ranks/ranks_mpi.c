/* SPDX-License-Identifier: Apache-2.0 */
/* The ranks on MPI (2018's MPI 3.1 is enough: Open MPI, MPICH). Errors of MPI itself are left to its own
 * handler, which names the failing call and ends all ranks. */
#include "pipeline/ranks/ranks.h"

#include "base/cgroup.h"
#include "base/team.h"

#include <limits.h>
#include <math.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* A message of MPI counts its items in an int. */
enum { MOST_ITEMS = 1 << 30, MOST_REQUESTS = 1024 };

struct mr_ranks {
    int rank, count, processors;
    MPI_Comm sums;  /* for what goes on in the background, apart from all else */
    MPI_Comm talks; /* for the rest */
    MPI_Request request[MOST_REQUESTS];
    int requests;
};

/* --- who there is ---------------------------------------------------------------- */

/* Set by Open MPI's mpirun, by MPICH's and Intel's (and srun with PMI-2), by srun with PMIx. */
int mr_ranks_launched(void)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    if (!size)
        size = getenv("PMI_SIZE");
    if (!size && getenv("PMIX_RANK"))
        size = getenv("SLURM_STEP_NUM_TASKS") ? getenv("SLURM_STEP_NUM_TASKS") : getenv("SLURM_NTASKS");
    long n = size ? strtol(size, NULL, 10) : 1;
    return n > 1 && n <= INT_MAX ? (int)n : 1;
}

/* Ranks that a launcher bound to processors of their own have those; ranks that share some, or a quota, have
 * their part. */
static int own_processors(void)
{
    MPI_Comm machine;
    cpu_set_t own, all;
    int n = mr_processors(), sum, ranks;
    CPU_ZERO(&own);
    if (sched_getaffinity(0, sizeof own, &own))
        return n;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Allreduce(&own, &all, (int)sizeof own, MPI_BYTE, MPI_BOR, machine);
    MPI_Allreduce(&n, &sum, 1, MPI_INT, MPI_SUM, machine);
    MPI_Comm_size(machine, &ranks);
    MPI_Comm_free(&machine);
    int part = sum > 0 ? (int)((long)n * CPU_COUNT(&all) / sum) : n;
    double quota = ceil(mr_cgroup_quota(NULL, NULL) / ranks);
    if (quota > 0 && quota < part)
        part = (int)quota;
    return part > 0 ? part : 1;
}

/* Open MPI (4.1) sends a background sum in place to one rank and back: log2(count) times what halving and
 * doubling (Rabenseifner's, number 3) takes on a link. That sends twice as much for other counts than powers
 * of two: there a ring (1), unless its 2 (count - 1) messages in turn cost more. Who has set it knows better;
 * MPICH does not read it. */
static void choose_algorithms(void)
{
    int n = mr_ranks_launched();
    bool ring = n < 32 && (n & (n - 1));
    setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", ring ? "1" : "3", 0);
}

int mr_ranks_join(mr_ranks **out, mr_error *e)
{
    *out = NULL;
    if (mr_ranks_launched() == 1)
        return 0;
    mr_ranks *r = calloc(1, sizeof *r);
    int provided;
    if (!r)
        return mr_no_memory(e, "the ranks");
    choose_algorithms();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &r->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r->count);
    MPI_Comm_dup(MPI_COMM_WORLD, &r->sums);
    MPI_Comm_dup(MPI_COMM_WORLD, &r->talks);
    r->processors = own_processors();
    *out = r;
    return 0;
}

void mr_ranks_leave(mr_ranks *r)
{
    if (!r)
        return;
    MPI_Comm_free(&r->sums);
    MPI_Comm_free(&r->talks);
    MPI_Finalize();
    free(r);
}

void mr_ranks_abort(mr_ranks *r, int status)
{
    if (r)
        MPI_Abort(MPI_COMM_WORLD, status);
}

int mr_ranks_rank(const mr_ranks *r)
{
    return r ? r->rank : 0;
}

int mr_ranks_count(const mr_ranks *r)
{
    return r ? r->count : 1;
}

int mr_ranks_processors(mr_ranks *r)
{
    return r ? r->processors : mr_processors();
}

/* --- at once --------------------------------------------------------------------- */

void mr_ranks_sum(mr_ranks *r, double *values, size_t count)
{
    for (size_t i = 0; r && i < count; i += MOST_ITEMS) {
        size_t n = count - i < MOST_ITEMS ? count - i : MOST_ITEMS;
        MPI_Allreduce(MPI_IN_PLACE, values + i, (int)n, MPI_DOUBLE, MPI_SUM, r->talks);
    }
}

void mr_ranks_broadcast(mr_ranks *r, void *data, size_t bytes)
{
    for (size_t i = 0; r && i < bytes; i += MOST_ITEMS) {
        size_t n = bytes - i < MOST_ITEMS ? bytes - i : MOST_ITEMS;
        MPI_Bcast((char *)data + i, (int)n, MPI_BYTE, 0, r->talks);
    }
}

static int sum_of(const int *size, int *place, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        place[i] = (int)total;
        total += size[i];
        if (total > INT_MAX / 2)
            return -1;
    }
    return (int)total;
}

int mr_ranks_gather(mr_ranks *r, const void *data, size_t bytes, void **all, size_t *total, mr_error *e)
{
    int *size = calloc(2 * (size_t)r->count, sizeof *size), own = bytes < INT_MAX ? (int)bytes : INT_MAX;
    *all = NULL;
    *total = 0;
    if (!size)
        return mr_no_memory(e, "what the ranks say");
    MPI_Allgather(&own, 1, MPI_INT, size, 1, MPI_INT, r->talks);
    int sum = sum_of(size, size + r->count, r->count);
    *all = sum >= 0 ? malloc((size_t)sum + 1) : NULL;
    if (*all) {
        MPI_Allgatherv(data, own, MPI_BYTE, *all, size, size + r->count, MPI_BYTE, r->talks);
        *total = (size_t)sum;
    }
    free(size);
    return *all ? 0 : mr_no_memory(e, "what the ranks say");
}

/* --- in the background ------------------------------------------------------------- */

void mr_ranks_start_sum(mr_ranks *r, mr_real *values, size_t count)
{
    MPI_Datatype type = sizeof *values == sizeof(double) ? MPI_DOUBLE : MPI_FLOAT;
    for (size_t i = 0; r && i < count; i += MOST_ITEMS) {
        size_t n = count - i < MOST_ITEMS ? count - i : MOST_ITEMS;
        if (r->requests == MOST_REQUESTS)
            mr_ranks_finish_sums(r);
        MPI_Iallreduce(MPI_IN_PLACE, values + i, (int)n, type, MPI_SUM, r->sums, &r->request[r->requests++]);
    }
}

void mr_ranks_poll(mr_ranks *r)
{
    int done;
    if (r && r->requests)
        MPI_Testall(r->requests, r->request, &done, MPI_STATUSES_IGNORE);
}

void mr_ranks_finish_sums(mr_ranks *r)
{
    if (!r)
        return;
    MPI_Waitall(r->requests, r->request, MPI_STATUSES_IGNORE);
    r->requests = 0;
}
