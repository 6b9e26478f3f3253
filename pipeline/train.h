/* SPDX-License-Identifier: Apache-2.0 */
/* A training run: epochs of steps, validation after each, history, checkpoints. */
#ifndef MR_PIPELINE_TRAIN_H
#define MR_PIPELINE_TRAIN_H

#include "pipeline/budget.h"
#include "pipeline/checkpoint.h"
#include "pipeline/trainer.h"

typedef struct mr_data { /* one of the two is set */
    const mr_dataset *set;
    const mr_array *x, *y;
} mr_data;

typedef struct mr_epoch_record { /* a row of the history; NAN where there is nothing */
    int epoch;               /* 1, 2, … */
    double loss, accuracy, val_loss, val_accuracy;
    double learning_rate;    /* after the epoch's last update */
    double seconds;          /* of the epoch, validation included */
    double images_per_second;/* of its training part */
} mr_epoch_record;

typedef struct mr_history {
    int count, capacity;
    mr_epoch_record *record;
} mr_history;

/* What the run tells while it goes on; any may be NULL. Called on the training thread. */
typedef struct mr_train_events {
    void *context;
    void (*epoch_begin)(void *context, int epoch, int epochs, int64_t steps);
    /* after each step: running means of the epoch, and this step's own loss */
    void (*step)(void *context, int64_t step, const mr_sums *sums, double loss);
    void (*validation_begin)(void *context);
    void (*epoch_end)(void *context, const mr_epoch_record *r);
    void (*bad_input)(void *context, const char *path, const char *reason);
    void (*checkpoint)(void *context, const mr_checkpoint_record *r);
    void (*message)(void *context, const char *text);
    bool (*stop)(void *context); /* asked after each step: true ends the run as soon as a checkpoint is on disk */
} mr_train_events;

typedef struct mr_train_options {
    int epochs;              /* in all */
    bool shuffle;
    uint64_t seed;
    mr_loader_options loader; /* batch size, decode threads, preprocessing, augmentation, seed */
    mr_budget budget;
    const char *checkpoint_dir; /* NULL: none */
    int checkpoint_every_epochs; /* 0: none by epochs */
    int keep;
} mr_train_options;

typedef struct mr_train_result {
    mr_history history;
    int64_t skipped;         /* unusable inputs passed over */
    bool stopped;            /* by events.stop */
    mr_stage_stats stage[16];/* of the whole run */
    int stages;
    const char *reader;      /* "io_uring", "pread" or NULL */
} mr_train_result;

/* Trains T's model on TRAINING, validates on VALIDATION (both members NULL: not at all). RESULT is filled also on failure;
 * free it with mr_train_result_free. Errors: those of the data, MR_ELIMIT over the budget of bad inputs, MR_EINVAL when the
 * loss is no number any more. */
int mr_train_run(mr_trainer *t, mr_data training, mr_data validation, const mr_train_options *options,
                 const mr_train_events *events, mr_train_result *result, mr_error *e);
void mr_train_result_free(mr_train_result *r);

/* One pass over DATA in order, without augmentation. Each batch with its predictions goes to BATCH (may be NULL).
 * Bad inputs are reported to BAD_INPUT (may be NULL) and counted in BUDGET (may be NULL). */
typedef struct mr_pass {
    mr_loader_options loader;
    double rescale, offset;  /* of uint8 arrays */
    mr_budget *budget;
    void *context;
    int (*batch)(void *context, const mr_examples *ex, const mr_plan *plan, mr_error *e);
    void (*bad_input)(void *context, const char *path, const char *reason);
    mr_stage_stats *stage;   /* [16] out, or NULL */
    int stages;
} mr_pass;
int mr_infer_pass(mr_trainer *t, mr_data data, mr_pass *pass, mr_sums *sums, mr_error *e);

size_t mr_data_count(mr_data d);

#endif
