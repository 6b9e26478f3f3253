/* SPDX-License-Identifier: Apache-2.0 */
/* millrace evaluate */
#include "cli/show/bad_inputs.h"
#include "cli/command/commands.h"
#include "cli/setup/preprocess.h"
#include "cli/setup/data.h"
#include "cli/setup/model.h"
#include "cli/setup/claims.h"
#include "cli/setup/outputs.h"
#include "cli/setup/part.h"
#include "cli/show/progress.h"
#include "cli/process/ranks.h"
#include "cli/show/stats.h"
#include "cli/process/terminal.h"
#include "nn/learn/report.h"
#include "base/text.h"
#include "pipeline/trainer/agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const mr_cli *c;
    mr_ranks *ranks; /* NULL: alone; else each has its part of every batch */
    mr_model *model;
    mr_cli_data data;
    mr_preprocess pre;
    json_t *loss;
    mr_targets targets;
    mr_given_activation activation;
    mr_team *team;
    mr_trainer *trainer;
    mr_progress *progress;
    mr_budget budget;
    mr_sums sums;
    size_t count;
    int32_t *truth, *predicted; /* [samples] */
    mr_claims claims;
    mr_bad_inputs bad_inputs;
    mr_text bad;                /* of a rank: path and reason of each unusable sample, with a NUL each */
    int classes;                /* or labels */
    mr_class_tally *labels;     /* [classes] of samples that may have several; else NULL */
    const char **names;  /* [classes] */
    char (*numbers)[16]; /* names of classes that have none */
};

/* --- one batch ------------------------------------------------------------------ */

/* Loss and, where the task has one, accuracy into OUT [2]; returns how many. */
static int name_metrics(mr_metric *out, const struct job *j)
{
    const char *accuracy = mr_task_metric(&j->trainer->task);
    out[0] = (mr_metric){"loss", mr_mean_loss(&j->sums)};
    out[1] = (mr_metric){accuracy, mr_trainer_accuracy(j->trainer, &j->sums)};
    return accuracy ? 2 : 1;
}

/* TRUTH: a number for each label; NULL: the sample has the label ONLY. */
static void count_labels(struct job *j, const float *truth, int only, const float *output)
{
    for (int k = 0; k < j->classes; k++) {
        bool has = truth ? truth[k] > .5f : k == only, given = output[k] > j->trainer->task.threshold;
        j->labels[k].truth += has;
        j->labels[k].predicted += given;
        j->labels[k].right += has && given;
    }
}

/* TRUTH: a row of the data; of class indices, or of one number a class. */
static int32_t true_class(const struct job *j, const float *truth, int width)
{
    size_t own = j->trainer->task.width;
    const mr_output_task rows = {.width = (size_t)width, .threshold = .5f};
    return own > 1 && width == 1 ? (int32_t)truth[0] : (int32_t)mr_task_class(&rows, truth);
}

static int collect(void *context, const mr_examples *ex, const mr_plan *plan, mr_error *e)
{
    (void)e;
    struct job *j = context;
    size_t width = j->trainer->task.width, given = (size_t)ex->target_width;
    const float *p = mr_plan_output(plan, 0);
    for (int i = 0; i < ex->count && j->classes; i++) {
        const float *truth = ex->targets ? ex->targets + (size_t)i * given : NULL;
        if (j->labels) {
            count_labels(j, truth, ex->labels ? ex->labels[i] : 0, p + (size_t)i * width);
            continue;
        }
        j->truth[j->count] = ex->labels ? ex->labels[i] : true_class(j, truth, ex->target_width);
        j->predicted[j->count++] = mr_task_class(&j->trainer->task, p + (size_t)i * width);
    }
    mr_metric metrics[2];
    int count = name_metrics(metrics, j);
    mr_progress_step(j->progress, j->sums.steps, (int64_t)j->sums.samples * mr_ranks_count(j->ranks), metrics,
                     count);
    return 0;
}

static void bad_input(void *context, const char *path, const char *reason)
{
    struct job *j = context;
    if (j->ranks) { /* told by rank 0, at the end */
        mr_text_append_bytes(&j->bad, path, strlen(path) + 1);
        mr_text_append_bytes(&j->bad, reason, strlen(reason) + 1);
        return;
    }
    mr_bad_inputs_add(&j->bad_inputs, j->progress, path, reason, false);
}

