/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/train.h"

#include <stdlib.h>
#include <string.h>

struct run {
    mr_trainer *t;
    mr_data training, validation;
    const mr_train_options *o;
    const mr_train_events *ev;
    mr_train_result *result;
    mr_budget budget;
    mr_feed *feed;
    mr_checkpointer *checkpoints;
    bool checkpoint_due;
    int epoch;               /* of the run, from 0 */
    mr_sums sums;            /* of the epoch at hand */
    double busy, waited;     /* seconds of the train stage */
    uint64_t images;
    double epoch_start;
    mr_error *e;
};

static int64_t steps_per_epoch(const struct run *r)
{
    int64_t count = (int64_t)mr_data_count(r->training), batch = r->o->loader.batch_size;
    return (count + batch - 1) / batch;
}

static void say(const struct run *r, const char *text)
{
    if (r->ev->message)
        r->ev->message(r->ev->context, text);
}

/* --- data --------------------------------------------------------------------- */

static int open_training_feed(struct run *r)
{
    mr_feed_order order = {.seed = r->o->seed, .shuffle = r->o->shuffle, .first_epoch = (uint32_t)r->epoch,
                           .last_epoch = (uint32_t)r->o->epochs};
    const mr_preprocess *pre = &r->o->loader.preprocess;
    if (r->training.set)
        return mr_feed_folder(&r->feed, r->training.set, &r->o->loader, order, r->e);
    return mr_feed_arrays(&r->feed, r->training.x, 1, r->training.y, r->o->loader.batch_size, pre->rescale, pre->offset, order, r->e);
}

/* A file that cannot be used fails in every epoch; it is told and counted once, in the first. */
static int bad_inputs(struct run *r, const mr_examples *ex)
{
    for (int i = 0; ex->batch && r->epoch == 0 && i < ex->batch->results; i++) {
        const mr_sample_result *s = &ex->batch->result[i];
        if (!s->error)
            continue;
        r->result->skipped++;
        if (r->ev->bad_input)
            r->ev->bad_input(r->ev->context, s->path, s->message);
        int status = mr_budget_spend(&r->budget, (int64_t)mr_data_count(r->training), s->path, s->message, r->e);
        if (status)
            return status;
    }
    return 0;
}

/* --- checkpoints -------------------------------------------------------------- */

static json_t *run_state(const struct run *r)
{
    return json_pack("{s:i, s:I}", "epoch", r->epoch, "seed", (json_int_t)r->o->seed);
}

static void tell_checkpoints(struct run *r)
{
    mr_checkpoint_record record;
    while (r->checkpoints && mr_checkpointer_records(r->checkpoints, &record, 1))
        if (r->ev->checkpoint)
            r->ev->checkpoint(r->ev->context, &record);
}

/* The hand-over point: between two updates. */
static int checkpoint_if_due(struct run *r)
{
    if (!r->checkpoint_due || !mr_checkpointer_ready(r->checkpoints))
        return 0;
    int status = mr_trainer_store(r->t, r->e);
    if (status)
        return status;
    mr_snapshot s = {.iterations = r->t->optimizer->iterations, .training = json_deep_copy(r->t->model->training),
                     .run = run_state(r)};
    mr_checkpointer_offer(r->checkpoints, s);
    r->checkpoint_due = false;
    return 0;
}

static int finish_checkpoints(struct run *r)
{
    int status = 0;
    if (!r->checkpoints)
        return 0;
    mr_checkpointer_wait(r->checkpoints);
    if (r->checkpoint_due && mr_checkpointer_ready(r->checkpoints)) {
        status = checkpoint_if_due(r);
        mr_checkpointer_wait(r->checkpoints);
    }
    tell_checkpoints(r);
    return status;
}

/* --- an epoch ----------------------------------------------------------------- */

static int step(struct run *r, const mr_examples *ex)
{
    double loss, start = mr_now();
    mr_real *out = r->checkpoints ? mr_checkpointer_output(r->checkpoints) : r->t->model->graph->state;
    int status = mr_trainer_step(r->t, ex, out, &r->sums, &loss, r->e);
    r->busy += mr_now() - start;
    r->images += (uint64_t)ex->count;
    if (status)
        return status;
    if (!isfinite(loss))
        return mr_hint(r->e, mr_fail(r->e, MR_EINVAL, "the loss is not a number any more, in epoch %d, step %lld", r->epoch + 1,
                                     (long long)r->sums.steps),
                       "a smaller --learning-rate, --clipnorm, or --rescale 1/255 may help");
    if (r->ev->step)
        r->ev->step(r->ev->context, r->sums.steps, &r->sums, loss);
    return 0;
}

/* Steps to the end of the epoch: 1, or 0 when the run was asked to stop. */
static int train_epoch(struct run *r)
{
    mr_examples ex = {0};
    int status = 1;
    while (status > 0 && !ex.last_of_epoch) {
        double start = mr_now();
        status = mr_feed_next(r->feed, &ex, r->e);
        r->waited += mr_now() - start;
        if (status <= 0)
            return status < 0 ? status : mr_fail(r->e, MR_EINVAL, "the training data ended early");
        bool last = ex.last_of_epoch;
        status = bad_inputs(r, &ex);
        if (!status && ex.count)
            status = step(r, &ex);
        mr_feed_release(r->feed, &ex);
        ex.last_of_epoch = last;
        if (!status)
            status = checkpoint_if_due(r);
        tell_checkpoints(r);
        if (!status && r->ev->stop && r->ev->stop(r->ev->context)) {
            r->result->stopped = true;
            return 0;
        }
        status = status ? status : 1;
    }
    return status;
}

