/* SPDX-License-Identifier: Apache-2.0 */
/* millrace predict --images, --watch */
#include "cli/show/bad_inputs.h"
#include "cli/setup/thresholds.h"
#include "pipeline/predict/predict_rows.h"
#include "cli/setup/preprocess.h"
#include "cli/setup/data.h"
#include "cli/show/gallery.h"
#include "cli/command/predict.h"
#include "cli/command/predict_ranks.h"
#include "cli/show/stats.h"
#include "cli/show/tally.h"
#include "pipeline/source/count.h"
#include "io/model_file/model_task.h"
#include "pipeline/source/walk.h"
#include "pipeline/source/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { CLASSES_SHOWN = 40 };
/* A stage less busy holds nothing up: the run waited for files, or was over at once. */
#define WORTH_NAMING .1

typedef struct images {
    mr_predict_job *job;
    mr_preprocess pre;
    const char **root; /* [roots]: --images, then the operands */
    int roots;
    mr_walk *walk;
    mr_watch *watch;
    mr_census *census;
    const char **class_names;
    int classes;
    mr_placing placing;
    float *of_class; /* thresholds */
    mr_predict_options options;
    mr_predict_ranks shared;
    mr_gallery *gallery;
    mr_bad_inputs bad_inputs;
    uint64_t last_files; /* of the batch before */
    mr_predict_result result;
} images;

/* --- what the run tells --------------------------------------------------------------------- */

/* Files that an earlier run has moved away are no longer found. */
static int64_t total(void *context)
{
    const images *j = context;
    int64_t found = mr_census_total(j->census) / mr_ranks_count(j->shared.ranks);
    bool fewer = found && j->options.placing && j->placing.way == MR_PLACE_MOVE;
    return fewer ? found + (int64_t)j->result.totals.resumed : found;
}

static void resumed(void *context, const mr_predict_totals *t)
{
    images *j = context;
    mr_progress *p = j->job->progress;
    if (t->resumed)
        mr_progress_message(p, MR_LOG_INFO, "%s holds %llu rows: going on behind them", j->job->c->output,
                            (unsigned long long)t->resumed);
    else
        mr_progress_message(p, MR_LOG_INFO, "%s has no rows to resume from: starting over",
                            j->job->c->output);
    mr_progress_stream_from(p, (int64_t)t->resumed);
}

static int handled_before(void *context, const char *path, mr_error *e)
{
    images *j = context;
    return j->watch ? mr_watch_pass_over(j->watch, path, e) : 0;
}

static void rows_beside(void *context, const char *file)
{
    images *j = context;
    mr_progress_message(j->job->progress, MR_LOG_INFO,
                        "%s exists: rows go to %s, which replaces it when all are written (--overwrite: at once)",
                        j->job->c->output, file);
}

static void row_made(void *context, const mr_sink_row *row, const char *place, uint64_t id)
{
    images *j = context;
    mr_gallery_offer(j->gallery, row, place, id);
}

/* Only rank 0 prints, for all: batches are dealt out in turn, so the others have done about as much. */
static void batch_done(void *context, const mr_predict_totals *t)
{
    images *j = context;
    int64_t ranks = mr_ranks_count(j->shared.ranks), all = ranks > 1 ? mr_census_total(j->census) : total(j),
            done = (int64_t)t->files * ranks;
    mr_progress_stream(j->job->progress, all && done > all ? all : done, all, (int64_t)t->failed * ranks,
                       t->bytes * (uint64_t)ranks);
}

/* At the end, what all of them have done is known. */
static void show_all(const images *j)
{
    const mr_predict_totals *t = &j->result.totals;
    if (j->shared.ranks)
        mr_progress_stream(j->job->progress, (int64_t)t->files, mr_census_total(j->census), (int64_t)t->failed,
                           t->bytes);
}

static void bad_input(void *context, const char *path, const char *reason)
{
    images *j = context;
    mr_bad_inputs_add(&j->bad_inputs, j->job->progress, path, reason, true);
}

/* --- setting up ------------------------------------------------------------------------------- */

static int set_roots(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    j->roots = c->images.count + c->operands;
    j->root = calloc((size_t)j->roots + 1, sizeof *j->root);
    if (!j->root)
        return mr_no_memory(e, "the inputs");
    int lists = 0;
    for (int i = 0; i < j->roots; i++) {
        j->root[i] = i < c->images.count ? c->images.item[i] : c->operand[i - c->images.count];
        if (!strcmp(j->root[i], "-") && ++lists == 2)
            return mr_fail(e, MR_EUSAGE, "'-' is given twice, but there is only one standard input");
    }
    return 0;
}

