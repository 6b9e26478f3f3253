/* SPDX-License-Identifier: Apache-2.0 */
/* --early-stopping, --reduce-lr-on-plateau, --keep-best. */
#ifndef MR_CLI_CALLBACKS_H
#define MR_CLI_CALLBACKS_H

#include "cli/option/options.h"
#include "cli/show/tensorboard.h"
#include "pipeline/train/callbacks.h"
#include "pipeline/train/train.h"

typedef struct mr_cli_callbacks {
    mr_early_stopping stopping;
    mr_plateau plateau;
    mr_best_weights best;
    mr_tensorboard tensorboard;
    mr_callback list[4];
} mr_cli_callbacks;

typedef struct mr_cli_epochs { /* what there will be to look at after an epoch */
    bool validates;
    const mr_history_columns *columns; /* borrowed as long as the callbacks live */
} mr_cli_epochs;

/* Fills O's callbacks, and its score for the best checkpoint. CONSTANT: the optimizer's rate is no schedule.
 */
int mr_cli_callbacks_begin(mr_cli_callbacks *b, const mr_cli *c, mr_train_options *o, const mr_cli_epochs *epochs,
                           bool constant, mr_says says, mr_error *e);
void mr_cli_callbacks_close(mr_cli_callbacks *b);

#endif
