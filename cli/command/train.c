/* SPDX-License-Identifier: Apache-2.0 */
/* millrace train */
#include "cli/command/train.h"

#include "cli/command/commands.h"
#include "cli/process/interrupt.h"
#include "cli/process/ranks.h"
#include "cli/setup/results.h"

#include <stdlib.h>

static int write_results(mr_train_job *j, bool failed, double wall, mr_error *e)
{
    mr_cli_results r = {.c = j->c,
                        .model = j->model,
                        .result = &j->result,
                        .columns = &j->columns,
                        .checkpoints = &j->checkpoints,
                        .progress = j->progress,
                        .step_log = &j->step_log,
                        .tensorboard = &j->callbacks.tensorboard,
                        .wall = wall,
                        .failed = failed,
                        .best = j->callbacks.best.monitor.metric != NULL};
    int status = mr_cli_write_results(&r, e);
    mr_bad_inputs_end(&j->bad_inputs, j->progress);
    if (r.saved_to && !failed && !j->result.stopped)
        mr_cli_checkpoints_finished(&j->checkpoints, j->c);
    mr_cli_tell_results(&r);
    return status;
}

static int exit_status(const mr_train_job *j, mr_error *e)
{
    const mr_checkpoint_record *last = mr_cli_checkpoints_last(&j->checkpoints);
    if (j->result.checkpoint_failed) {
        mr_fail(e, MR_EIO, "the last checkpoint could not be written: %s", last ? last->message : "");
        return MR_EXIT_FAILED;
    }
    if (j->result.early.code) {
        mr_fail(e, MR_EIO, "the state of the stopped run could not be written: %s", j->result.early.message);
        return MR_EXIT_FAILED;
    }
    if (j->result.stopped)
        return 128 + mr_interrupted();
    return j->result.skipped ? MR_EXIT_SKIPPED : MR_EXIT_DONE;
}

/* Of a run that failed. A result whose pipe had no reader until a signal came is not an error. */
static int failed_status(int status)
{
    return status == MR_ECANCELED && mr_interrupted() ? 128 + mr_interrupted() : mr_exit_status(status);
}

static void tear_down(mr_train_job *j)
{
    mr_step_log_close(j->step_log, NULL);
    mr_train_result_free(&j->result);
    mr_cli_callbacks_close(&j->callbacks);
    mr_trainer_free(j->trainer);
    mr_team_destroy(j->team);
    free(j->class_weight);
    json_decref(j->loss);
    json_decref(j->optimizer);
    mr_model_free(j->model);
    mr_cli_close_data(&j->data);
    mr_cli_checkpoints_close(&j->checkpoints);
    mr_progress_destroy(j->progress);
    free(j);
}

static int run(mr_cli *c, mr_error *e)
{
    mr_train_job *j = calloc(1, sizeof *j);
    if (!j)
        return mr_exit_status(mr_no_memory(e, "a job"));
    j->c = c;
    mr_train_events events = mr_train_job_events(j);
    mr_catch_interrupts();
    int status = mr_train_set_up(j, e);
    status = mr_cli_ranks_agree(j->ranks, status, e);
    bool ready = !status && !j->checkpoints.finished;
    double start = mr_now();
    if (ready)
        status = mr_train_run(j->trainer, mr_cli_training(&j->data), mr_cli_validation(&j->data), &j->options,
                              &events, &j->result, e);
    double wall = mr_now() - start;
    if (ready)
        status = write_results(j, status != 0, wall, e);
    mr_cli_release(&j->claims);
    int code = status ? failed_status(status) : exit_status(j, e);
    if (ready && (code == MR_EXIT_FAILED || code == MR_EXIT_USAGE))
        mr_cli_ranks_fail(j->ranks, code, e);
    code = mr_cli_ranks_end(j->ranks, code);
    tear_down(j);
    return code;
}

const mr_command mr_command_train = {
    .name = "train",
    .options = MR_FOR_TRAIN,
    .operands = "",
    .description =
        "trains an image classifier on folders of images (or arrays) and writes it as a Keras model file",
    .details =
        "\n  millrace train --data cells --model cells.h5 --plot cells.png\n\n"
        "A finished run replaces --model. A run that ends early (stopped by a signal, or failed) leaves its\n"
        "state in --checkpoint-dir, or without that in MODEL.interrupted, and --resume continues from it. "
        "It\n"
        "leaves a finished --model as it was, unless --overwrite is given. --resume of a run whose model is "
        "finished\n"
        "has nothing to do; it does not replace another one.\n",
    .run = run,
};