static int validate(struct run *r, mr_epoch_record *record)
{
    mr_sums sums = {0};
    mr_budget budget = r->budget; /* of its own: the set is another one */
    budget.errors = 0;
    mr_pass pass = {.loader = r->o->loader, .rescale = r->o->loader.preprocess.rescale, .offset = r->o->loader.preprocess.offset,
                    .budget = &budget, .context = r->ev->context, .bad_input = r->epoch == 0 ? r->ev->bad_input : NULL};
    if (mr_data_count(r->validation) == 0)
        return 0;
    if (r->ev->validation_begin)
        r->ev->validation_begin(r->ev->context);
    int status = mr_infer_pass(r->t, r->validation, &pass, &sums, r->e);
    if (r->epoch == 0)
        r->result->skipped += budget.errors;
    record->val_loss = mr_mean_loss(&sums);
    record->val_accuracy = mr_mean_accuracy(&sums);
    return status;
}

static int append_record(struct run *r, const mr_epoch_record *record)
{
    mr_history *h = &r->result->history;
    if (h->count == h->capacity) {
        int capacity = h->capacity ? 2 * h->capacity : 32;
        mr_epoch_record *larger = realloc(h->record, (size_t)capacity * sizeof *larger);
        if (!larger)
            return mr_fail(r->e, MR_ENOMEM, "out of memory for the history");
        h->record = larger;
        h->capacity = capacity;
    }
    h->record[h->count++] = *record;
    return 0;
}

static int end_epoch(struct run *r, double trained_seconds)
{
    mr_epoch_record record = {.epoch = r->epoch + 1, .loss = mr_mean_loss(&r->sums), .accuracy = mr_mean_accuracy(&r->sums),
                              .val_loss = NAN, .val_accuracy = NAN, .learning_rate = mr_optimizer_rate(r->t->optimizer)};
    int status = validate(r, &record);
    record.seconds = mr_now() - r->epoch_start;
    record.images_per_second = trained_seconds > 0 ? r->sums.samples / trained_seconds : 0;
    if (!status)
        status = append_record(r, &record);
    if (!status && r->ev->epoch_end)
        r->ev->epoch_end(r->ev->context, &record);
    return status;
}

/* 1: go on, 0: asked to stop, negative: failed. */
static int run_epoch(struct run *r)
{
    r->sums = (mr_sums){0};
    r->epoch_start = mr_now();
    if (r->ev->epoch_begin)
        r->ev->epoch_begin(r->ev->context, r->epoch + 1, r->o->epochs, steps_per_epoch(r));
    int status = train_epoch(r);
    if (status <= 0)
        return status;
    if (r->sums.samples == 0)
        return mr_fail(r->e, MR_EINVAL, "none of the training images could be used");
    status = end_epoch(r, mr_now() - r->epoch_start);
    if (status)
        return status;
    r->epoch++;
    if (r->checkpoints && r->o->checkpoint_every_epochs > 0 && r->epoch % r->o->checkpoint_every_epochs == 0) {
        r->checkpoint_due = true;
        status = checkpoint_if_due(r);
    }
    tell_checkpoints(r);
    return status ? status : 1;
}

/* --- the whole ---------------------------------------------------------------- */

static int check_data(const struct run *r)
{
    int status = 0;
    if (r->training.x)
        status = mr_trainer_check_input(r->t, 0, &r->training.x->shape, r->e);
    if (!status && r->validation.x)
        status = mr_trainer_check_input(r->t, 0, &r->validation.x->shape, r->e);
    return status;
}

static void collect_stats(struct run *r)
{
    mr_train_result *out = r->result;
    if (r->feed) {
        out->stages = mr_feed_stats(r->feed, out->stage, 15);
        out->reader = mr_feed_reader_kind(r->feed);
    }
    out->stage[out->stages++] = (mr_stage_stats){.name = "train", .threads = 1, .items = r->images, .busy_seconds = r->busy,
                                                 .wait_input_seconds = r->waited};
}

int mr_train_run(mr_trainer *t, mr_data training, mr_data validation, const mr_train_options *options,
                 const mr_train_events *events, mr_train_result *result, mr_error *e)
{
    static const mr_train_events silent = {0};
    struct run r = {.t = t, .training = training, .validation = validation, .o = options, .ev = events ? events : &silent,
                    .result = result, .budget = options->budget, .e = e};
    memset(result, 0, sizeof *result);
    int status = check_data(&r);
    if (!status && options->checkpoint_dir)
        status = mr_checkpointer_create(&r.checkpoints, t->model,
                                        (mr_checkpoint_options){.dir = options->checkpoint_dir, .keep = options->keep}, e);
    if (!status)
        status = open_training_feed(&r);
    if (!status)
        status = 1;
    while (status > 0 && r.epoch < options->epochs)
        status = run_epoch(&r);
    if (status >= 0 && result->stopped && r.checkpoints)
        r.checkpoint_due = true;
    int finished = status >= 0 ? finish_checkpoints(&r) : 0;
    collect_stats(&r);
    mr_feed_close(r.feed);
    mr_checkpointer_close(r.checkpoints);
    if (status >= 0)
        status = finished ? finished : mr_trainer_store(t, e);
    if (status == 0 && result->stopped)
        say(&r, "stopped");
    return status;
}

void mr_train_result_free(mr_train_result *r)
{
    free(r->history.record);
    memset(r, 0, sizeof *r);
}
