/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an output that several ranks wrote (pipeline/load/shard.h), put together as one process would have written
 * it. */
#ifndef MR_PIPELINE_MERGE_H
#define MR_PIPELINE_MERGE_H

#include "base/error.h"

#include <stddef.h>

/* Where rank RANK of COUNT writes its part of OUTPUT: "dir/name.part-2-of-4.csv" (with the same ending, which says what
 * kind of file it is). MR_ELIMIT where it does not fit. */
int mr_part_path(char *out, size_t size, const char *output, int rank, int count, mr_error *e);

/* Makes OUTPUT (.csv, .jsonl, .ndjson) of its COUNT parts, BATCH rows of each in turn, and removes them. Errors: MR_EIO,
 * MR_EFORMAT where the parts do not fit together. On failure the parts stay. */
int mr_merge_parts(const char *output, int count, int batch, mr_error *e);

#endif