static int check_options(const images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    if (c->move_to && c->link_to)
        return mr_fail(e, MR_EUSAGE, "--move-to and --link-to cannot be used together");
    if (c->resume && !c->output)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "cannot resume into standard output"),
                       "give --output FILE");
    if (c->resume && c->unordered && c->move_to)
        return mr_fail(e, MR_EUSAGE, "--resume, --unordered and --move-to cannot be used together");
    if (c->csv_safe && c->output && (!strrchr(c->output, '.') || strcasecmp(strrchr(c->output, '.'), ".csv")))
        return mr_fail(e, MR_EUSAGE, "--csv-safe requires an --output in CSV format");
    if (c->only_new && !c->watch.count)
        return mr_fail(e, MR_EUSAGE, "--only-new requires --watch");
    if (c->overwrite && (c->resume || !c->output))
        return mr_fail(e, MR_EUSAGE,
                       c->resume ? "--overwrite and --resume cannot be used together" : "--overwrite requires --output");
    if (c->resume && c->watch.count && j->roots)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--resume goes with --images or with --watch, not with both"),
                       "first one, then the other");
    return 0;
}

static mr_selection selection(const mr_cli *c)
{
    return (mr_selection){.include = c->include.item,
                          .includes = c->include.count,
                          .exclude = c->exclude.item,
                          .excludes = c->exclude.count};
}

/* Is PATH a folder, and DIR or below it, whatever links lead there? */
static bool is_folder_within(const char *path, const char *dir)
{
    struct stat st;
    char *folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? realpath(path, NULL) : NULL, *whole = realpath(dir, NULL);
    size_t n = whole ? strlen(whole) : 0;
    bool within = folder && whole && !strncmp(folder, whole, n) && (folder[n] == '/' || !folder[n] || n == 1);
    free(folder);
    free(whole);
    return within;
}

/* A folder that is read while files are put into it would be passed over, or read its own results. */
static int check_places(const images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    const char *dir = c->move_to ? c->move_to : c->link_to;
    const char *const *inputs[] = {j->root, c->watch.item};
    const int counts[] = {j->roots, c->watch.count};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        for (int i = 0; i < counts[k]; i++)
            if (is_folder_within(inputs[k][i], dir))
                return mr_hint(e,
                               mr_fail(e, MR_EUSAGE, "--%s %s: the input folder %s is the same folder or lies in it",
                                       c->move_to ? "move-to" : "link-to", dir, inputs[k][i]),
                               "give another folder, or name the files (%s/*)", inputs[k][i]);
    return 0;
}

/* One vector that the file calls neither probabilities nor logits. */
static bool is_unknown(const mr_output_task *task)
{
    return task->kind == MR_TASK_NUMBERS && task->vector && task->link == MR_LINK_NONE;
}

static int set_placing(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    if (!c->move_to && !c->link_to)
        return 0;
    j->placing = (mr_placing){.way = c->move_to ? MR_PLACE_MOVE : MR_PLACE_LINK,
                              .dir = c->move_to ? c->move_to : c->link_to,
                              .class_names = j->class_names,
                              .classes = j->classes};
    j->options.placing = &j->placing;
    int status = check_places(j, e);
    return status ? status : mr_placing_prepare(&j->placing, e);
}

static int open_walk(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    mr_walk_options o = {.root = j->root,
                         .roots = j->roots,
                         .selection = selection(c),
                         .nul_ended = c->null,
                         .avoid = j->placing.dir,
                         .stop = mr_predict_stop};
    int status = mr_walk_create(&j->walk, &o, e);
    bool counts = !c->quiet || j->job->budget.most < 0; /* a share of all is allowed to fail */
    if (!status && counts && !c->watch.count)
        status = mr_census_start(&j->census, &o, e);
    return status;
}

/* The watch begins before the walk, so that nothing is missed between the two. */
static int open_watch(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    mr_watch_options o = {.dir = c->watch.item,
                          .dirs = c->watch.count,
                          .selection = selection(c),
                          .avoid = j->placing.dir,
                          .present = !c->only_new,
                          .first = j->roots ? mr_walk_source(j->walk) : (mr_source){0},
                          .stop = mr_predict_stop};
    return mr_watch_create(&j->watch, &o, e);
}