/* --- setting up ----------------------------------------------------------------- */

/* How the user can say that the outputs are one class of many. */
static const char *way_out(const mr_output_task *task)
{
    if (!task->vector)
        return "such a model can be evaluated on --arrays only";
    if (task->kind == MR_TASK_LABELS)
        return "if they are one class of many, give --loss categorical_crossentropy";
    return task->width > 1 ? "if they are logits of classes, give --activation softmax"
                           : "if its output is a logit or a probability, give --activation sigmoid";
}

/* A loss that is guessed from the data would say what outputs are that the file says nothing of. */
static int check_meaning(const struct job *j, const mr_output_task *task, mr_error *e)
{
    mr_loss unused;
    char text[128];
    bool said = j->c->loss || j->c->activation || mr_model_loss(&unused, j->model);
    if (said || task->kind != MR_TASK_NUMBERS || task->link != MR_LINK_NONE || j->targets == MR_TARGETS_NUMBERS ||
        j->targets == MR_TARGETS_SHARES)
        return 0;
    return mr_hint(e,
                   mr_fail(e, MR_EUSAGE, "%s gives %s and does not say that they are probabilities or logits",
                           j->c->model ? j->c->model : j->c->weights, mr_task_text(task, text, sizeof text)),
                   "give --activation %s, or --loss NAME",
                   task->width > 1 ? "softmax or sigmoid" : "sigmoid");
}

/* Folders are classes: one for each that the model tells apart, or their indices would mean other ones. */
static int check_folders(const struct job *j, mr_error *e)
{
    const mr_output_task *task = &j->trainer->task;
    char text[128];
    if (j->data.from_arrays)
        return 0;
    if (j->data.classes != mr_classes_of_width(task->width))
        return mr_hint(e,
                       mr_fail(e, MR_EINVAL, "%s has %d class folders, the model has %zu outputs", j->data.evaluated,
                               j->data.classes, task->width),
                       "give a folder for each of the model's outputs, in the order in which it was trained");
    if (task->kind == MR_TASK_CLASSES && task->vector)
        return 0;
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL, "%s has class folders, but the model gives %s", j->data.evaluated,
                           mr_task_text(task, text, sizeof text)),
                   "%s", way_out(task));
}

static int allocate(struct job *j, mr_error *e)
{
    const mr_output_task *task = &j->trainer->task;
    j->classes = task->vector ? task->classes : 0;
    size_t samples = mr_data_count(mr_cli_training(&j->data)), classes = (size_t)j->classes + 1;
    j->names = calloc(classes, sizeof *j->names);
    j->numbers = calloc(classes, sizeof *j->numbers);
    j->truth = malloc((samples + 1) * sizeof *j->truth);
    j->predicted = malloc((samples + 1) * sizeof *j->predicted);
    if (task->kind == MR_TASK_LABELS)
        j->labels = calloc(classes, sizeof *j->labels);
    return j->names && j->numbers && j->truth && j->predicted && (j->labels || task->kind != MR_TASK_LABELS)
               ? 0
               : mr_no_memory(e, "the report");
}

static int set_names(struct job *j, mr_error *e)
{
    int status = check_folders(j, e);
    if (!status)
        status = allocate(j, e);
    if (status)
        return status;
    char *const *known = j->model->classes == j->classes ? j->model->class_names : NULL;
    if (!known && j->data.classes == j->classes)
        known = j->data.class_names;
    for (int i = 0; i < j->classes; i++) {
        snprintf(j->numbers[i], sizeof j->numbers[i], "%d", i);
        j->names[i] = known ? known[i] : j->numbers[i];
    }
    return 0;
}

static int choose_task(struct job *j, mr_error *e)
{
    const mr_graph *g = j->model->graph;
    mr_output_task task;
    int status = mr_cli_given_activation(&j->activation, j->c, e);
    j->targets = mr_cli_targets(&j->data, &g->node[g->output[0]].shape);
    if (!status)
        status = mr_model_task(&task, j->model, j->targets, j->activation, e);
    return status ? status : check_meaning(j, &task, e);
}

