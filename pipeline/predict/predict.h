/* SPDX-License-Identifier: Apache-2.0 */
/* A run of inference: files through a model into a sink, a row for each. */
#ifndef MR_PIPELINE_PREDICT_H
#define MR_PIPELINE_PREDICT_H

#include "io/output/sink.h"
#include "pipeline/predict/predict_options.h"

enum { MR_PREDICT_STAGES = 16 };

typedef struct mr_predict_totals {
    uint64_t files; /* rows, those without a prediction and those of a past that was gone on with too */
    uint64_t failed;
    uint64_t unsure;
    uint64_t bytes;     /* of files read */
    uint64_t resumed;   /* rows that were there already */
    uint64_t *of_class; /* [classes] predicted as each */
    int classes;        /* 0 where no class is predicted: labels, numbers */
} mr_predict_totals;

/* What the run tells while it goes on, on the thread that called mr_predict_run; any may be NULL. */
typedef struct mr_predict_events {
    void *context;
    void (*resumed)(void *context,
                    const mr_predict_totals *totals); /* once, with --resume, before the first row */
    void (*beside)(void *context, const char *file);  /* once, where rows go to FILE beside the output first */
    /* With unrelated: PATH, which the source may come upon, was handled by the run before. */
    int (*handled)(void *context, const char *path, mr_error *e);
    /* PLACE: where the file is now */
    void (*row)(void *context, const mr_sink_row *row, const char *place, uint64_t id);
    void (*batch)(void *context, const mr_predict_totals *totals);
    void (*bad_input)(void *context, const char *path, const char *reason);
    /* Asked after each batch, and by the source: true ends the run with what is written. */
    bool (*stop)(void *context);
} mr_predict_events;

typedef struct mr_predict_result {
    mr_predict_totals totals;
    bool stopped; /* by events.stop */
    char *beside; /* where the rows of a run are that was not completed, if not in its output; or NULL */
    mr_stage_stats stage[MR_PREDICT_STAGES];
    int stages;
    const char *reader;
} mr_predict_result;

/* RESULT is filled also on failure; free it with mr_predict_result_free. Errors: those of the source and the
 * sink, MR_ELIMIT over the budget of bad inputs (their rows are written), MR_ECANCELED where standard
 * output was closed. */
int mr_predict_run(mr_model *model, mr_source source, const mr_predict_options *options,
                   const mr_predict_events *events, mr_predict_result *result, mr_error *e);
void mr_predict_result_free(mr_predict_result *r);

#endif
