/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/trainer/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t output_width(const mr_trainer *t)
{
    return t->output.rank > 1 ? (size_t)t->output.dim[t->output.rank - 1] : 1;
}

/* Several outputs are fine to look at, not to train. */
static int configure_loss(mr_trainer *t, mr_error *e)
{
    const json_t *loss = t->options.loss;
    if (!loss || json_is_null(loss))
        return 0;
    if (json_is_object(loss) && !json_object_get(loss, "class_name") && json_object_size(loss) == 1)
        loss = json_object_iter_value(json_object_iter((json_t *)loss)); /* {"output name": loss} */
    else if (json_is_array(loss) && json_array_size(loss) == 1)
        loss = json_array_get(loss, 0);
    int status = mr_loss_configure(&t->loss, loss, e);
    t->has_loss = status == 0;
    return status;
}

static void choose_task(mr_trainer *t)
{
    t->task = mr_model_task_with(t->model, t->has_loss ? &t->loss : NULL, t->options.targets, t->options.given);
}

static int check_trainable(const mr_trainer *t, mr_error *e)
{
    const mr_graph *g = t->model->graph;
    int trainable = 0;
    if (g->outputs != 1)
        return mr_fail(e, MR_EUNSUPPORTED, "training needs a model with one output; '%s' has %d", g->name,
                       g->outputs);
    if (!t->has_loss)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "training needs a loss"), "give --loss NAME");
    for (int i = 0; i < g->layers; i++)
        if (g->layer[i]->trainable && mr_layer_untrained_key(g->layer[i]))
            return mr_fail(e, MR_EUNSUPPORTED, "layer '%s': its \"%s\" can be run but not trained",
                           g->layer[i]->name, mr_layer_untrained_key(g->layer[i]));
    for (int i = 0; i < g->params; i++)
        trainable += g->param[i]->trainable;
    return trainable ? 0 : mr_fail(e, MR_EINVAL, "every layer is frozen: no weights to train");
}

static int make_optimizer(mr_trainer *t, mr_error *e)
{
    mr_model *m = t->model;
    int status = check_trainable(t, e);
    if (!status)
        status = mr_optimizer_create(&t->optimizer, t->options.optimizer, e);
    if (!status)
        status = mr_optimizer_attach(t->optimizer, m->graph, m->slot, m->has_optimizer_state ? m->slots : 0,
                                     &t->restored, e);
    if (!status && t->restored)
        t->optimizer->iterations = m->iterations;
    return status;
}

static int make_train_plan(mr_trainer *t, mr_error *e)
{
    const mr_trainer_options *o = &t->options;
    int ranks = mr_ranks_count(o->ranks), status = 0;
    if (o->batch_size < ranks)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "a batch of %d samples is too small for %d ranks", o->batch_size, ranks),
                       "give a larger --batch-size, which all ranks share, or start fewer");
    if (ranks > 1)
        status = mr_reducer_create(&t->reducer, o->ranks, t->model->graph, o->sync_batchnorm, e);
    mr_plan_options options = {.kind = MR_PLAN_TRAINING,
                               .batch = (o->batch_size + ranks - 1) / ranks,
                               .memory_limit = o->memory_limit,
                               .peers = mr_reducer_peers(t->reducer),
                               .extra = t->activity.node,
                               .extras = t->activity.terms};
    return status ? status : mr_plan_create(&t->train, t->model->graph, t->team, options, e);
}

static int allocate(mr_trainer *t, mr_error *e)
{
    size_t rows = (size_t)t->options.batch_size;
    t->target = calloc(rows * mr_shape_sample(&t->output) + 1, sizeof *t->target);
    t->weight = calloc(rows + 1, sizeof *t->weight);
    t->scratch = calloc(output_width(t) + 1, sizeof *t->scratch);
    return t->target && t->weight && t->scratch ? 0 : mr_no_memory(e, "the targets");
}

int mr_trainer_create(mr_trainer **out, mr_model *model, mr_team *team, const mr_trainer_options *options,
                      mr_error *e)
{
    *out = NULL;
    mr_trainer *t = calloc(1, sizeof *t);
    if (!t)
        return mr_no_memory(e, "the trainer");
    t->model = model;
    t->team = team;
    t->options = *options;
    t->output = model->graph->node[model->graph->output[0]].shape;
    int status = configure_loss(t, e);
    choose_task(t);
    if (!status)
        status = allocate(t, e);
    if (!status)
        status = mr_activity_find(&t->activity, model->graph, e);
    if (!status && options->optimizer)
        status = make_optimizer(t, e);
    if (!status && options->optimizer)
        status = make_train_plan(t, e);
    if (status) {
        mr_trainer_free(t);
        return status;
    }
    *out = t;
    return 0;
}

