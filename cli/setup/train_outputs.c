/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/train_outputs.h"

#include "cli/setup/outputs.h"

#include <stddef.h>

static const struct {
    const char *option;
    size_t file; /* its place in mr_cli */
} all[MR_TRAIN_OUTPUTS] = {
    {"model", offsetof(mr_cli, model)},       {"plot", offsetof(mr_cli, plot)},   {"history", offsetof(mr_cli, history)},
    {"step-log", offsetof(mr_cli, step_log)}, {"stats", offsetof(mr_cli, stats)},
};

static const char *file_of(const mr_cli *c, int i)
{
    return *(const char *const *)((const char *)c + all[i].file);
}

int mr_cli_check_train_outputs(const mr_cli *c, mr_error *e)
{
    mr_cli_output outputs[MR_TRAIN_OUTPUTS];
    for (int i = 0; i < MR_TRAIN_OUTPUTS; i++)
        outputs[i] = (mr_cli_output){file_of(c, i), all[i].option};
    if (!c->model && !c->checkpoint_dir)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the trained model has nowhere to go"),
                       "give --model FILE.h5 or FILE.keras");
    int status = c->model ? mr_cli_check_model_name(c->model, "--model", e) : 0;
    if (!status)
        status = mr_cli_check_picture_name((mr_cli_output){c->plot, "plot"}, e);
    if (!status)
        status = mr_cli_check_outputs(outputs, MR_TRAIN_OUTPUTS, e);
    if (!status)
        status = mr_cli_check_output_folder((mr_cli_output){c->checkpoint_dir, "checkpoint-dir"}, e);
    return status ? status : mr_cli_check_output_folder((mr_cli_output){c->tensorboard, "tensorboard"}, e);
}

int mr_cli_claim_train_outputs(mr_train_claims *out, const mr_cli *c, mr_ranks *ranks, mr_error *e)
{
    int status = 0, rank = mr_ranks_rank(ranks);
    for (int i = 0; i < MR_TRAIN_OUTPUTS && !status && rank == 0; i++)
        status = mr_claim_open(&out->file[i], &(mr_claim_options){.output = file_of(c, i), .overwrite = true}, e);
    mr_ranks_broadcast(ranks, &status, sizeof status);
    return status && rank ? mr_fail(e, status, "rank 0 cannot lock the outputs") : status;
}

void mr_cli_release_train_outputs(mr_train_claims *claims)
{
    for (int i = 0; i < MR_TRAIN_OUTPUTS; i++) {
        mr_claim_close(claims->file[i], false, NULL);
        claims->file[i] = NULL;
    }
}
