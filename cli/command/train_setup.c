/* SPDX-License-Identifier: Apache-2.0 */
/* From the options of `millrace train` to a trainer and its outputs. */
#include "cli/command/train.h"

#include "cli/option/keep.h"
#include "cli/process/ranks.h"
#include "cli/setup/class_weight.h"
#include "cli/setup/fine_tune.h"
#include "cli/setup/model.h"
#include "cli/setup/moving_statistics.h"
#include "cli/setup/optimizer.h"
#include "cli/setup/outputs.h"
#include "cli/setup/preprocess.h"
#include "cli/setup/provenance.h"
#include "cli/setup/schedule_end.h"
#include "io/files/held_out.h"

#include <stdlib.h>

static int check_checkpoint_options(const mr_cli *c, mr_error *e)
{
    mr_cli_keep keep;
    int status = mr_cli_keep_parse(&keep, c, e);
    if (status || c->checkpoint_dir || (!c->checkpoint_every && !keep.counted))
        return status;
    return mr_hint(e,
                   mr_fail(e, MR_EUSAGE, "--%s: there are no checkpoints",
                           c->checkpoint_every ? "checkpoint-every" : "keep"),
                   "give --checkpoint-dir DIR");
}

static int tell_imbalance(const mr_train_job *j, mr_error *e)
{
    char text[512];
    if (j->c->class_weight || j->trainer->task.kind != MR_TASK_CLASSES)
        return 0;
    int status = mr_cli_imbalance(text, sizeof text, &j->data, e);
    if (!status && *text)
        mr_progress_message(j->progress, MR_LOG_WARNING, "%s", text);
    return status;
}

/* An architecture from a file is not shaped by options. */
static void tell_idle_options(const mr_train_job *j)
{
    const mr_cli *c = j->c;
    bool brought = c->from || mr_cli_json_arch(c);
    for (int i = 0; i < mr_option_count && brought; i++)
        if (c->given[i] && mr_options[i].traits & MR_OF_BUILT_IN)
            mr_progress_message(j->progress, MR_LOG_WARNING,
                                "--%s has no effect: it is for built-in architectures, and %s brings its own",
                                mr_options[i].name, c->from ? c->from : c->arch);
    if (j->data.unused_validation)
        mr_progress_message(j->progress, MR_LOG_WARNING,
                            "%s is not used: --validation-split takes from the training images",
                            j->data.unused_validation);
    if (j->data.from_arrays && !mr_augmentation_is_none(&j->augmentation))
        mr_progress_message(j->progress, MR_LOG_WARNING,
                            "arrays are not augmented: those options have no effect");
}

static int set_contract(mr_train_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    bool images = !j->data.from_arrays;
    const mr_shape *x = &j->data.x.shape;
    bool image_like = images || (x->rank == 4 && (x->dim[3] == 1 || x->dim[3] == 3));
    j->has_contract = image_like && (images || j->data.x.bytes || c->rescale);
    if (j->model && (c->from || j->checkpoints.resumes))
        return mr_cli_model_contract(&j->pre, c, j->model, images || j->data.x.bytes, e);
    const mr_arch *arch = mr_arch_find(c->arch ? c->arch : "resnet");
    int status = mr_cli_new_contract(&j->pre, c, arch ? arch->default_size : 64, e);
    if (!status && j->model)
        mr_cli_contract_of_input(&j->pre, c, j->model);
    if (!status && !images && j->data.x.shape.rank == 4) { /* the network is made for the arrays */
        j->pre.height = (int)j->data.x.shape.dim[1];
        j->pre.width = (int)j->data.x.shape.dim[2];
        j->pre.color_mode = (mr_color_mode)j->data.x.shape.dim[3];
    }
    return status;
}

/* Architecture, weights, statistics, slots and the optimizer's configuration are the checkpoint's; what is
 * drawn goes by the seed as before. */
