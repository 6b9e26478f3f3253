/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/train/train.h"

#include "pipeline/trainer/agree.h"

#include <stdlib.h>
#include <string.h>

struct run {
    mr_trainer *t;
    mr_data training, validation;
    const mr_train_options *o;
    const mr_train_events *ev;
    mr_snapshot_events snapshot_events;
    mr_train_result *result;
    mr_budget budget;
    mr_shard shard;      /* this rank's part of every batch */
    unsigned char *told; /* of each training sample: it could not be used, and that was told and counted */
    int64_t untold;      /* counted by the process that this run was resumed from: not known which */
    int64_t validation_errors; /* the most that one validation has met so far */
    mr_class_tally *tally;     /* [classes] of the validation at hand; NULL: single classes are not counted */
    int classes;
    mr_feed *feed;
    bool checkpoint_wanted;  /* by some rank */
    mr_snapshots *snapshots; /* NULL: none are wanted */
    mr_run_state at;         /* where the run stands: what a snapshot keeps */
    mr_last_epoch last;
    double busy, waited;     /* seconds of the train stage */
    uint64_t images;
    double since; /* mr_now when this process entered the epoch at hand */
    mr_error *e;
};

static int64_t steps_per_epoch(const struct run *r)
{
    int64_t count = (int64_t)mr_data_count(r->training), batch = r->o->loader.batch_size;
    return (count + batch - 1) / batch;
}

/* Among ranks it is what they agreed on (agree, validate) that counts. */
static bool asked_to_stop(struct run *r)
{
    if (!r->result->stopped && r->ev->stop && !r->o->ranks)
        r->result->stopped = r->ev->stop(r->ev->context);
    return r->result->stopped;
}

/* --- data --------------------------------------------------------------------- */

/* All samples of the epoch at hand are taken: what is left of it is its validation. */
static bool epoch_is_taken(const struct run *r)
{
    return r->at.samples >= (int64_t)mr_data_count(r->training);
}

static int open_training_feed(struct run *r)
{
    bool taken = epoch_is_taken(r);
    mr_feed_order order = {.seed = r->o->seed,
                           .shuffle = r->o->shuffle,
                           .first_epoch = (uint32_t)(r->at.epoch + taken),
                           .last_epoch = (uint32_t)r->o->epochs,
                           .start_sample = taken ? 0 : (uint64_t)r->at.samples,
                           .shard = r->shard};
    const mr_preprocess *pre = &r->o->loader.preprocess;
    if (r->at.ended || order.first_epoch >= order.last_epoch)
        return 0; /* nothing is left to be trained */
    if (r->training.set)
        return mr_feed_folder(&r->feed, r->training.set, &r->o->loader, order, r->e);
    return mr_feed_arrays(&r->feed, r->training.x, 1, r->training.y, r->o->loader.batch_size, pre->rescale,
                          pre->offset, order, r->e);
}

/* A file that cannot be used fails in every epoch; it is told and counted once, when it fails first (a disk
 * or memory may fail later than in the first epoch). */
static bool is_news(struct run *r, uint64_t sample)
{
    if (sample >= mr_data_count(r->training) || r->told[sample])
        return false;
    r->told[sample] = 1;
    return r->at.epoch == 0 || r->untold-- <= 0;
}

static int bad_input(void *context, uint64_t id, const char *path, const char *message)
{
    struct run *r = context;
    if (!is_news(r, id))
        return 0;
    r->at.skipped++;
    if (r->ev->bad_input)
        r->ev->bad_input(r->ev->context, path, message);
    int status = mr_budget_spend(&r->budget, (int64_t)mr_data_count(r->training), path, message, r->e);
    r->at.errors = r->budget.errors;
    return status;
}

/* --- an epoch ----------------------------------------------------------------- */

/* What all ranks know before the step; alone: what this process knows. */
static int agree(struct run *r, mr_examples *ex)
{
    const mr_train_events *ev = r->ev;
    mr_agreement a = {.samples = ex->count, .bad = ex->taken - ex->count};
    if (r->o->ranks) {
        a.stop = ev->stop && ev->stop(ev->context);
        a.checkpoint = ev->checkpoint_wanted && ev->checkpoint_wanted(ev->context);
        mr_agree(r->o->ranks, &a);
        r->result->stopped |= a.stop; /* after this step */
        r->checkpoint_wanted |= a.checkpoint;
    }
    ex->all = a.samples;
    return mr_each_bad_sample(r->o->ranks, ex, a.bad, bad_input, r, r->e);
}

