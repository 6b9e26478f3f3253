/* SPDX-License-Identifier: Apache-2.0 */
/* millrace predict */
#include "cli/commands.h"
#include "cli/contract.h"
#include "cli/data.h"
#include "cli/gallery.h"
#include "cli/interrupt.h"
#include "cli/model.h"
#include "cli/outputs.h"
#include "cli/progress.h"
#include "cli/stats.h"
#include "pipeline/predict.h"
#include "pipeline/predict_arrays.h"
#include "pipeline/walk.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const mr_cli *c;
    mr_model *model;
    mr_preprocess pre;
    mr_budget budget;
    mr_progress *progress;
    mr_walk *walk;
    const char **class_names;
    int classes;
    mr_gallery *gallery;
    mr_predict_result result;
    int64_t steps;
    bool skipped;
};

/* --- what the run tells --------------------------------------------------------- */

static void row_made(void *context, const mr_sink_row *row, uint64_t id)
{
    struct job *j = context;
    mr_gallery_offer(j->gallery, row, id);
}

static void batch_done(void *context, const mr_predict_totals *t)
{
    struct job *j = context;
    mr_metric metric = {"failed", (double)t->failed};
    mr_progress_step(j->progress, ++j->steps, (int64_t)t->files, &metric, t->failed > 0);
}

static void array_batch_done(void *context, int64_t samples, int64_t total)
{
    struct job *j = context;
    if (j->steps++ == 0)
        mr_progress_epoch_begin(j->progress, 0, 0, (total + j->c->batch_size - 1) / j->c->batch_size);
    mr_progress_step(j->progress, j->steps, samples, NULL, 0);
}

static void bad_input(void *context, const char *path, const char *reason)
{
    struct job *j = context;
    mr_progress_message(j->progress, MR_LOG_WARNING, "%s: %s (skipped)", path, reason);
}

static bool stop(void *context)
{
    (void)context;
    return mr_interrupted() != 0;
}

/* --- images --------------------------------------------------------------------- */

static int set_up_images(struct job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    mr_walk_options walk = {.root = c->images.item, .roots = c->images.count};
    int status = mr_walk_create(&j->walk, &walk, e);
    if (!status)
        status = mr_cli_model_contract(&j->pre, c, j->model, true, e);
    if (!status)
        status = mr_model_class_names(&j->class_names, &j->classes, j->model, e);
    if (!status && c->montage && !j->classes)
        status = mr_fail(e, MR_EUSAGE, "--montage wants a model that tells classes apart");
    if (!status && c->montage)
        status = mr_gallery_create(&j->gallery, c->montage_count, (uint64_t)c->seed, j->class_names,
                                   j->classes, e);
    return status;
}

static int run_images(struct job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    int status = set_up_images(j, e);
    if (status)
        return status;
    mr_predict_options o = {.predictor = {.loader = mr_cli_loader(c, &j->pre, NULL),
                                          .threads = mr_cli_threads(c),
                                          .memory_limit = (size_t)c->memory_limit},
                            .output = c->output,
                            .top = c->top,
                            .budget = &j->budget};
    mr_predict_events events = {
        .context = j, .row = row_made, .batch = batch_done, .bad_input = bad_input, .stop = stop};
    mr_progress_epoch_begin(j->progress, 0, 0, 0);
    double start = mr_now();
    status = mr_predict_run(j->model, mr_walk_source(j->walk), &o, &events, &j->result, e);
    double wall = mr_now() - start;
    if (!status) {
        mr_metric metric = {"failed", (double)j->result.totals.failed};
        mr_progress_epoch_end(j->progress, &metric, j->result.totals.failed > 0);
    }
    if (!status && j->gallery)
        status = mr_gallery_write(j->gallery, c->montage, e);
    if (!status && c->stats)
        status = mr_cli_write_stats(c->stats, j->result.stage, j->result.stages, NULL, 0, j->result.reader,
                                    wall, e);
    return status;
}

/* --- arrays --------------------------------------------------------------------- */