static void take_resumed_model(mr_train_job *j)
{
    j->model = j->checkpoints.resumed.model;
    j->checkpoints.resumed.model = NULL;
    j->model->graph->seed = (uint64_t)j->c->seed;
    j->step = j->checkpoints.resumed.state.step;
}

static int make_model(mr_train_job *j, mr_error *e)
{
    bool resumes = j->checkpoints.resumes, made = !resumes && (mr_cli_built_in(j->c) || j->c->new_head);
    int status = made ? mr_cli_check_targets_are_classes(&j->data, j->c, e) : 0;
    if (resumes)
        take_resumed_model(j);
    else if (status)
        return status;
    else if (j->c->from || mr_cli_json_arch(j->c))
        status = mr_cli_training_model(&j->model, j->c, NULL, j->data.classes, e);
    if (!status)
        status = set_contract(j, e);
    if (!status && j->c->from && !resumes)
        j->had_slots = j->model->has_optimizer_state || j->model->dropped_state;
    if (!status && !j->model)
        status = mr_cli_training_model(&j->model, j->c, &j->pre, j->data.classes, e);
    if (!status && !resumes)
        status = mr_cli_fine_tune(j->model, j->c, j->data.classes, e);
    /* NOLINTNEXTLINE(clang-analyzer-core.*): without an error there is a model by now */
    if (!status && j->model->class_names && (resumes || !j->c->new_head))
        status = mr_cli_order_classes(&j->data, j->model->class_names, j->model->classes, e);
    if (status)
        return status;
    const mr_graph *g = j->model->graph;
    const mr_shape in = {4, {0, j->pre.height, j->pre.width, (int)j->pre.color_mode}},
                   *want = &g->node[g->input[0]].shape;
    char have[96], need[96];
    if (!j->data.from_arrays && !mr_shape_equal(&in, want))
        return mr_hint(e,
                       mr_fail(e, MR_EUSAGE, "images of %s do not fit the model's input %s",
                               mr_shape_text(&in, true, have, sizeof have),
                               mr_shape_text(want, true, need, sizeof need)),
                       "give --image-size and --color-mode to match");
    return 0;
}

/* The outputs must be the classes: one each, or one sigmoid for two. */
static int check_classes(const mr_train_job *j, mr_error *e)
{
    const mr_graph *g = j->model->graph;
    const mr_shape *out = &g->node[g->output[0]].shape;
    int64_t width = out->dim[out->rank - 1];
    if (j->data.from_arrays || width == j->data.classes || (width == 1 && j->data.classes == 2))
        return 0;
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL, "the model has %lld outputs, the data have %d classes",
                           (long long)width, j->data.classes),
                   j->c->from ? "--new-head replaces its last layer by one for these classes"
                              : "train a network made for these classes");
}

static int64_t steps_per_epoch(const mr_train_job *j)
{
    int64_t count = (int64_t)mr_data_count(mr_cli_training(&j->data)), batch = j->c->batch_size;
    return (count + batch - 1) / batch;
}

static int set_moving_statistics(mr_train_job *j, mr_error *e)
{
    char warning[320];
    if (j->checkpoints.resumes) /* as the run was that is resumed */
        return 0;
    int64_t steps = steps_per_epoch(j) * j->c->epochs;
    int status = mr_cli_moving_statistics(j->model->graph, j->c, steps, warning, sizeof warning, e);
    if (!status && *warning)
        mr_progress_message(j->progress, MR_LOG_WARNING, "%s", warning);
    return status;
}

/* A run that is resumed for more epochs. */
static int stretch_schedule(mr_train_job *j, mr_error *e)
{
    char text[256];
    int status = mr_cli_stretch_schedule(j->optimizer, j->c, j->checkpoints.resumed.state.settings,
                                         steps_per_epoch(j), text, sizeof text, e);
    if (!status && *text)
        mr_progress_message(j->progress, MR_LOG_WARNING, "%s", text);
    return status;
}