static int step(struct run *r, const mr_examples *ex)
{
    double loss, start = mr_now();
    mr_real *out = r->snapshots ? mr_snapshots_output(r->snapshots) : r->t->model->graph->state;
    int status = mr_trainer_step(r->t, ex, out, &r->at.sums, &loss, r->e);
    r->busy += mr_now() - start;
    r->images += (uint64_t)ex->count; /* its own: of all ranks in at.sums */
    if (status)
        return status;
    if (!isfinite(loss))
        return mr_hint(r->e,
                       mr_fail(r->e, MR_EINVAL, "the loss is NaN or infinite in epoch %d, step %lld",
                               r->at.epoch + 1, (long long)r->at.sums.steps),
                       "a smaller --learning-rate, --clipnorm, or --rescale 1/255 may help");
    r->at.step++;
    if (r->ev->step)
        r->ev->step(r->ev->context, r->at.sums.steps, &r->at.sums, loss);
    return 0;
}

/* Seconds go from the clock into the state, so that a snapshot has them. */
static void keep_time(struct run *r, bool training)
{
    double now = mr_now();
    r->at.seconds += now - r->since;
    r->at.trained_seconds += training ? now - r->since : 0;
    r->since = now;
}

static int snapshot_after_step(struct run *r)
{
    if (!r->snapshots)
        return 0;
    keep_time(r, true);
    if (r->checkpoint_wanted || (r->ev->checkpoint_wanted && r->ev->checkpoint_wanted(r->ev->context)))
        mr_snapshots_ask(r->snapshots);
    r->checkpoint_wanted = false;
    mr_snapshots_after_step(r->snapshots, &r->at);
    return mr_snapshots_take(r->snapshots, &r->at, r->e);
}

/* Samples of the batch at hand, all ranks' together. */
static size_t batch_here(const struct run *r)
{
    size_t left = mr_data_count(r->training) - (size_t)r->at.samples, batch = (size_t)r->o->loader.batch_size;
    return left < batch ? left : batch;
}

static int next_batch(struct run *r, mr_examples *ex)
{
    double start = mr_now();
    if (mr_shard_share(r->shard, batch_here(r)) == 0)
        return 1; /* the epoch's last samples are too few for all ranks */
    int status = r->feed ? mr_feed_next(r->feed, ex, r->e) : 0;
    r->waited += mr_now() - start;
    return status == 0 ? mr_fail(r->e, MR_EINVAL, "the training data ended early") : status;
}

/* Steps to the end of the epoch: 1, or 0 when the run was asked to stop. */
static int train_epoch(struct run *r)
{
    while (!epoch_is_taken(r)) {
        mr_examples ex = {0};
        if (asked_to_stop(r))
            return 0;
        int status = next_batch(r, &ex);
        if (status < 0)
            return status;
        status = agree(r, &ex);
        if (!status && ex.all)
            status = step(r, &ex);
        r->at.samples += (int64_t)batch_here(r);
        mr_feed_release(r->feed, &ex);
        if (!status)
            status = snapshot_after_step(r);
        if (status)
            return status;
    }
    return 1;
}

/* --- validation --------------------------------------------------------------- */

static int tally_batch(void *context, const mr_examples *ex, const mr_plan *plan, mr_error *e)
{
    (void)plan, (void)e;
    struct run *r = context;
    mr_trainer_tally(r->t, ex, r->tally);
    return 0;
}

static void bad_validation_input(void *context, const char *path, const char *reason)
{
    const struct run *r = context;
    r->ev->bad_input(r->ev->context, path, reason);
}

static bool stop_validation(void *context)
{
    const struct run *r = context;
    return r->ev->stop && r->ev->stop(r->ev->context);
}

