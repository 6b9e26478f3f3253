/* SPDX-License-Identifier: Apache-2.0 */
/* What `predict --images` does where several ranks share the walk. NULL ranks: nothing. */
#ifndef MR_CLI_PREDICT_RANKS_H
#define MR_CLI_PREDICT_RANKS_H

#include "cli/option/options.h"
#include "pipeline/load/shard.h"
#include "pipeline/predict/predict.h"
#include "pipeline/ranks/ranks.h"

typedef struct mr_predict_ranks {
    mr_ranks *ranks;
    mr_sharded dealt;
    char part[4096]; /* this rank's output */
} mr_predict_ranks;

/* Refuses what cannot be shared (MR_EUSAGE). */
int mr_predict_ranks_check(const mr_ranks *ranks, const mr_cli *c, mr_error *e);
/* SOURCE and O's output become this rank's part. */
int mr_predict_ranks_begin(mr_predict_ranks *p, const mr_cli *c, mr_source *source, mr_predict_options *o, mr_error *e);
/* After the run: RESULT's counts are those of all ranks, and rank 0 puts the parts together unless a rank was
 * stopped. */
int mr_predict_ranks_end(mr_predict_ranks *p, const mr_cli *c, mr_predict_result *result, mr_error *e);

#endif