static int check_rates(mr_train_job *j, mr_error *e)
{
    char text[320];
    const mr_run_state *at = j->checkpoints.resumes ? &j->checkpoints.resumed.state : NULL;
    const mr_cli_rates rates = {.schedule = j->trainer->optimizer->schedule,
                                .iterations = j->trainer->optimizer->iterations - (at ? at->sums.steps : 0),
                                .steps_per_epoch = steps_per_epoch(j),
                                .epoch = at ? at->epoch : 0,
                                .epochs = at && at->ended ? at->epoch : j->c->epochs,
                                .longer = at && mr_cli_is_longer(j->c, at->settings)};
    int status = mr_cli_check_rates(&rates, text, sizeof text, e);
    if (!status && *text)
        mr_progress_message(j->progress, MR_LOG_WARNING, "%s", text);
    return status;
}

static mr_targets targets_of(const mr_train_job *j)
{
    const mr_graph *g = j->model->graph;
    return mr_cli_targets(&j->data, &g->node[g->output[0]].shape);
}

/* How the model is trained: as the options say, or as the run was that is resumed. */
static int choose_training(mr_train_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    const mr_model *compiled = c->from ? j->model : NULL;
    if (j->checkpoints.resumes) {
        j->loss = json_incref(json_object_get(j->model->training, "loss"));
        j->optimizer = json_deep_copy(json_object_get(j->model->training, "optimizer_config"));
        return stretch_schedule(j, e);
    }
    if (!mr_cli_own_optimizer(c, compiled)) /* named anew: its state starts anew */
        j->model->has_optimizer_state = false;
    int status = mr_cli_loss(&j->loss, c, j->model, compiled != NULL, targets_of(j), e);
    return status ? status : mr_cli_optimizer(&j->optimizer, c, compiled, steps_per_epoch(j), e);
}

static int check_restored(const mr_train_job *j, mr_error *e)
{
    const mr_trainer *t = j->trainer;
    if (!j->checkpoints.resumes || t->restored || t->optimizer->slots == 0)
        return 0;
    return mr_fail(e, MR_EFORMAT, "%s: the optimizer's state in it is not that of %s",
                   j->checkpoints.resumed.path, t->optimizer->class->class_name);
}

/* Momentum and the like that were in the file: they are lost on demand, or as they are of an optimizer that
 * is not here. */
static void tell_lost_slots(const mr_train_job *j)
{
    bool unexpected = j->model->dropped_state && !j->c->optimizer;
    if (j->had_slots && !j->trainer->restored)
        mr_progress_message(j->progress, unexpected ? MR_LOG_WARNING : MR_LOG_INFO,
                            "the optimizer's state in %s is not used: %s starts anew", j->c->from,
                            j->trainer->optimizer->class->class_name);
}

/* What only classes have. */
static int check_task(const mr_train_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    if (j->trainer->task.kind == MR_TASK_CLASSES || (!c->class_weight && !c->top))
        return 0;
    return mr_fail(e, MR_EUSAGE, "--%s requires targets that are one class of many",
                   c->top ? "top" : "class-weight");
}

static int make_trainer(mr_train_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    int status = check_classes(j, e);
    if (!status)
        status = choose_training(j, e);
    if (!status)
        status = mr_cli_class_weights(&j->class_weight, c->class_weight, &j->data, e);
    if (!status)
        status = mr_team_create(&j->team, mr_cli_threads(c), e);
    mr_trainer_options o = {.batch_size = c->batch_size,
                            .memory_limit = (size_t)c->memory_limit,
                            .optimizer = j->optimizer,
                            .loss = j->loss,
                            .class_weight = j->class_weight,
                            .classes = j->data.classes,
                            .targets = targets_of(j),
                            .top = c->top,
                            .ranks = j->ranks,
                            .sync_batchnorm = c->sync_batchnorm};
    if (!status)
        status = mr_trainer_create(&j->trainer, j->model, j->team, &o, e);
    if (!status)
        status = check_task(j, e);
    if (!status)
        status = check_restored(j, e);
    if (!status)
        tell_lost_slots(j);
    return status;
}

