/* SPDX-License-Identifier: Apache-2.0 */
/* The callbacks that people use, each as Keras's of the same name decides: EarlyStopping, ReduceLROnPlateau,
 * and the best weights (ModelCheckpoint with save_best_only, or EarlyStopping's restore_best_weights). What
 * each remembers is a plain struct, kept as JSON in every checkpoint. */
#ifndef MR_PIPELINE_CALLBACKS_H
#define MR_PIPELINE_CALLBACKS_H

#include "pipeline/train/callback.h"
#include "pipeline/checkpoint/checkpoint_dir.h"
#include "pipeline/trainer/trainer.h"

typedef struct mr_monitor {
    const char *metric; /* "val_loss", …: see mr_monitor_create (borrowed) */
    const mr_history_columns *columns; /* of the history that it is one of (borrowed) */
    bool larger;        /* the larger the better */
    double min_delta;   /* a change of at most this is no improvement */
} mr_monitor;

/* METRIC: a column of the history, losses the smaller the better, all others the larger: loss, accuracy,
 * val_loss, val_accuracy, and what COLUMNS (NULL: nothing) has beside. MR_EINVAL for others, and for val_…
 * without validation. METRIC and COLUMNS must outlive the monitor. */
int mr_monitor_create(mr_monitor *out, const char *metric, double min_delta, bool validates,
                      const mr_history_columns *columns, mr_error *e);
/* Its value in R; NAN where there is none. */
double mr_monitor_value(const mr_monitor *m, const mr_epoch_record *r);
/* Whether VALUE is an improvement over BEST. NAN never is. */
bool mr_monitor_improves(const mr_monitor *m, double value, double best);
/* The value that every other improves on. */
double mr_monitor_worst(const mr_monitor *m);

typedef struct mr_says { /* where callbacks say what they did; FUNCTION may be NULL */
    void (*function)(void *context, const char *text);
    void *context;
} mr_says;

typedef struct mr_early_stopping {
    mr_monitor monitor;
    int patience; /* epochs without improvement before the run ends */
    mr_says says;
    double best; /* state: mr_monitor_worst at first */
    int wait;    /* state: epochs since the last improvement */
} mr_early_stopping;
mr_callback mr_early_stopping_callback(mr_early_stopping *s);

typedef struct mr_plateau {
    mr_monitor monitor;
    int patience, cooldown; /* epochs; COOLDOWN: after a reduction nothing is counted */
    double factor, least;   /* of the rate; never below LEAST */
    mr_says says;
    double best;       /* state */
    int wait, cooling; /* state */
} mr_plateau;
/* The optimizer's rate must be constant (a schedule cannot be reduced): the caller has checked. */
mr_callback mr_plateau_callback(mr_plateau *s);

typedef struct mr_best_weights {
    mr_monitor monitor;
    const mr_checkpoint_dir *checkpoints; /* where a resumed run finds the best epoch's weights: in the
                                             checkpoint of its end, or in best.h5, which a run without
                                             checkpoints left there that ended early; path NULL: nowhere */
    mr_says says;
    double best;      /* state */
    int epoch;        /* state: the best one, 0: none yet */
    mr_real *weights; /* of that epoch: the graph's variables, without slots; owned, mr_best_weights_clear */
    bool lost;        /* resumed without the checkpoint of the best epoch */
    bool improved;    /* in the epoch that has just ended */
} mr_best_weights;
/* Copies the weights at each improvement; puts them back at the end of the run. */
mr_callback mr_best_weights_callback(mr_best_weights *s);
void mr_best_weights_clear(mr_best_weights *s);

#endif
