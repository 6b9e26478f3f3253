/* SPDX-License-Identifier: Apache-2.0 */
/* The processes (ranks, in MPI's word) that share one run, started by mpirun or srun. All that is asked of MPI is
 * here: ranks_mpi.c with it, ranks_alone.c without. NULL stands for a process that is alone, everywhere: then every
 * function does nothing, and no function of MPI is ever called.
 *
 * What is not marked otherwise is collective: all ranks call it, in the same order, on the thread that joined. A rank
 * that dies ends all others: MPI's launcher sees to that, and says so. */
#ifndef MR_PIPELINE_RANKS_H
#define MR_PIPELINE_RANKS_H

#include "base/error.h"
#include "nn/compute/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mr_ranks mr_ranks;

/* How many processes the launcher started, by its environment; 1: none did. No call of MPI; not collective. */
int mr_ranks_launched(void);

/* Joins the others. *OUT is NULL where this process is alone. Errors: MR_EUNSUPPORTED where there are others and this
 * program was built without MPI. */
int mr_ranks_join(mr_ranks **out, mr_error *e);
/* The orderly end of all ranks. */
void mr_ranks_leave(mr_ranks *r);
/* Ends all ranks at once with exit status STATUS. One rank calls it; does not return, unless R is NULL. */
void mr_ranks_abort(mr_ranks *r, int status);

/* Not collective. */
int mr_ranks_rank(const mr_ranks *r);  /* 0 for NULL */
int mr_ranks_count(const mr_ranks *r); /* 1 for NULL */

/* Processors for this rank's threads: those that it may run on, divided among the ranks of this machine that may run
 * on the same ones. */
int mr_ranks_processors(mr_ranks *r);

/* VALUES [COUNT] become their sums over all ranks, the same bytes in each. */
void mr_ranks_sum(mr_ranks *r, double *values, size_t count);
/* DATA of rank 0 goes to all. */
void mr_ranks_broadcast(mr_ranks *r, void *data, size_t bytes);
/* The BYTES at DATA of all ranks, in their order, as one malloc'ed block; *TOTAL: its bytes. MR_ENOMEM. */
int mr_ranks_gather(mr_ranks *r, const void *data, size_t bytes, void **all, size_t *total, mr_error *e);

/* Sums that go on while this rank computes: VALUES must be left alone until mr_ranks_finish_sums. */
void mr_ranks_start_sum(mr_ranks *r, mr_real *values, size_t count);
/* Lets sums under way go on (MPI has no thread of its own for that). Not collective. */
void mr_ranks_poll(mr_ranks *r);
/* All that were started are done. Not collective by itself; waits for the other ranks. */
void mr_ranks_finish_sums(mr_ranks *r);

#endif