void mr_trainer_free(mr_trainer *t)
{
    if (!t)
        return;
    mr_plan_free(t->train);
    mr_plan_free(t->infer);
    mr_optimizer_free(t->optimizer);
    mr_reducer_free(t->reducer);
    free(t->target);
    free(t->weight);
    free(t->scratch);
    mr_activity_clear(&t->activity);
    free(t);
}

int mr_trainer_check_input(const mr_trainer *t, int input, const mr_shape *shape, mr_error *e)
{
    const mr_graph *g = t->model->graph;
    char have[128], want[128];
    if (input >= g->inputs)
        return mr_fail(e, MR_EINVAL, "the model '%s' has %d input%s, the data have more", g->name, g->inputs,
                       g->inputs > 1 ? "s" : "");
    mr_shape expected = g->node[g->input[input]].shape;
    expected.dim[0] = shape->dim[0];
    if (!mr_shape_equal(&expected, shape))
        return mr_fail(e, MR_EINVAL, "the model's input '%s' takes %s, the data are %s",
                       g->node[g->input[input]].layer->name,
                       mr_shape_text(&expected, true, want, sizeof want),
                       mr_shape_text(shape, true, have, sizeof have));
    return 0;
}

/* --- targets ------------------------------------------------------------------ */

static int bad_label(const mr_trainer *t, double label, mr_error *e)
{
    size_t width = output_width(t) > 1 ? output_width(t) : 2;
    return mr_fail(e, MR_EINVAL, "class index %g does not fit the model's %zu classes", label, width);
}

static int targets_from_labels(mr_trainer *t, const mr_examples *ex, mr_error *e)
{
    size_t width = output_width(t);
    if (mr_shape_sample(&t->output) != width)
        return mr_fail(e, MR_EINVAL,
                       "class labels do not fit a model whose output is not one vector a sample");
    for (int i = 0; i < ex->count; i++) {
        int32_t label = ex->labels[i];
        bool one_hot = width > 1 && !t->loss.class->sparse;
        if (label < 0 || (width > 1 && (size_t)label >= width) ||
            (t->loss.class->sparse && (size_t)label >= width))
            return bad_label(t, label, e);
        if (!one_hot) {
            t->target[i] = (float)label;
            continue;
        }
        memset(t->target + (size_t)i * width, 0, width * sizeof *t->target);
        t->target[(size_t)i * width + (size_t)label] = 1;
    }
    return 0;
}

static int misfit(const mr_trainer *t, const mr_examples *ex, mr_error *e)
{
    return mr_fail(e, MR_EINVAL, "the targets have %d numbers a sample, the model's output has %zu",
                   ex->target_width, mr_shape_sample(&t->output));
}

/* Class indices from rows that hold them, or from one-hot rows. */
static int sparse_targets(mr_trainer *t, const mr_examples *ex, mr_error *e)
{
    size_t width = output_width(t), per_sample = mr_shape_sample(&t->output) / width,
           given = (size_t)ex->target_width;
    if (given != per_sample && given != per_sample * width)
        return misfit(t, ex, e);
    for (size_t i = 0; i < (size_t)ex->count * per_sample; i++) {
        const float *y = ex->targets + i * (given / per_sample);
        size_t label = 0;
        if (given == per_sample && (!(*y >= 0 && *y < (float)width) || *y != truncf(*y)))
            return bad_label(t, (double)*y, e);
        if (given == per_sample)
            label = (size_t)*y;
        else
            for (size_t k = 1; k < width; k++)
                label = y[k] > y[label] ? k : label;
        t->target[i] = (float)label;
    }
    return 0;
}

static int targets_from_rows(mr_trainer *t, const mr_examples *ex, mr_error *e)
{
    if (t->loss.class->sparse)
        return sparse_targets(t, ex, e);
    if ((size_t)ex->target_width != mr_shape_sample(&t->output))
        return misfit(t, ex, e);
    memcpy(t->target, ex->targets, (size_t)ex->count * (size_t)ex->target_width * sizeof *t->target);
    return 0;
}

static int make_targets(mr_trainer *t, const mr_examples *ex, mr_error *e)
{
    if (ex->count == 0)
        return 0;
    return ex->labels ? targets_from_labels(t, ex, e) : targets_from_rows(t, ex, e);
}

