/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane: samples → read → decode → augment → batches, in order, the same bytes for any number of
 * threads. Stages are threads joined by bounded queues; buffers come from fixed pools, and the steady state
 * allocates nothing.
 *
 *     source ─ reader thread ─(files)→ decode threads ─(rows of the batch)→ consumer
 *                    ↑                                                          │
 *                    └──────────────────── free batches ←───────────────────────┘ */
#ifndef MR_PIPELINE_LOADER_H
#define MR_PIPELINE_LOADER_H

#include "pipeline/load/loader_options.h"
#include "pipeline/load/source.h"
#include "pipeline/queue/stats.h"

mr_loader_options mr_loader_options_default(void);

typedef struct mr_loader mr_loader;
/* Starts the threads. SOURCE must outlive the loader. Errors: MR_EINVAL for impossible options, MR_ENOMEM,
 * MR_EIO. */
int mr_loader_open(mr_loader **out, mr_source source, const mr_loader_options *options, mr_error *e);
/* The next batch in order: 1 and *BATCH, 0 at the end, negative when the source or the system failed (a
 * failed source: after the whole batches before the failure). One consumer thread, which may hold several
 * batches, but not all batches_ahead+1 of them when it asks for another: MR_EINVAL. A batch in which every
 * sample failed comes with count 0. */
int mr_loader_next(mr_loader *l, mr_batch **batch, mr_error *e);
/* Gives the batch's buffers back to the pool. */
void mr_loader_release(mr_loader *l, mr_batch *batch);
/* Ends all queues now, with WHY or (NULL) as cancelled: every thread comes to its end, a consumer that waits
 * wakes. From any thread. */
void mr_loader_stop(mr_loader *l, const mr_error *why);
/* Stops the threads wherever they are, frees everything. Safe at any time, batches not released included;
 * NULL is fine. */
void mr_loader_close(mr_loader *l);
/* Counters of the stages so far: scan, read, decode, batch. Thread safe. Fills up to MAX entries, returns how
 * many. */
int mr_loader_stats(const mr_loader *l, mr_stage_stats *out, int max);
/* "io_uring" or "pread". */
const char *mr_loader_reader_kind(const mr_loader *l);

#endif