static int set_provenance(mr_train_job *j, mr_error *e)
{
    const mr_cli_run run = {.c = j->c,
                            .data = &j->data,
                            .trainer = j->trainer,
                            .resumed = j->checkpoints.resumes ? &j->checkpoints.resumed.state : NULL};
    int status = mr_cli_set_provenance(&run, e);
    if (!status)
        mr_cli_tell_run(j->progress, j->c, j->model->provenance);
    return status;
}

/* A model that was trained on these data before has seen what another split holds out. */
static int tell_other_split(const mr_train_job *j, mr_error *e)
{
    const json_t *records = j->model->held_out;
    mr_held_out kept = {0}, lost = {0};
    int status = mr_held_out_find(&lost, records, j->data.training, e);
    if (!status)
        status = mr_held_out_find(&kept, records, j->data.validation, e);
    const mr_held_out *known = kept.record ? &kept : &lost;
    size_t seen = j->data.validation->count - kept.found;
    if (!status && known->record && seen)
        mr_progress_message(j->progress, MR_LOG_WARNING,
                            "the model may have been trained on %zu of the %zu images that are held out now; "
                            "--validation-split %g --seed %llu holds out the same as then",
                            seen, j->data.validation->count, known->fraction,
                            (unsigned long long)known->seed);
    free(kept.held);
    free(lost.held);
    return status;
}

/* What this run trains on is held out no more, and what it leaves out is. */
static int remember_split(mr_train_job *j, mr_error *e)
{
    const mr_cli_data *d = &j->data;
    if (d->from_arrays)
        return 0;
    int status = j->c->validation_split > 0 ? tell_other_split(j, e) : 0;
    if (!status)
        status = mr_held_out_strike(j->model->held_out, d->training, e);
    if (!status && j->c->validation_split > 0)
        status = mr_held_out_add(&j->model->held_out, d->validation, d->training, j->c->validation_split,
                                 (uint64_t)j->c->seed, e);
    return status;
}

static int describe(mr_train_job *j, mr_error *e)
{
    mr_model *m = j->model;
    if (j->has_contract) {
        m->has_preprocess = true;
        m->preprocess = j->pre;
    }
    int status = remember_split(j, e);
    return !status && j->data.class_names ? mr_cli_set_classes(m, j->data.class_names, j->data.classes, e)
                                          : status;
}

static int set_options(mr_train_job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    j->options = (mr_train_options){
        .epochs = c->epochs, .shuffle = !c->no_shuffle, .seed = (uint64_t)c->seed, .ranks = j->ranks};
    int status = mr_cli_budget(&j->options.budget, c, e);
    if (!status)
        status = mr_cli_augmentation(&j->augmentation, c, e);
    return status;
}

/* What the history shows beside its fixed columns: single classes where they are counted. */
static mr_history_columns columns_of(const mr_train_job *j)
{
    int classes = j->data.has_validation ? mr_trainer_classes(j->trainer) : 0;
    const mr_output_task *task = &j->trainer->task;
    return (mr_history_columns){.accuracy = task->kind == MR_TASK_LABELS ? mr_task_metric(task) : NULL,
                                .no_accuracy = !mr_task_metric(task),
                                .top = j->c->top,
                                .classes = classes <= MR_HISTORY_CLASSES ? classes : 0,
                                .class_names = j->data.class_names};
}

static int open_tensorboard(mr_train_job *j, mr_error *e)
{
    const mr_run_state *resumed = j->options.resume;
    mr_tensorboard *t = &j->callbacks.tensorboard;
    int status = mr_tensorboard_open(t, j->c->tensorboard, resumed ? resumed->epoch : 0, j->columns, e);
    if (!status && t->file)
        j->callbacks.list[j->options.callbacks++] = mr_tensorboard_callback(t);
    return status;
}