static int set_up(struct job *j, mr_error *e)
{
    const mr_cli *c = j->c;
    int status = mr_cli_check_files(c, e);
    if (!status)
        status = mr_cli_budget(&j->budget, c, e);
    if (!status)
        status = mr_cli_trained_model(&j->model, c, e);
    if (!status)
        status = mr_cli_open_evaluation(&j->data, c, j->model, e);
    if (!status)
        status = mr_cli_model_contract(&j->pre, c, j->model, !j->data.from_arrays || j->data.x.bytes, e);
    if (!status)
        status = choose_task(j, e);
    if (!status)
        status = mr_cli_loss(&j->loss, c, j->model, true, j->targets, e);
    if (!status)
        status = mr_team_create(&j->team, mr_cli_threads(c), e);
    mr_trainer_options o = {.batch_size = c->batch_size,
                            .memory_limit = (size_t)c->memory_limit,
                            .loss = j->loss,
                            .targets = j->targets,
                            .given = j->activation,
                            .ranks = j->ranks};
    if (!status)
        status = mr_trainer_create(&j->trainer, j->model, j->team, &o, e);
    if (!status)
        status = set_names(j, e);
    if (!status && j->data.from_arrays)
        status = mr_trainer_check_input(j->trainer, 0, &j->data.x.shape, e);
    if (!status && mr_ranks_rank(j->ranks) == 0) /* one rank speaks */
        status = mr_progress_create(&j->progress, c->quiet, c->log_json, e);
    return status;
}

/* --- several processes ------------------------------------------------------------ */

/* Would a rank that reads other files be noticed? */
static int compare_ranks(const struct job *j, mr_error *e)
{
    const mr_graph *g = j->model->graph;
    char text[64];
    snprintf(text, sizeof text, "%zu samples", (size_t)mr_data_count(mr_cli_training(&j->data)));
    return mr_check_same_begin(j->ranks, g->state, g->state_size * sizeof *g->state, text, e);
}

/* *CLASSES [j->count] becomes that of all ranks; returns how many those are, or a negative code. */
static int64_t gather_classes(const struct job *j, int32_t **classes, mr_error *e)
{
    void *all;
    size_t bytes;
    int status = mr_ranks_gather(j->ranks, *classes, j->count * sizeof **classes, &all, &bytes, e);
    if (status)
        return status;
    free(*classes);
    *classes = all;
    return (int64_t)(bytes / sizeof **classes);
}

static int tell_bad_inputs(struct job *j, mr_error *e)
{
    void *all;
    size_t bytes;
    int status = mr_text_check(&j->bad, "the samples that cannot be used", e);
    if (!status)
        status = mr_ranks_gather(j->ranks, mr_text_string(&j->bad), j->bad.length, &all, &bytes, e);
    if (status)
        return status;
    for (const char *path = all, *reason; path < (char *)all + bytes; path = reason + strlen(reason) + 1) {
        reason = path + strlen(path) + 1;
        mr_bad_inputs_add(&j->bad_inputs, j->progress, path, reason, false);
    }
    free(all);
    return 0;
}

/* The order of the samples is another than that of one process; no figure depends on it but in the last bits
 * of a sum. */
static int put_together(struct job *j, mr_error *e)
{
    bool stopped = false;
    if (!j->ranks)
        return 0;
    mr_pass_of_all(j->ranks, &j->sums, j->labels, j->labels ? j->classes : 0, &j->budget.errors, &stopped);
    int status = tell_bad_inputs(j, e);
    if (!status)
        status = mr_budget_check(&j->budget, (int64_t)mr_data_count(mr_cli_training(&j->data)), e);
    int64_t truths = status ? status : gather_classes(j, &j->truth, e);
    int64_t count = truths < 0 ? truths : gather_classes(j, &j->predicted, e);
    j->count = count < 0 ? 0 : (size_t)count;
    return count < 0 ? (int)count : 0;
}

/* --- results -------------------------------------------------------------------- */

/* The first line: loss, accuracy by its name, how many. */
static void append_metrics(mr_text *text, const struct job *j)
{
    mr_metric metrics[2];
    int count = name_metrics(metrics, j);
    for (int i = 0; i < count; i++)
        mr_text_format(text, "%s: %.4f - ", metrics[i].name, metrics[i].value);
    mr_text_format(text, "%lld images\n", (long long)j->sums.samples);
}

