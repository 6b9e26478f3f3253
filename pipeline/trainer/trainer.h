/* SPDX-License-Identifier: Apache-2.0 */
/* One model being trained or evaluated: its plans, loss and optimizer, and what happens to one batch. */
#ifndef MR_PIPELINE_TRAINER_H
#define MR_PIPELINE_TRAINER_H

#include "io/model_file/model_file.h"
#include "nn/learn/activity.h"
#include "nn/learn/loss.h"
#include "nn/learn/optimizer.h"
#include "nn/plan/plan.h"
#include "pipeline/load/feed.h"
#include "pipeline/trainer/history.h"
#include "io/model_file/model_task.h"
#include "pipeline/ranks/reducer.h"

typedef struct mr_trainer_options {
    int batch_size;
    size_t memory_limit;          /* bytes for activations; 0: none */
    const json_t *optimizer;      /* {"class_name","config"}; NULL: evaluation only */
    const json_t *loss;           /* string or object; NULL: none, predictions only */
    const double *class_weight;   /* [classes], or NULL */
    int classes;
    mr_targets targets;           /* what the data's are; unknown: what the model tells */
    mr_given_activation given;    /* evaluation: what the user says of the outputs */
    int top;                      /* K of the top-K accuracy that is counted; 0: none */
    mr_ranks *ranks;              /* that train the same model together; NULL: alone */
    bool sync_batchnorm;          /* normalise by all ranks' samples */
} mr_trainer_options;

typedef struct mr_sums { /* running means: Keras's trackers, weighted by the samples of each batch */
    double loss, right, samples;
    double top; /* samples whose class is among the K most probable; 0 where that is not counted */
    int64_t steps;
} mr_sums;

typedef struct mr_trainer {
    mr_model *model;
    mr_team *team;
    mr_plan *train, *infer;       /* infer is made when it is first wanted */
    mr_optimizer *optimizer;
    mr_reducer *reducer;          /* NULL: alone */
    mr_loss loss;
    mr_activity activity;         /* regularizers of layers' outputs: the plans' extra ones */
    mr_output_task task;                 /* what outputs and targets mean */
    bool has_loss, restored;      /* restored: the optimizer's state came from the model */
    mr_trainer_options options;
    mr_shape output;              /* of the model's first output, dim[0] = 0 */
    float *target, *weight;       /* [batch] rows of targets, and sample weights */
    double *scratch;
} mr_trainer;

/* MODEL and TEAM must outlive the trainer. The model's optimizer slots are used where they fit the optimizer. */
int mr_trainer_create(mr_trainer **out, mr_model *model, mr_team *team, const mr_trainer_options *options, mr_error *e);
void mr_trainer_free(mr_trainer *t);

/* Checks once that batches like EX (shapes of a row) fit the model's inputs: SHAPE as stored, dim[0] counts samples. */
int mr_trainer_check_input(const mr_trainer *t, int input, const mr_shape *shape, mr_error *e);

/* Checks once that all targets of Y fit the model's output and its loss; WHAT names them in the error. */
int mr_trainer_check_targets(mr_trainer *t, const mr_array *y, const char *what, mr_error *e);

/* Forward, backward, update: the new state goes to STATE_OUT (the graph's own, or a spare one that becomes the graph's own;
 * the old one is then the caller's). With ranks collective: one step on the samples of all, ex->all of them, which count
 * all the same. Adds to SUMS (of the loss: with regularizers). *LOSS (may be NULL): of this batch. */
int mr_trainer_step(mr_trainer *t, const mr_examples *ex, mr_real *state_out, mr_sums *sums, double *loss, mr_error *e);

/* Inference on a batch; the predictions are mr_plan_output(t->infer, i). Adds loss and accuracy to SUMS where both a loss and
 * the truth are known (SUMS may be NULL). */
int mr_trainer_infer(mr_trainer *t, const mr_examples *ex, mr_sums *sums, mr_error *e);

/* The training configuration as it is now, as Keras keeps it: loss, metrics, the optimizer with its present rate. json: a new
 * reference, NULL out of memory. */
json_t *mr_trainer_training(const mr_trainer *t);

/* Brings the model's slots, iterations and training configuration up to what the trainer has, for saving. */
int mr_trainer_store(mr_trainer *t, mr_error *e);

/* How many classes the model tells apart, a vector a sample; 0 where the task is another. */
int mr_trainer_classes(const mr_trainer *t);
/* Adds the batch that mr_trainer_infer has just done to TALLY [mr_trainer_classes]. */
void mr_trainer_tally(const mr_trainer *t, const mr_examples *ex, mr_class_tally *tally);

/* The mean of what SUMS count as right, by mr_task_metric's name; NAN where the task has no accuracy. */
double mr_trainer_accuracy(const mr_trainer *t, const mr_sums *sums);

/* SUMS, but their steps, added up over all ranks. */
void mr_sums_of_all(mr_ranks *ranks, mr_sums *sums);

static inline double mr_mean_loss(const mr_sums *s) { return s->samples > 0 ? s->loss / s->samples : NAN; }
static inline double mr_mean_top(const mr_sums *s) { return s->samples > 0 ? s->top / s->samples : NAN; }

#endif
