/* SPDX-License-Identifier: Apache-2.0 */
/* millrace predict */
#include "cli/command/predict.h"

#include "pipeline/predict/predict_rows.h"
#include "cli/command/commands.h"
#include "cli/setup/preprocess.h"
#include "cli/setup/data.h"
#include "cli/process/interrupt.h"
#include "cli/setup/model.h"
#include "cli/setup/outputs.h"
#include "cli/command/predict_ranks.h"
#include "cli/process/ranks.h"
#include "cli/show/stats.h"
#include "io/model_file/model_task.h"
#include "pipeline/predict/predict_arrays.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

bool mr_predict_stop(void *context)
{
    (void)context;
    return mr_interrupted() != 0;
}

/* --- arrays --------------------------------------------------------------------- */

static int check_array_options(const mr_cli *c, mr_error *e)
{
    size_t n = c->output ? strlen(c->output) : 0;
    if (n < 4 || strcmp(c->output + n - 3, ".h5"))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the outputs of --arrays go into an HDF5 file"),
                       "give --output FILE.h5");
    const char *other = mr_cli_given_of(c, MR_OF_IMAGES);
    return other ? mr_fail(e, MR_EUSAGE, "--%s goes with --images, not with --arrays", other) : 0;
}

static void array_batch_done(void *context, int64_t samples, int64_t total)
{
    mr_predict_job *j = context;
    mr_progress_stream(j->progress, samples, total, 0, 0);
}

static int run_arrays(mr_predict_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    bool bytes = false;
    mr_preprocess pre;
    int status = check_array_options(c, e);
    if (!status)
        status = mr_predict_arrays_bytes(&bytes, j->model, c->arrays, e);
    if (!status)
        status = mr_cli_model_contract(&pre, c, j->model, bytes, e);
    if (status)
        return status;
    mr_array_run run = {.batch_size = c->batch_size,
                        .threads = mr_cli_threads(c),
                        .memory_limit = (size_t)c->memory_limit,
                        .rescale = pre.rescale,
                        .offset = pre.offset,
                        .node = j->node,
                        .nodes = j->nodes,
                        .input = c->arrays,
                        .output = c->output,
                        .context = j,
                        .batch = array_batch_done,
                        .stop = mr_predict_stop};
    mr_progress_epoch_begin(j->progress, 0, 0, 0);
    double start = mr_now();
    status = mr_predict_arrays(j->model, &run, e);
    if (!status)
        mr_progress_epoch_end(j->progress, NULL, 0);
    if (!status && c->stats)
        status = mr_cli_write_stats(c->stats, run.stage, 3, NULL, 0, NULL, mr_now() - start, e);
    return status;
}

/* --- the command ------------------------------------------------------------------ */

static int check_options(const mr_cli *c, mr_error *e)
{
    bool files = c->images.count || c->operands || c->watch.count;
    if (files && c->arrays)
        return mr_fail(e, MR_EUSAGE, "--arrays cannot be used together with images or --watch");
    if (!files && !c->arrays)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "nothing to predict: no input given"),
                       "name files or folders, or use --images PATH, --images - (a list), --watch DIR or --arrays FILE.h5");
    return mr_cli_check_files(c, e);
}

static int find_layers(mr_predict_job *j, mr_error *e)
{
    const mr_list *names = &j->c->layer;
    j->node = calloc((size_t)names->count + 1, sizeof *j->node);
    int status = j->node ? 0 : mr_no_memory(e, "the layers");
    for (; j->nodes < names->count && !status; j->nodes++)
        status = mr_layer_node(&j->node[j->nodes], j->model->graph, names->item[j->nodes], e);
    return status;
}

static int find_task(mr_predict_job *j, mr_error *e)
{
    mr_given_activation given;
    int status = mr_cli_given_activation(&given, j->c, e);
    return status ? status : mr_model_task(&j->task, j->model, MR_TARGETS_UNKNOWN, given, e);
}

static int predict(mr_predict_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    int status = check_options(c, e);
    if (!status)
        status = mr_cli_claim(&j->claims, c, j->ranks, e);
    if (!status)
        status = mr_predict_ranks_check(j->ranks, c, e);
    if (!status)
        status = mr_cli_budget(&j->budget, c, e);
    if (!status)
        status = mr_cli_trained_model(&j->model, c, e);
    if (!status)
        status = find_task(j, e);
    if (!status)
        status = find_layers(j, e);
    if (!status && mr_ranks_rank(j->ranks) == 0) /* one rank speaks */
        status = mr_progress_create(&j->progress, c->quiet, c->log_json, e);
    if (status)
        return status;
    mr_catch_interrupts();
    signal(SIGPIPE, SIG_IGN); /* a reader of standard output that leaves is seen by write() */
    mr_progress_begin(j->progress, "predict", c->arrays ? "samples" : "images");
    return c->arrays ? run_arrays(j, e) : mr_predict_images(j, e);
}

static int exit_status(const mr_predict_job *j, int status, mr_error *e)
{
    bool interrupted = j->stopped || (status == MR_ECANCELED && mr_interrupted());
    if (status == MR_ECANCELED) /* standard output was closed, or a signal came: not an error */
        mr_error_clear(e);
    if (interrupted)
        return 128 + mr_interrupted();
    if (status == MR_ECANCELED)
        return 128 + SIGPIPE;
    return status ? mr_exit_status(status) : j->budget.errors ? MR_EXIT_SKIPPED : MR_EXIT_DONE;
}

static int run(mr_cli *c, mr_error *e)
{
    mr_predict_job j = {.c = c};
    int status = mr_cli_ranks_join(&j.ranks, c, e);
    int code = exit_status(&j, status ? status : predict(&j, e), e);
    if (code == MR_EXIT_FAILED || code == MR_EXIT_USAGE)
        mr_cli_ranks_fail(j.ranks, code, e);
    code = mr_cli_ranks_end(j.ranks, code);
    mr_cli_release(&j.claims);
    free(j.node);
    mr_model_free(j.model);
    mr_progress_destroy(j.progress);
    return code;
}

const mr_command mr_command_predict = {
    .name = "predict",
    .options = MR_FOR_PREDICT,
    .operands = "[PATH…]",
    .most = MR_ANY_OPERANDS,
    .description = "streams a folder of images, a list of them, or arrays through a model",
    .details =
        "\n  millrace predict --model cells.h5 --images cells/testing --output predictions.csv\n"
        "  millrace predict --model cells.h5 *.jpg more/\n\n"
        "PATHs are taken as --images takes them, after those; - is a list on standard input, and -- ends the options.\n"
        "A row per file, in the byte order of the paths; a file that cannot be used has the reason in its\n"
        "status. Folders are walked recursively, links followed; names that begin with a dot are passed "
        "over.\n\n"
        "An --output that is there stays until the new one is complete: until then rows go to NAME.part.EXT beside\n"
        "it. OUTPUT.resume says which model and options rows were made with; --resume refuses others.\n",
    .run = run,
};
