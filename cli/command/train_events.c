/* SPDX-License-Identifier: Apache-2.0 */
/* What a training run tells while it goes on: progress, history, step log. */
#include "cli/command/train.h"

#include "cli/process/interrupt.h"

#include <math.h>

static void epoch_begin(void *context, int epoch, int epochs, int64_t steps)
{
    mr_train_job *j = context;
    mr_progress_epoch_begin(j->progress, epoch, epochs, steps);
}

/* Puts loss, accuracy (by its own name, where the task has one) and top accuracy into OUT [3]; returns how
 * many. */
static int name_metrics(mr_metric *out, const mr_train_job *j, bool validation, double loss, double accuracy,
                        double top)
{
    const char *metric = mr_task_metric(&j->trainer->task);
    int count = 0;
    out[count++] = (mr_metric){validation ? "val_loss" : "loss", loss};
    if (metric && validation)
        out[count++] = (mr_metric){j->columns.accuracy ? "val_binary_accuracy" : "val_accuracy", accuracy};
    else if (metric)
        out[count++] = (mr_metric){metric, accuracy};
    if (j->c->top)
        out[count++] = (mr_metric){validation ? "val_top_accuracy" : "top_accuracy", top};
    return count;
}

static void show_step(void *context, int64_t step, const mr_sums *sums)
{
    mr_train_job *j = context;
    mr_metric metrics[3];
    int count = name_metrics(metrics, j, false, mr_mean_loss(sums), mr_trainer_accuracy(j->trainer, sums),
                             mr_mean_top(sums));
    mr_progress_step(j->progress, step, (int64_t)sums->samples, metrics, count);
}

static void stepped(void *context, int64_t step, const mr_sums *sums, double loss)
{
    mr_train_job *j = context;
    mr_step_log_add(j->step_log, ++j->step, loss);
    show_step(j, step, sums);
}

static void validation_begin(void *context)
{
    mr_train_job *j = context;
    mr_progress_note(j->progress, "validating");
}

/* A history that cannot be written for now does not end the run: the whole one is written at its end. */
static void log_epoch(mr_train_job *j, const mr_history *h)
{
    mr_error e = {0};
    if (mr_history_log_add(&j->history_log, h, &e))
        mr_progress_message(j->progress, MR_LOG_WARNING, "%s", e.message);
}

static void epoch_end(void *context, const mr_history *h)
{
    mr_train_job *j = context;
    const mr_epoch_record *r = &h->record[h->count - 1];
    mr_metric metrics[6];
    int count = name_metrics(metrics, j, false, r->loss, r->accuracy, r->top);
    if (!isnan(r->val_loss))
        count += name_metrics(metrics + count, j, true, r->val_loss, r->val_accuracy, r->val_top);
    mr_progress_epoch_end(j->progress, metrics, count);
    log_epoch(j, h);
}

static void bad_input(void *context, const char *path, const char *reason)
{
    mr_train_job *j = context;
    mr_bad_inputs_add(&j->bad_inputs, j->progress, path, reason, false);
}

static void checkpointed(void *context, const mr_checkpoint_record *r)
{
    mr_train_job *j = context;
    mr_cli_checkpoints_note(&j->checkpoints, r);
}

void mr_train_say(void *context, const char *text)
{
    mr_train_job *j = context;
    mr_progress_message(j->progress, MR_LOG_INFO, "%s", text);
}

static bool stop(void *context)
{
    (void)context;
    return mr_interrupted() != 0;
}

static bool checkpoint_wanted(void *context)
{
    (void)context;
    return mr_checkpoint_asked();
}

mr_train_events mr_train_job_events(mr_train_job *j)
{
    return (mr_train_events){.context = j,
                             .epoch_begin = epoch_begin,
                             .epoch_resumed = show_step,
                             .step = stepped,
                             .validation_begin = validation_begin,
                             .epoch_end = epoch_end,
                             .bad_input = bad_input,
                             .checkpoint = checkpointed,
                             .message = mr_train_say,
                             .stop = stop,
                             .checkpoint_wanted = checkpoint_wanted};
}