/* Rank 0 does; all hear what became of it. */
static int claim_outputs(mr_train_job *j, mr_error *e)
{
    int status = mr_cli_claim(&j->claims, j->c, j->ranks, e);
    mr_ranks_broadcast(j->ranks, &status, sizeof status);
    return status && mr_ranks_rank(j->ranks) ? mr_fail(e, status, "rank 0 cannot lock the outputs") : status;
}

/* --- the steps, in this order ------------------------------------------------------ */

static int join_ranks(mr_train_job *j, mr_error *e)
{
    int status = mr_cli_ranks_join(&j->ranks, j->c, e);
    if (!status && mr_ranks_rank(j->ranks) == 0) /* only rank 0 prints */
        status = mr_progress_create(&j->progress, j->c->quiet, j->c->log_json, e);
    return status;
}

/* Where a run is resumed, its outputs are known from its checkpoint only. */
static int open_checkpoints(mr_train_job *j, mr_error *e)
{
    bool resumed = j->c->resume;
    int status = resumed ? 0 : mr_cli_check_training_files(j->c, e);
    if (!status)
        status = mr_cli_checkpoints_open(&j->checkpoints, j->c, j->progress, j->ranks, e);
    return !status && resumed && !j->checkpoints.finished ? mr_cli_check_training_files(j->c, e) : status;
}

static int check_options(mr_train_job *j, mr_error *e)
{
    int status = check_checkpoint_options(j->c, e);
    if (!status)
        status = mr_cli_one_source(j->c, e);
    if (!status)
        mr_cli_ranks_mute(j->ranks, j->c);
    return status ? status : set_options(j, e);
}

static void tell_found(const mr_train_job *j, const mr_dataset *set)
{
    char text[256];
    if (!set)
        return;
    mr_cli_found(set, text, sizeof text);
    mr_progress_message(j->progress, MR_LOG_INFO, "%s", text);
}

static int open_data(mr_train_job *j, mr_error *e)
{
    int status = mr_cli_open_training(&j->data, j->c, e);
    if (status)
        return status;
    tell_found(j, j->data.training);
    tell_found(j, j->data.validation);
    if (j->data.note)
        mr_progress_message(j->progress, MR_LOG_INFO, "%s", j->data.note);
    mr_cli_tell_empty_classes(j->data.validation, "validation", j->progress);
    tell_idle_options(j);
    return 0;
}

static int tell_targets(mr_train_job *j, mr_error *e)
{
    mr_cli_tell_targets(&j->data, j->trainer, j->progress);
    return tell_imbalance(j, e);
}

static int begin_callbacks(mr_train_job *j, mr_error *e)
{
    int status = mr_cli_checkpoints_begin(&j->checkpoints, j->c, &j->options, e);
    if (status)
        return status;
    j->columns = columns_of(j);
    j->history_log = (mr_history_log){.file = j->c->history, .columns = &j->columns};
    const mr_cli_epochs epochs = {j->data.has_validation, &j->columns};
    status = mr_cli_callbacks_begin(&j->callbacks, j->c, &j->options, &epochs,
                                    mr_schedule_is_constant(j->trainer->optimizer->schedule),
                                    (mr_says){mr_train_say, j}, e);
    return status ? status : open_tensorboard(j, e);
}

/* What was there before is touched when all else is ready. */
static int begin_outputs(mr_train_job *j, mr_error *e)
{
    int status = mr_cli_checkpoints_set_aside(&j->checkpoints, e);
    if (!status)
        status = mr_step_log_open(&j->step_log, j->c->step_log, j->step, e);
    j->options.loader = mr_cli_loader(j->c, &j->pre, &j->augmentation);
    return status;
}

static int (*const steps[])(mr_train_job *j, mr_error *e) = {
    join_ranks,     open_checkpoints,      claim_outputs,   check_options, open_data,
    make_model,     set_moving_statistics, describe,        make_trainer,  check_rates,
    set_provenance, tell_targets,          begin_callbacks, begin_outputs,
};

int mr_train_set_up(mr_train_job *j, mr_error *e)
{
    int status = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !status && !j->checkpoints.finished; i++)
        status = steps[i](j, e);
    return status;
}