/* What needs a class for each image. */
static int check_task(const images *j, mr_error *e)
{
    const mr_output_task *task = &j->job->task;
    const char *option = mr_cli_given_of(j->job->c, MR_OF_CLASSES);
    char text[128];
    if (!option || (task->kind == MR_TASK_CLASSES && task->vector))
        return 0;
    int status = mr_fail(e, MR_EUSAGE, "--%s requires a model that tells one class of many; this one gives %s", option,
                         mr_task_text(task, text, sizeof text));
    return is_unknown(task) ? mr_hint(e, status, "if they are logits of classes, give --activation softmax or sigmoid")
                            : status;
}

/* Why there will be no class. */
static void tell_task(const images *j)
{
    const mr_output_task *task = &j->job->task;
    char text[128];
    mr_loss loss;
    bool known = mr_model_loss(&loss, j->job->model) && loss.class->meaning == MR_LOSS_OF_NUMBERS;
    if (is_unknown(task) && !known && !j->job->c->activation)
        mr_progress_message(j->job->progress, MR_LOG_WARNING,
                            "the model does not say that its outputs are probabilities or logits: they are written as "
                            "they are, without a class (--activation softmax, sigmoid or linear says what they are)");
    else if (task->kind != MR_TASK_CLASSES)
        mr_progress_message(j->job->progress, MR_LOG_INFO, "the model gives %s: no class is predicted",
                            mr_task_text(task, text, sizeof text));
}

static int set_classes(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    int status = mr_model_class_names(&j->class_names, &j->classes, j->job->model, &j->job->task, e);
    if (!status)
        status = check_task(j, e);
    if (!status)
        tell_task(j);
    if (!status)
        status = mr_cli_thresholds(&j->options.thresholds, &j->of_class, &c->threshold, j->class_names,
                                   j->classes, e);
    if (!status && c->montage)
        status = mr_gallery_create(&j->gallery, c->montage_count, (uint64_t)c->seed, j->class_names,
                                   j->classes, e);
    return status;
}

static int set_up(images *j, mr_error *e)
{
    const mr_cli *c = j->job->c;
    int status = set_roots(j, e);
    if (!status)
        status = check_options(j, e);
    if (!status)
        status = mr_cli_model_contract(&j->pre, c, j->job->model, true, e);
    if (!status)
        status = set_classes(j, e);
    if (!status)
        status = set_placing(j, e);
    if (!status)
        status = open_walk(j, e);
    if (!status && c->watch.count)
        status = open_watch(j, e);
    j->options.predictor = (mr_predictor_options){.loader = mr_cli_loader(c, &j->pre, NULL),
                                                  .threads = mr_cli_threads(c),
                                                  .memory_limit = (size_t)c->memory_limit,
                                                  .node = j->job->node,
                                                  .nodes = j->job->nodes};
    j->options.predictor.loader.unordered = c->unordered;
    j->options.output = c->output;
    j->options.resume = c->resume;
    j->options.overwrite = c->overwrite;
    j->options.unrelated = c->watch.count > 0;
    j->options.task = j->job->task;
    j->options.top = c->top;
    j->options.csv_safe = c->csv_safe;
    j->options.budget = &j->job->budget;
    j->options.total = total;
    j->options.total_context = j;
    return status;
}

/* --- the last lines ----------------------------------------------------------------------------- */

static void tell_classes(const images *j, mr_text *text)
{
    const mr_predict_totals *t = &j->result.totals;
    mr_tally classes = {0};
    for (int i = 0; i < t->classes; i++)
        if (t->of_class[i])
            mr_tally_add(&classes, j->class_names[i], t->of_class[i]);
    mr_tally_text(text, &classes, CLASSES_SHOWN);
    if (t->unsure)
        mr_text_format(text, "%s%llu unsure", classes.texts ? ", " : "", (unsigned long long)t->unsure);
}

static void tell_stages(const images *j, mr_text *text, double wall)
{
    const mr_stage_stats *stage = j->result.stage, *most = mr_cli_bottleneck(stage, j->result.stages, wall);
    for (int i = 0; i < j->result.stages; i++)
        mr_text_format(text, "%s%s %.0f%%", i ? ", " : "busy: ", stage[i].name,
                       100 * stage[i].busy_seconds / (wall * stage[i].threads));
    if (most && most->busy_seconds > WORTH_NAMING * wall * most->threads)
        mr_text_format(text, "; the bottleneck is %s", most->name);
}