/* 1: done, 0: asked to stop. */
static int validate(struct run *r, mr_epoch_record *record)
{
    mr_sums sums = {0};
    mr_budget budget = r->budget; /* of its own: the set is another one */
    budget.errors = 0;
    mr_pass pass = {.loader = r->o->loader,
                    .rescale = r->o->loader.preprocess.rescale,
                    .offset = r->o->loader.preprocess.offset,
                    .budget = &budget,
                    .shard = r->shard,
                    .context = r,
                    .batch = r->tally ? tally_batch : NULL,
                    .bad_input = r->validation_errors == 0 && r->ev->bad_input ? bad_validation_input : NULL,
                    .stop = stop_validation};
    if (mr_data_count(r->validation) == 0)
        return 1;
    if (r->ev->validation_begin)
        r->ev->validation_begin(r->ev->context);
    if (r->tally)
        memset(r->tally, 0, (size_t)r->classes * sizeof *r->tally);
    int status = mr_infer_pass(r->t, r->validation, &pass, &sums, r->e);
    if (status >= 0 && r->o->ranks) {
        bool stopped = status > 0 || (r->ev->stop && r->ev->stop(r->ev->context));
        mr_pass_of_all(r->o->ranks, &sums, r->tally, r->classes, &budget.errors, &stopped);
        status = mr_budget_check(&budget, (int64_t)mr_data_count(r->validation), r->e);
        status = status ? status : stopped;
    }
    if (status > 0) { /* it is done again when the run is resumed */
        r->result->stopped = true;
        return 0;
    }
    if (budget.errors > r->validation_errors) {
        r->at.skipped += budget.errors - r->validation_errors;
        r->validation_errors = budget.errors;
    }
    record->val_loss = mr_mean_loss(&sums);
    record->val_accuracy = mr_trainer_accuracy(r->t, &sums);
    record->val_top = mr_mean_top(&sums);
    record->of_class = r->tally;
    record->classes = r->tally ? r->classes : 0;
    return status ? status : 1;
}

static int call_callbacks(struct run *r, const mr_epoch_record *record)
{
    int status = 0;
    for (int i = 0; i < r->o->callbacks && !status; i++) {
        mr_callback *c = &r->o->callback[i];
        if (c->epoch_end)
            status = c->epoch_end(c->context, r->t, record, &r->at.ended, r->e);
    }
    return status;
}

static bool needs_checkpoint(const struct run *r)
{
    bool any = false;
    for (int i = 0; i < r->o->callbacks; i++) {
        const mr_callback *c = &r->o->callback[i];
        any |= c->needs_checkpoint && c->needs_checkpoint(c->context);
    }
    return any;
}

/* The callbacks' memories, as they are after this epoch. */
static int keep_callbacks(struct run *r)
{
    json_t *all = json_object();
    for (int i = 0; all && i < r->o->callbacks; i++) {
        const mr_callback *c = &r->o->callback[i];
        if (c->save && json_object_set_new(all, c->name, c->save(c->context))) {
            json_decref(all);
            all = NULL;
        }
    }
    if (!all)
        return mr_no_memory(r->e, "the callbacks' state");
    json_decref(r->at.callbacks);
    r->at.callbacks = all;
    return 0;
}

/* What comes after the last step: 1, or 0 when the run was asked to stop. */
static int end_epoch(struct run *r)
{
    keep_time(r, true);
    mr_epoch_record record = {.epoch = r->at.epoch + 1,
                              .loss = mr_mean_loss(&r->at.sums),
                              .accuracy = mr_trainer_accuracy(r->t, &r->at.sums),
                              .val_loss = NAN,
                              .val_accuracy = NAN,
                              .top = mr_mean_top(&r->at.sums),
                              .val_top = NAN,
                              .learning_rate = mr_optimizer_rate(r->t->optimizer)};
    int status = validate(r, &record);
    if (status <= 0)
        return status;
    keep_time(r, false);
    record.seconds = r->at.seconds;
    record.images_per_second = r->at.trained_seconds > 0 ? r->at.sums.samples / r->at.trained_seconds : 0;
    status = mr_history_append(&r->at.history, &record, r->e);
    if (!status)
        status = call_callbacks(r, &record);
    if (!status)
        status = keep_callbacks(r);
    if (!status && r->ev->epoch_end)
        r->ev->epoch_end(r->ev->context, &r->at.history);
    return status ? status : 1;
}

static void enter_next_epoch(struct run *r)
{
    r->at.epoch++;
    r->at.samples = 0;
    r->at.sums = (mr_sums){0};
    r->at.seconds = r->at.trained_seconds = 0;
}