int mr_trainer_check_targets(mr_trainer *t, const mr_array *y, const char *what, mr_error *e)
{
    mr_feed *feed;
    mr_examples ex;
    mr_error why = {0};
    mr_feed_order once = {.last_epoch = 1};
    int status = mr_feed_arrays(&feed, y, 1, y, t->options.batch_size, 1, 0, once, e); /* x is not looked at */
    if (status)
        return status;
    while (!status && mr_feed_next(feed, &ex, &why) > 0) {
        status = make_targets(t, &ex, &why);
        mr_feed_release(feed, &ex);
    }
    mr_feed_close(feed);
    return status ? mr_fail(e, status, "%s: %s", what, why.message) : 0;
}

/* The class of sample I, once make_targets is done. */
static size_t class_of(const mr_trainer *t, const mr_examples *ex, int i)
{
    size_t width = output_width(t), label = 0;
    const float *y = t->target + (size_t)i * (t->loss.class->sparse ? 1 : width);
    if (ex->labels)
        return (size_t)ex->labels[i];
    if (t->loss.class->sparse || width == 1)
        return y[0] >= 0 ? (size_t)y[0] : SIZE_MAX;
    for (size_t k = 1; k < width; k++)
        label = y[k] > y[label] ? k : label;
    return label;
}

/* Keras's class_weight: each sample counts by its class. NULL: all count alike. */
static const float *sample_weights(mr_trainer *t, const mr_examples *ex)
{
    if (!t->options.class_weight)
        return NULL;
    for (int i = 0; i < ex->count; i++) {
        size_t label = class_of(t, ex, i);
        t->weight[i] = label < (size_t)t->options.classes ? (float)t->options.class_weight[label] : 1;
    }
    return t->weight;
}

/* --- one batch ---------------------------------------------------------------- */

/* What a batch gave: LOSS is the mean over its samples. */
static mr_sums batch_sums(const mr_trainer *t, const mr_examples *ex, double loss, const float *prediction)
{
    mr_sums s = {.loss = loss * ex->count, .samples = ex->count, .steps = 1};
    s.right = mr_task_right(&t->task, &t->loss, &t->output, ex->count, t->target, prediction);
    if (t->options.top)
        s.top = mr_task_top_k(&t->task, &t->loss, &t->output, ex->count, t->target, prediction, t->options.top);
    return s;
}

static void add_sums(mr_sums *to, const mr_sums *from)
{
    to->loss += from->loss;
    to->right += from->right;
    to->top += from->top;
    to->samples += from->samples;
    to->steps += from->steps;
}

static int all_samples(const mr_examples *ex)
{
    return ex->all ? ex->all : ex->count;
}

/* Loss and its gradient. Each sample weighs the same on whatever rank it is: what this one has counts by its part of the
 * batch, so that the gradients need only be added up. REGULARIZATION is part of the loss of all. */
static mr_sums batch_loss(mr_trainer *t, const mr_examples *ex, double regularization)
{
    const float *prediction = mr_plan_output(t->train, 0);
    mr_real *gradient = mr_plan_output_gradient(t->train, 0);
    if (ex->count == 0)
        return (mr_sums){.steps = 1};
    double loss = mr_loss_batch(&t->loss, &t->output, ex->count, t->target, prediction, sample_weights(t, ex),
                                t->scratch, gradient);
    mr_real share = (mr_real)((double)ex->count / all_samples(ex));
    if (all_samples(ex) != ex->count)
        for (size_t i = 0; i < (size_t)ex->count * mr_shape_sample(&t->output); i++)
            gradient[i] *= share;
    mr_sums s = batch_sums(t, ex, loss + regularization, prediction);
    /* a sum over the batch, not a mean: this rank's part of it is every sample's */
    s.loss += all_samples(ex) * mr_activity_loss(&t->activity, t->model->graph, t->train, t->team, ex->count, true);
    return s;
}

void mr_sums_of_all(mr_ranks *ranks, mr_sums *sums)
{
    double v[] = {sums->loss, sums->right, sums->top, sums->samples};
    mr_ranks_sum(ranks, v, sizeof v / sizeof *v);
    sums->loss = v[0];
    sums->right = v[1];
    sums->top = v[2];
    sums->samples = v[3];
}

static void backward(mr_trainer *t)
{
    if (t->reducer)
        mr_reducer_begin(t->reducer, mr_plan_gradients(t->train));
    mr_plan_backward(t->train);
    if (t->reducer)
        mr_reducer_finish(t->reducer);
}

static void update(mr_trainer *t, const mr_examples *ex, mr_real *state_out)
{
    mr_graph *g = t->model->graph;
    mr_optimizer_step(t->optimizer, g, t->team, mr_plan_gradients(t->train), state_out);
    mr_plan_update_statistics(t->train, state_out);
    if (t->reducer)
        mr_reducer_mean_statistics(t->reducer, state_out, (double)ex->count / all_samples(ex));
    g->state = state_out;
}