static int compute_report(mr_report *r, const struct job *j, mr_error *e)
{
    if (!j->labels)
        return mr_report_compute(r, j->truth, j->predicted, j->count, j->classes, e);
    mr_label_counts *counts = malloc(((size_t)j->classes + 1) * sizeof *counts);
    if (!counts)
        return mr_no_memory(e, "the report");
    for (int i = 0; i < j->classes; i++)
        counts[i] = (mr_label_counts){j->labels[i].right, j->labels[i].predicted, j->labels[i].truth};
    int status = mr_report_labels(r, counts, j->classes, e);
    free(counts);
    return status;
}

/* Of samples that have one class each. */
static int append_confusion(mr_text *text, const struct job *j, mr_error *e)
{
    int64_t *counts = calloc((size_t)j->classes * (size_t)j->classes + 1, sizeof *counts);
    int status = counts ? 0 : mr_no_memory(e, "the confusion matrix");
    if (!status)
        status = mr_confusion_add(counts, j->classes, j->truth, j->predicted, j->count, e);
    mr_text_append(text, "\n");
    if (!status)
        status = mr_confusion_text(text, counts, j->classes, j->names, e);
    free(counts);
    return status;
}

static int print_text(const struct job *j, mr_error *e)
{
    mr_text text = {0};
    mr_report report = {0};
    append_metrics(&text, j);
    mr_text_append(&text, "\n");
    int status = compute_report(&report, j, e);
    if (!status)
        status = mr_report_text(&text, &report, j->names, e);
    if (!status && !j->labels)
        status = append_confusion(&text, j, e);
    if (!status)
        status = mr_text_check(&text, "the report", e);
    if (!status)
        fwrite(text.data, 1, text.length, stdout);
    mr_report_destroy(&report);
    mr_text_destroy(&text);
    return status;
}

/* Where there is nothing to count: numbers, or a map of classes instead of one. */
static void print_figures(const struct job *j)
{
    const mr_output_task *task = &j->trainer->task;
    char text[128];
    if (mr_task_metric(task))
        mr_print_line(stdout, "loss: %.4f - %s: %.4f - %lld samples", mr_mean_loss(&j->sums), mr_task_metric(task),
                      mr_trainer_accuracy(j->trainer, &j->sums), (long long)j->sums.samples);
    else
        mr_print_line(stdout, "loss: %.6g - %lld samples", mr_mean_loss(&j->sums), (long long)j->sums.samples);
    const mr_output_task own = mr_model_task_with(j->model, &j->trainer->loss, MR_TARGETS_UNKNOWN, j->activation);
    if (j->targets == MR_TARGETS_LABELS || (j->targets == MR_TARGETS_NUMBERS && own.kind != MR_TASK_NUMBERS))
        mr_print_line(stdout, "the targets are %s, but the model gives %s: no accuracy, no report",
                      j->targets == MR_TARGETS_LABELS ? "several labels a sample" : "plain numbers",
                      mr_task_text(&own, text, sizeof text));
    else
        mr_print_line(stdout, "the model gives %s: no report", mr_task_text(task, text, sizeof text));
}

static json_t *scores_json(const struct job *j, const mr_report *r)
{
    json_t *all = json_array();
    for (int i = 0; i < j->classes; i++) {
        const mr_class_scores *s = &r->per_class[i];
        json_array_append_new(all, json_pack("{s:s%, s:f, s:f, s:f, s:I}", j->labels ? "label" : "class", j->names[i],
                                             strlen(j->names[i]), "precision", s->precision, "recall", s->recall, "f1",
                                             s->f1, "support", (json_int_t)s->support));
    }
    return all;
}

static int print_json(const struct job *j, mr_error *e)
{
    mr_report r = {0};
    int status = j->classes ? compute_report(&r, j, e) : 0;
    const char *accuracy = mr_task_metric(&j->trainer->task);
    if (status)
        return status;
    json_t *all = json_pack("{s:f, s:I, s:I, s:o}", "loss", mr_mean_loss(&j->sums), "images", (json_int_t)j->sums.samples,
                            "skipped", (json_int_t)j->budget.errors, "data", mr_cli_part_json(&j->data, j->c));
    if (accuracy)
        json_object_set_new(all, accuracy, json_real(mr_trainer_accuracy(j->trainer, &j->sums)));
    if (j->classes)
        json_object_set_new(all, j->labels ? "labels" : "classes", scores_json(j, &r));
    if (!all || json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)))
        status = mr_fail(e, MR_EIO, "the result cannot be written as JSON");
    printf("\n");
    json_decref(all);
    mr_report_destroy(&r);
    return status;
}