static void tell_end(images *j, double wall)
{
    mr_progress *p = j->job->progress;
    mr_text text = {0};
    tell_classes(j, &text);
    if (text.length)
        mr_progress_message(p, MR_LOG_INFO, "predicted: %s", mr_text_string(&text));
    mr_text_clear(&text);
    mr_bad_inputs_end(&j->bad_inputs, p);
    mr_endings_text(mr_walk_passed_over(j->walk), &text);
    if (text.length)
        mr_progress_message(p, MR_LOG_INFO, "passed over: %s", mr_text_string(&text));
    mr_text_clear(&text);
    tell_stages(j, &text, wall > 1e-6 ? wall : 1e-6);
    mr_progress_message(p, MR_LOG_INFO, "%s", mr_text_string(&text));
    if (j->job->stopped)
        mr_progress_message(p, MR_LOG_WARNING,
                            j->job->c->output ? "stopped after %llu images; --resume continues from here"
                                              : "stopped after %llu images",
                            (unsigned long long)j->result.totals.files);
    if (j->job->stopped && j->result.beside)
        mr_progress_message(p, MR_LOG_WARNING, "the rows so far are in %s; %s is as it was", j->result.beside,
                            j->job->c->output);
    mr_text_destroy(&text);
}

/* --- the run -------------------------------------------------------------------------------------- */

static int write_extras(images *j, double wall, mr_error *e)
{
    const mr_cli *c = j->job->c;
    int status = j->gallery ? mr_gallery_write(j->gallery, c->montage, e) : 0;
    if (!status && c->stats && mr_ranks_rank(j->shared.ranks) == 0)
        status = mr_cli_write_stats(c->stats, j->result.stage, j->result.stages, NULL, 0, j->result.reader,
                                    wall, e);
    return status;
}

static int nothing_found(const images *j, mr_error *e)
{
    mr_text passed = {0};
    if (j->roots == 1 && !strcmp(j->root[0], "-"))
        return mr_fail(e, MR_EINVAL, "the list of paths is empty");
    mr_endings_text(mr_walk_passed_over(j->walk), &passed);
    mr_fail(e, MR_EINVAL, "no images in %s%s", j->root[0], j->roots > 1 ? " and the other folders" : "");
    mr_hint(e, MR_EINVAL, "JPEG and PNG files are read%s%s", passed.length ? "; passed over: " : "",
            mr_text_string(&passed));
    mr_text_destroy(&passed);
    return MR_EINVAL;
}

/* A run of which nothing came has failed, whatever share of bad files is allowed. */
static int check_used(const images *j, mr_error *e)
{
    const mr_predict_totals *t = &j->result.totals;
    if (j->job->stopped || j->watch || t->failed < t->files)
        return 0;
    if (t->files == 0)
        return nothing_found(j, e);
    return mr_fail(e, MR_EINVAL, "none of the %llu images could be used", (unsigned long long)t->files);
}

static int run(images *j, mr_error *e)
{
    mr_predict_job *job = j->job;
    mr_predict_events events = {.context = j,
                                .resumed = resumed,
                                .beside = rows_beside,
                                .handled = handled_before,
                                .batch = batch_done,
                                .bad_input = bad_input,
                                .row = j->gallery ? row_made : NULL,
                                .stop = mr_predict_stop};
    mr_source source = j->watch ? mr_watch_source(j->watch) : mr_walk_source(j->walk);
    j->shared.ranks = job->ranks;
    int status = mr_predict_ranks_begin(&j->shared, job->c, &source, &j->options, e);
    if (status)
        return status;
    mr_progress_epoch_begin(job->progress, 0, 0, 0);
    double start = mr_now();
    status = mr_predict_run(job->model, source, &j->options, &events, &j->result, e);
    if (!status)
        status = mr_predict_ranks_end(&j->shared, job->c, &j->result, e);
    double wall = mr_now() - start;
    job->stopped = j->result.stopped;
    if (status)
        return status;
    show_all(j);
    mr_progress_epoch_end(job->progress, NULL, 0);
    tell_end(j, wall);
    status = write_extras(j, wall, e);
    return status ? status : check_used(j, e);
}

static void tear_down(images *j)
{
    mr_census_stop(j->census);
    mr_predict_result_free(&j->result);
    mr_gallery_free(j->gallery);
    mr_watch_free(j->watch);
    mr_walk_free(j->walk);
    free(j->of_class);
    free(j->class_names);
    free(j->root);
    free(j);
}

int mr_predict_images(mr_predict_job *job, mr_error *e)
{
    images *j = calloc(1, sizeof *j);
    if (!j)
        return mr_no_memory(e, "a job");
    j->job = job;
    int status = set_up(j, e);
    if (!status)
        status = run(j, e);
    tear_down(j);
    return status;
}