/* 1: go on, 0: asked to stop, negative: failed. */
static int run_epoch(struct run *r)
{
    r->since = mr_now();
    if (r->ev->epoch_begin)
        r->ev->epoch_begin(r->ev->context, r->at.epoch + 1, r->o->epochs, steps_per_epoch(r));
    if (r->at.sums.steps && r->ev->epoch_resumed)
        r->ev->epoch_resumed(r->ev->context, r->at.sums.steps, &r->at.sums);
    int status = train_epoch(r);
    if (status <= 0)
        return status;
    if (r->at.sums.samples == 0)
        return mr_fail(r->e, MR_EINVAL, "none of the training images could be used");
    status = end_epoch(r);
    if (status <= 0)
        return status;
    enter_next_epoch(r);
    status = mr_last_epoch_keep(&r->last, r->t, &r->at, r->e);
    if (status || !r->snapshots)
        return status ? status : 1;
    mr_snapshots_after_epoch(r->snapshots, &r->at);
    if (needs_checkpoint(r))
        mr_snapshots_require(r->snapshots);
    status = mr_snapshots_take(r->snapshots, &r->at, r->e);
    return status ? status : 1;
}

/* --- beginning and going on --------------------------------------------------- */

static int check_data(const struct run *r)
{
    int status = 0;
    if (r->training.x)
        status = mr_trainer_check_input(r->t, 0, &r->training.x->shape, r->e);
    if (!status && r->validation.x)
        status = mr_trainer_check_input(r->t, 0, &r->validation.x->shape, r->e);
    if (!status && r->training.x)
        status = mr_trainer_check_targets(r->t, r->training.y, "y", r->e);
    if (!status && r->validation.x)
        status = mr_trainer_check_targets(r->t, r->validation.y, "y_val", r->e);
    return status;
}

static int note_data(struct run *r)
{
    json_t *training = NULL, *validation = NULL;
    int status = mr_data_fingerprint(&training, r->training, r->e);
    if (!status)
        status = mr_data_fingerprint(&validation, r->validation, r->e);
    if (!status && r->o->resume)
        status = mr_data_compare(json_object_get(r->o->resume->data, "training"), training, "training", r->e);
    if (!status && r->o->resume)
        status = mr_data_compare(json_object_get(r->o->resume->data, "validation"), validation, "validation",
                                 r->e);
    r->at.data = json_pack("{s:o, s:o}", "training", training, "validation", validation);
    return status || r->at.data ? status
                                : mr_no_memory(r->e, "the data's fingerprint");
}

/* The same run everywhere? A rank that reads another version of the files would spoil it unnoticed. */
static int compare_ranks(struct run *r)
{
    const mr_graph *g = r->t->model->graph;
    json_t *all = json_pack("{s:O, s:i, s:i, s:I, s:I, s:I}", "data", r->at.data, "epochs", r->o->epochs, "batch",
                            r->o->loader.batch_size, "seed", (json_int_t)r->o->seed, "step",
                            (json_int_t)r->at.step, "samples", (json_int_t)r->at.samples);
    char *text = all ? json_dumps(all, JSON_SORT_KEYS) : NULL;
    int status = text ? mr_check_same_begin(r->o->ranks, g->state, g->state_size * sizeof *g->state, text, r->e)
                      : mr_no_memory(r->e, "what the ranks have in common");
    free(text);
    json_decref(all);
    return status;
}

static int restore_callbacks(struct run *r)
{
    int status = 0;
    for (int i = 0; i < r->o->callbacks && !status; i++) {
        const mr_callback *c = &r->o->callback[i];
        const json_t *memory = json_object_get(r->at.callbacks, c->name);
        if (c->restore && memory)
            status = c->restore(c->context, memory, r->e);
    }
    return status;
}

/* Room for counting single classes, where there are some and something to count them on. */
static int open_tally(struct run *r)
{
    r->classes = mr_trainer_classes(r->t);
    if (mr_data_count(r->validation) == 0 || r->classes < 2 || r->classes > MR_HISTORY_CLASSES)
        return 0;
    r->tally = calloc((size_t)r->classes, sizeof *r->tally);
    return r->tally ? 0 : mr_no_memory(r->e, "%d classes", r->classes);
}

static int begin(struct run *r)
{
    const mr_run_state *resume = r->o->resume;
    int status = resume ? mr_run_state_copy(&r->at, resume, r->e) : 0;
    r->told = calloc(mr_data_count(r->training) + 1, 1);
    if (!status && !r->told)
        status = mr_no_memory(r->e, "what is known of %zu samples",
                         (size_t)mr_data_count(r->training));
    if (status)
        return status;
    r->budget.errors = r->untold = r->at.errors;
    r->validation_errors = r->at.skipped - r->at.errors;
    json_decref(r->at.data);
    r->at.data = NULL;
    json_decref(r->at.settings);
    r->at.settings = json_incref(r->o->settings);
    json_decref(r->at.architecture);
    const mr_graph *g = r->t->model->graph;
    r->at.architecture = json_incref(g->config);
    if (g->inputs == 1)
        r->at.input = g->node[g->input[0]].shape;
    status = note_data(r);
    if (!status)
        status = compare_ranks(r);
    return status || !resume ? status : restore_callbacks(r);
}