static int print_result(const struct job *j, mr_error *e)
{
    int status = 0;
    if (j->c->json)
        status = print_json(j, e);
    else if (j->classes)
        status = print_text(j, e);
    else
        print_figures(j);
    if (!status && fflush(stdout))
        status = mr_fail(e, MR_EIO, "standard output cannot be written");
    return status;
}

static void tear_down(struct job *j)
{
    mr_trainer_free(j->trainer);
    mr_team_destroy(j->team);
    json_decref(j->loss);
    mr_cli_close_data(&j->data);
    mr_model_free(j->model);
    mr_progress_destroy(j->progress);
    mr_text_destroy(&j->bad);
    free(j->labels);
    free(j->truth);
    free(j->predicted);
    free(j->names);
    free(j->numbers);
}

static int evaluate(struct job *j, mr_error *e)
{
    mr_stage_stats stage[16];
    char text[256];
    mr_data data = mr_cli_training(&j->data);
    int64_t steps = ((int64_t)mr_data_count(data) + j->c->batch_size - 1) / j->c->batch_size;
    if (j->data.training) {
        mr_cli_found(j->data.training, text, sizeof text);
        mr_progress_message(j->progress, MR_LOG_INFO, "%s", text);
        if (j->data.note)
            mr_progress_message(j->progress, MR_LOG_INFO, "%s", j->data.note);
        mr_cli_tell_empty_classes(j->data.training, "evaluation", j->progress);
    }
    mr_progress_epoch_begin(j->progress, 0, 0, steps);
    mr_pass pass = {.loader = mr_cli_loader(j->c, &j->pre, NULL),
                    .rescale = j->pre.rescale,
                    .offset = j->pre.offset,
                    .budget = &j->budget,
                    .shard = {mr_ranks_rank(j->ranks), mr_ranks_count(j->ranks)},
                    .context = j,
                    .batch = collect,
                    .bad_input = bad_input,
                    .stage = stage};
    double start = mr_now();
    int status = mr_infer_pass(j->trainer, data, &pass, &j->sums, e);
    if (!status)
        status = put_together(j, e);
    mr_metric metrics[2];
    int count = name_metrics(metrics, j);
    mr_progress_epoch_end(j->progress, metrics, count);
    mr_bad_inputs_end(&j->bad_inputs, j->progress);
    if (!status && j->sums.samples == 0)
        status = mr_fail(e, MR_EINVAL, "none of the images could be used");
    if (status || mr_ranks_rank(j->ranks))
        return status;
    status = print_result(j, e);
    if (!status && j->c->stats)
        status = mr_cli_write_stats(j->c->stats, stage, pass.stages, NULL, 0, NULL, mr_now() - start, e);
    return status;
}

static int run(mr_cli *c, mr_error *e)
{
    struct job j = {.c = c};
    int status = mr_cli_ranks_join(&j.ranks, c, e);
    if (!status)
        status = set_up(&j, e);
    if (!status)
        status = mr_cli_claim(&j.claims, c, j.ranks, e);
    status = mr_cli_ranks_agree(j.ranks, status, e);
    bool ready = !status;
    if (!status)
        status = compare_ranks(&j, e);
    if (!status)
        status = evaluate(&j, e);
    int code = status ? mr_exit_status(status) : j.budget.errors ? MR_EXIT_SKIPPED : MR_EXIT_DONE;
    if (ready && (code == MR_EXIT_FAILED || code == MR_EXIT_USAGE))
        mr_cli_ranks_fail(j.ranks, code, e);
    code = mr_cli_ranks_end(j.ranks, code);
    mr_cli_release(&j.claims);
    tear_down(&j);
    return code;
}

const mr_command mr_command_evaluate = {
    .name = "evaluate",
    .options = MR_FOR_EVALUATE,
    .operands = "",
    .description = "loss, accuracy, classification report and confusion matrix of a model on labelled images "
                   "(or arrays)",
    .details = "\n  millrace evaluate --model cells.h5 --data cells\n\n--data looks at DIR/testing where "
               "there is one, else at\n"
               "DIR/validation, else at DIR itself. Where the model was trained on DIR with --validation-split, it\n"
               "evaluates the images that were held out; --part chooses others.\n",
    .run = run,
};
