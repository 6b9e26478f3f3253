/* SPDX-License-Identifier: Apache-2.0 */
/* The source that training reads: the epochs of a data set, each in an order of its own. */
#ifndef MR_PIPELINE_EPOCHS_H
#define MR_PIPELINE_EPOCHS_H

#include "io/files/dataset.h"
#include "pipeline/load/shard.h"

/* The epochs FIRST_EPOCH … LAST_EPOCH-1 over a dataset, each in the order of its own Philox permutation
 * (SHUFFLE) or in index order, with a flush after each. START_SAMPLE samples of the first epoch are passed
 * over without being read: that is how a resumed run starts at the right place. SET must outlive the source.
 * An item's id is its index in SET. Errors: MR_EINVAL (START_SAMPLE or the epochs out of range), MR_ELIMIT,
 * MR_ENOMEM. */
typedef struct mr_epoch_source mr_epoch_source;
int mr_epoch_source_create(mr_epoch_source **out, const mr_dataset *set, uint64_t seed, bool shuffle,
                           uint32_t first_epoch, uint32_t last_epoch, uint64_t start_sample, mr_error *e);
/* Before the first sample is taken: gives out SHARD's part of each batch of BATCH samples alone. */
void mr_epoch_source_shard(mr_epoch_source *s, mr_shard shard, int batch);
mr_source mr_epoch_source_face(mr_epoch_source *s);
void mr_epoch_source_free(mr_epoch_source *s);

#endif