int mr_trainer_step(mr_trainer *t, const mr_examples *ex, mr_real *state_out, mr_sums *sums, double *loss,
                    mr_error *e)
{
    int status = make_targets(t, ex, e);
    if (status)
        return status;
    mr_plan_forward(t->train, ex->x, ex->count, (uint64_t)t->optimizer->iterations);
    mr_sums batch = batch_loss(t, ex, mr_regularization(t->model->graph));
    backward(t);
    mr_sums_of_all(t->options.ranks, &batch);
    add_sums(sums, &batch);
    update(t, ex, state_out);
    if (loss)
        *loss = batch.loss / batch.samples;
    return 0;
}

int mr_trainer_infer(mr_trainer *t, const mr_examples *ex, mr_sums *sums, mr_error *e)
{
    int status = 0;
    if (!t->infer) {
        mr_plan_options options = {.kind = MR_PLAN_INFERENCE,
                                   .batch = t->options.batch_size,
                                   .memory_limit = t->options.memory_limit,
                                   .extra = t->activity.node,
                                   .extras = t->activity.terms};
        status = mr_plan_create(&t->infer, t->model->graph, t->team, options, e);
    }
    if (status)
        return status;
    mr_plan_forward(t->infer, ex->x, ex->count, 0);
    if (!sums || !t->has_loss || (!ex->labels && !ex->targets))
        return 0;
    status = make_targets(t, ex, e);
    if (status)
        return status;
    const float *prediction = mr_plan_output(t->infer, 0);
    double value =
        mr_loss_batch(&t->loss, &t->output, ex->count, t->target, prediction, NULL, t->scratch, NULL);
    /* of a shard: the others' of the batch are like it */
    value += mr_activity_loss(&t->activity, t->model->graph, t->infer, t->team, ex->count, false) *
             mr_ranks_count(t->options.ranks);
    mr_sums batch = batch_sums(t, ex, value + mr_regularization(t->model->graph), prediction);
    add_sums(sums, &batch);
    return 0;
}

double mr_trainer_accuracy(const mr_trainer *t, const mr_sums *sums)
{
    return mr_task_metric(&t->task) && sums->samples > 0 ? sums->right / sums->samples : NAN;
}

int mr_trainer_classes(const mr_trainer *t)
{
    bool tells = t->task.kind == MR_TASK_CLASSES && t->task.vector;
    return tells && t->task.classes == t->options.classes ? t->task.classes : 0;
}

void mr_trainer_tally(const mr_trainer *t, const mr_examples *ex, mr_class_tally *tally)
{
    size_t width = output_width(t), classes = (size_t)mr_trainer_classes(t);
    const float *output = mr_plan_output(t->infer, 0);
    for (int i = 0; i < ex->count; i++) {
        size_t truth = class_of(t, ex, i),
               predicted = (size_t)mr_task_class(&t->task, output + (size_t)i * width);
        if (truth >= classes || predicted >= classes)
            continue;
        tally[truth].truth++;
        tally[predicted].predicted++;
        tally[truth].right += truth == predicted;
    }
}

json_t *mr_trainer_training(const mr_trainer *t)
{
    const char *metric = mr_task_metric(&t->task);
    json_t *metrics = metric ? json_pack("[s]", metric) : json_array();
    return json_pack("{s:o, s:n, s:o, s:n, s:b, s:i, s:b, s:o}", "loss", mr_loss_config(&t->loss),
                     "loss_weights", "metrics", metrics, "weighted_metrics", "run_eagerly", 0,
                     "steps_per_execution", 1, "jit_compile", 0, "optimizer_config",
                     mr_optimizer_config(t->optimizer));
}

int mr_trainer_store(mr_trainer *t, mr_error *e)
{
    mr_model *m = t->model;
    mr_slot *slots = malloc(((size_t)t->optimizer->slots + 1) * sizeof *slots);
    json_t *training = mr_trainer_training(t);
    if (!slots || !training) {
        free(slots);
        json_decref(training);
        return mr_no_memory(e, "the training state");
    }
    if (t->optimizer->slots)
        memcpy(slots, t->optimizer->slot, (size_t)t->optimizer->slots * sizeof *slots);
    free(m->slot);
    m->slot = slots;
    m->slots = t->optimizer->slots;
    m->has_optimizer_state = true;
    m->iterations = t->optimizer->iterations;
    json_decref(m->training);
    m->training = training;
    return 0;
}