static int open_snapshots(struct run *r)
{
    if (!r->o->checkpoints.dir)
        return 0;
    r->snapshot_events = (mr_snapshot_events){r->ev->context, r->ev->checkpoint, r->ev->message};
    return mr_snapshots_open(&r->snapshots, r->t, &r->o->checkpoints, &r->snapshot_events, r->o->resume,
                             r->e);
}

/* --- the whole ---------------------------------------------------------------- */

static int run_epochs(struct run *r)
{
    int status = 1;
    while (status > 0 && !r->at.ended && r->at.epoch < r->o->epochs)
        status = asked_to_stop(r) ? 0 : run_epoch(r);
    return status < 0 ? status : 0;
}

/* The last snapshot. */
static int finish(struct run *r)
{
    return r->snapshots ? mr_snapshots_finish(r->snapshots, &r->at, r->result->stopped,
                                              &r->result->checkpoint_failed, r->e)
                        : 0;
}

/* No other thread reads the graph's state by now. What fails here does not take the place of what ended the run. */
static void end_early(struct run *r, bool failed)
{
    mr_train_result *out = r->result;
    out->usable = !failed || r->last.state;
    const mr_early_end end = {.t = r->t,
                              .at = &r->at,
                              .last = failed ? &r->last : NULL,
                              .dir = r->o->checkpoints.dir,
                              .folder = r->o->left_behind,
                              .callback = r->o->callback,
                              .callbacks = r->o->callbacks};
    if (out->usable && r->at.step > 0)
        mr_early_end_run(&end, out->left_behind, &out->early);
}

static int end_well(struct run *r)
{
    int status = mr_end_callbacks(r->o->callback, r->o->callbacks, r->t, r->e);
    r->result->usable = true;
    return status ? status : mr_trainer_store(r->t, r->e);
}

static void fill_stages(struct run *r)
{
    mr_train_result *out = r->result;
    if (r->feed) {
        out->stages = mr_feed_stats(r->feed, out->stage, 15);
        out->reader = mr_feed_reader_kind(r->feed);
    }
    out->stage[out->stages++] = (mr_stage_stats){.name = "train",
                                                 .threads = 1,
                                                 .items = r->images,
                                                 .busy_seconds = r->busy,
                                                 .wait_input_seconds = r->waited};
}

static void fill_result(struct run *r)
{
    mr_train_result *out = r->result;
    out->history = r->at.history;
    r->at.history = (mr_history){0};
    out->skipped = r->at.skipped;
    out->step = r->at.step;
}

int mr_train_run(mr_trainer *t, mr_data training, mr_data validation, const mr_train_options *options,
                 const mr_train_events *events, mr_train_result *result, mr_error *e)
{
    static const mr_train_events silent = {0};
    struct run r = {.t = t,
                    .training = training,
                    .validation = validation,
                    .o = options,
                    .ev = events ? events : &silent,
                    .result = result,
                    .budget = options->budget,
                    .shard = {mr_ranks_rank(options->ranks), mr_ranks_count(options->ranks)},
                    .e = e};
    memset(result, 0, sizeof *result);
    int status = check_data(&r);
    if (!status)
        status = begin(&r);
    if (!status)
        status = open_tally(&r);
    if (!status)
        status = open_snapshots(&r);
    if (!status)
        status = open_training_feed(&r);
    if (!status)
        status = run_epochs(&r);
    if (!status)
        status = finish(&r);
    fill_stages(&r);
    mr_feed_close(r.feed);
    mr_snapshots_close(r.snapshots);
    if (status || result->stopped)
        end_early(&r, status != 0);
    else
        status = end_well(&r);
    fill_result(&r);
    mr_run_state_clear(&r.at);
    mr_last_epoch_clear(&r.last);
    free(r.told);
    free(r.tally);
    return status;
}

void mr_train_result_free(mr_train_result *r)
{
    mr_history_free(&r->history);
    memset(r, 0, sizeof *r);
}
