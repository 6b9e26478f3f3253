/* SPDX-License-Identifier: Apache-2.0 */
/* --stats: what each stage did, as JSON, and which one was the bottleneck. */
#ifndef MR_CLI_STATS_H
#define MR_CLI_STATS_H

#include "pipeline/checkpoint/checkpoint.h"
#include "pipeline/queue/stats.h"

/* The stage that the others waited for: the one whose threads were busy for the largest share of WALL seconds. */
const mr_stage_stats *mr_cli_bottleneck(const mr_stage_stats *stage, int stages, double wall);

/* Writes FILE. CHECKPOINT may be NULL with 0 of them; READER ("io_uring", "pread") may be NULL. */
int mr_cli_write_stats(const char *file, const mr_stage_stats *stage, int stages, const mr_checkpoint_record *checkpoint,
                       int checkpoints, const char *reader, double wall, mr_error *e);

#endif