static int check_array_options(const mr_cli *c, mr_error *e)
{
    size_t n = c->output ? strlen(c->output) : 0;
    if (n < 4 || strcmp(c->output + n - 3, ".h5"))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the outputs of --arrays go into an HDF5 file"),
                       "give --output FILE.h5");
    return c->montage || c->top ? mr_fail(e, MR_EUSAGE, "--montage and --top go with --images") : 0;
}

static int run_arrays(struct job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    bool bytes = false;
    int status = check_array_options(c, e);
    if (!status)
        status = mr_predict_arrays_bytes(&bytes, j->model, c->arrays, e);
    if (!status)
        status = mr_cli_model_contract(&j->pre, c, j->model, bytes, e);
    mr_array_run run = {.batch_size = c->batch_size,
                        .threads = mr_cli_threads(c),
                        .memory_limit = (size_t)c->memory_limit,
                        .rescale = j->pre.rescale,
                        .offset = j->pre.offset,
                        .input = c->arrays,
                        .output = c->output,
                        .context = j,
                        .batch = array_batch_done,
                        .stop = stop};
    if (!status)
        status = mr_predict_arrays(j->model, &run, e);
    if (!status)
        mr_progress_epoch_end(j->progress, NULL, 0);
    return status;
}

/* --- the command ------------------------------------------------------------------ */

static int check_options(const mr_cli *c, mr_error *e)
{
    if (!c->images.count == !c->arrays)
        return mr_hint(
            e,
            mr_fail(e, MR_EUSAGE,
                    c->arrays ? "--images and --arrays exclude one another" : "there is nothing to predict"),
            "give --images DIR, --images FILE, --images - or --arrays FILE.h5");
    const mr_cli_output outputs[] = {{c->output, "output"}, {c->montage, "montage"}, {c->stats, "stats"}};
    const mr_cli_output inputs[] = {{c->model, "model"}, {c->arrays, "arrays"}, {c->weights, "weights"}};
    int status = mr_cli_check_outputs(outputs, sizeof outputs / sizeof *outputs, e);
    return status ? status : mr_cli_check_inputs(outputs[0], inputs, sizeof inputs / sizeof *inputs, e);
}

static int predict(struct job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    int status = check_options(c, e);
    if (!status)
        status = mr_cli_budget(&j->budget, c, e);
    if (!status)
        status = mr_cli_trained_model(&j->model, c, e);
    if (!status)
        status = mr_progress_create(&j->progress, c->quiet, c->log_json, e);
    if (status)
        return status;
    mr_catch_interrupts();
    signal(SIGPIPE, SIG_IGN); /* a reader of standard output that leaves is seen by write() */
    mr_progress_begin(j->progress, "predict", c->arrays ? "samples" : "images");
    return c->arrays ? run_arrays(j, e) : run_images(j, e);
}

static int exit_status(const struct job *j, int status, mr_error *e)
{
    bool interrupted = j->result.stopped || (status == MR_ECANCELED && mr_interrupted());
    if (status == MR_ECANCELED) /* nobody reads any more, or a signal came: no failure of ours */
        mr_error_clear(e);
    if (interrupted)
        return 128 + mr_interrupted();
    if (status == MR_ECANCELED)
        return 128 + SIGPIPE;
    return status ? mr_exit_status(status) : j->budget.errors ? MR_EXIT_SKIPPED : MR_EXIT_DONE;
}

static void tear_down(struct job *j)
{
    mr_predict_result_free(&j->result);
    mr_gallery_free(j->gallery);
    mr_walk_free(j->walk);
    free(j->class_names);
    mr_model_free(j->model);
    mr_progress_destroy(j->progress);
}

static int run(mr_cli *c, mr_error *e)
{
    struct job j = {.c = c};
    int code = exit_status(&j, predict(&j, e), e);
    tear_down(&j);
    return code;
}

const mr_command mr_command_predict = {
    .name = "predict",
    .options = MR_FOR_PREDICT,
    .operands = "",
    .description = "streams a folder of images, a list of them, or arrays through a model",
    .details = "\n  millrace predict --model cells.h5 --images cells/testing --output predictions.csv\n\nA "
               "row per file, in the byte "
               "order of the paths; a file that cannot be used has the reason in its status.\n",
    .run = run,
};
