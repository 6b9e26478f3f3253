/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predict.h"

#include "base/permissions.h"
#include "pipeline/predict/resume_output.h"
#include "pipeline/predict/predict_facts.h"
#include "pipeline/predict/predict_verify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An unordered run goes on with an output that was written with this many samples under way at most, or as
 * many as there are now. */
enum { WINDOW_LEAST = 1 << 15 };

typedef struct run { /* all of it is the calling thread's, but for what the source reads */
    const mr_predict_options *options;
    const mr_predict_events *events;
    mr_predict_result *result;
    mr_row_maker maker;
    mr_source source;
    mr_claim *claim;
    mr_past *past;
    mr_catch_up *resume;
    mr_sink *sink;
    mr_predictor *predictor;
    int *predicted; /* [batch size] of the batch in hand, for placing; -1: none */
    mr_text place;
    /* With placing: the rows that the output held whose files were still where they were. Their turn comes
     * again. */
    mr_text unplaced;
    struct timespec written; /* when the last row of the past was; zero: not known */
    mr_error failure;        /* of a row of the past */
    mr_stage_counters writing; /* rows, sinks, placing */
} run;

static bool is_stopped(const run *r)
{
    return r->events->stop && r->events->stop(r->events->context);
}

/* --- going on with an output -------------------------------------------------------------- */

static void count_row(mr_predict_totals *t, bool failed, int predicted)
{
    t->files++;
    t->failed += failed;
    t->unsure += !failed && predicted < 0 && t->classes;
    if (predicted >= 0)
        t->of_class[predicted]++;
}

/* A file of the same name that came after the run had ended: what had the row was moved away. */
static bool has_come_again(const run *r, const char *path)
{
    const mr_predict_options *o = r->options;
    struct stat st;
    if (!o->unrelated || !o->placing || o->placing->way != MR_PLACE_MOVE || !r->written.tv_sec || lstat(path, &st))
        return false;
    return st.st_ctim.tv_sec > r->written.tv_sec ||
           (st.st_ctim.tv_sec == r->written.tv_sec && st.st_ctim.tv_nsec > r->written.tv_nsec);
}

/* A file whose row is written but that is not in its place yet, since the run ended between the two. */
static void take_past_row(void *context, const mr_past_row *row, bool here)
{
    run *r = context;
    count_row(&r->result->totals, row->failed, row->predicted);
    r->result->totals.resumed++;
    if (r->options->budget)
        r->options->budget->errors += row->failed;
    if (here && has_come_again(r, row->path))
        return;
    if (r->options->unrelated && r->events->handled && !r->failure.code)
        r->events->handled(r->events->context, row->path, &r->failure);
    if (!r->options->placing || !here || row->predicted < 0)
        return;
    mr_text_append_bytes(&r->unplaced, &row->predicted, sizeof row->predicted);
    mr_text_append_bytes(&r->unplaced, row->path, strlen(row->path) + 1);
}

static int place_past(run *r, mr_error *e)
{
    int status = mr_text_check(&r->unplaced, "the files of an output", e);
    for (size_t at = 0; !status && at < r->unplaced.length;) {
        int predicted;
        const char *path = r->unplaced.data + at + sizeof predicted;
        memcpy(&predicted, r->unplaced.data + at, sizeof predicted);
        status = mr_placing_put(r->options->placing, path, predicted, NULL, e);
        at += sizeof predicted + strlen(path) + 1;
    }
    mr_text_destroy(&r->unplaced);
    return status;
}

static mr_catch_up_options how_to_resume(run *r)
{
    const mr_loader_options *l = &r->options->predictor.loader;
    mr_catch_up_options o = {
        .group = l->batch_size, .unrelated = r->options->unrelated, .context = r, .row = take_past_row};
    int64_t window = (int64_t)l->batch_size * (l->batches_ahead + 1);
    if (l->unordered)
        o.window = window > WINDOW_LEAST ? window : WINDOW_LEAST;
    if (r->options->placing) /* a row that is taken back may have lost its file */
        o.group = 1;
    return o;
}

/* The file that rows go to; NULL: standard output. */
static const char *rows_file(const run *r)
{
    return r->claim ? mr_claim_file(r->claim) : r->options->output;
}

/* Brings the source to where the output ends. */
static int pass_over_past(run *r, mr_model *model, mr_error *e)
{
    struct stat st;
    int status = mr_past_open(&r->past, rows_file(r), &r->maker.schema, e);
    if (stat(rows_file(r), &st) == 0)
        r->written = st.st_mtim;
    if (!status && r->past && !mr_claim_is_known(r->claim))
        status = mr_predict_verify(model, r->options, &r->maker, rows_file(r), r->options->output, e);
    if (!status && r->past) {
        mr_catch_up_options how = how_to_resume(r);
        status = mr_catch_up_open(&r->resume, r->source, r->past, &how, e);
        if (!status)
            status = mr_fail_as(e, &r->failure);
        if (!status)
            r->source = mr_catch_up_source(r->resume);
        if (!status)
            status = place_past(r, e);
    }
    if (!status && r->events->resumed)
        r->events->resumed(r->events->context, &r->result->totals);
    return status;
}

/* --- the output's file -------------------------------------------------------------------- */

static int claim_output(run *r, const mr_model *model, mr_error *e)
{
    const mr_predict_options *o = r->options;
    mr_fact fact[MR_PREDICT_FACTS];
    int facts = mr_predict_facts(fact, model, o, &r->maker.schema, e);
    mr_claim_options how = {.output = o->output,
                            .fact = fact,
                            .facts = facts,
                            .resume = o->resume,
                            .overwrite = o->overwrite,
                            .keep = o->ranks > 0};
    int status = facts < 0 ? facts : mr_claim_open(&r->claim, &how, e);
    mr_predict_facts_free(fact);
    if (!status && o->resume && !r->claim)
        status = mr_hint(e, mr_fail(e, MR_EUSAGE, "cannot resume into %s", o->output ? o->output : "standard output"),
                         "give --output FILE");
    if (!status && o->unrelated && !o->resume && r->claim && mr_claim_beside(r->claim))
        status = mr_hint(e, mr_fail(e, MR_EINVAL, "%s exists already, and a run that watches folders never completes it", o->output),
                         "give --resume to continue it, --overwrite to replace it, or another --output");
    return status;
}

static int open_sink(run *r, mr_error *e)
{
    int status = r->claim ? mr_claim_begin(r->claim, e) : 0;
    mr_permissions p = mr_permissions_of(r->options->output); /* that will be replaced at the end */
    if (!status)
        status = r->past ? mr_sink_resume(&r->sink, r->past, e)
                         : mr_sink_open(&r->sink, rows_file(r), &r->maker.schema, e);
    mr_permissions_end(&p);
    if (!status) /* who follows the output sees at once that there is one */
        status = mr_sink_flush(r->sink, e);
    if (!status && r->claim && mr_claim_beside(r->claim) && r->events->beside)
        r->events->beside(r->events->context, rows_file(r));
    return status;
}

static int close_output(run *r, bool complete, mr_error *e)
{
    bool beside = r->claim && r->sink && mr_claim_beside(r->claim);
    int status = mr_sink_close(r->sink, complete, e);
    complete = complete && !status;
    if (!complete && beside && !(r->result->beside = strdup(rows_file(r))))
        status = status ? status : mr_no_memory(e, "a path");
    int closed = mr_claim_close(r->claim, complete, e);
    r->claim = NULL;
    return status ? status : closed;
}

/* --- one batch ---------------------------------------------------------------------------- */

static int spend(run *r, const mr_prediction *item, mr_error *e)
{
    int64_t total = r->options->total ? r->options->total(r->options->total_context) : 0;
    if (r->events->bad_input)
        r->events->bad_input(r->events->context, item->path, item->message);
    return r->options->budget ? mr_budget_spend(r->options->budget, total, item->path, item->message, e) : 0;
}

static int take_row(run *r, const mr_predictions *p, int i, mr_error *e)
{
    const mr_prediction *item = &p->item[i];
    mr_sink_row row;
    mr_row_maker_fill(&r->maker, p, item, &row);
    r->predicted[i] = row.predicted;
    int status = mr_sink_add(r->sink, &row, e);
    if (status)
        return status;
    count_row(&r->result->totals, item->error, row.predicted);
    return item->error ? spend(r, item, e) : 0;
}

/* After the rows are written: a file that is moved has its row, whatever comes. */
static int place_files(run *r, const mr_predictions *p, int rows, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < rows && !status; i++) {
        const char *place = p->item[i].path;
        if (r->options->placing && r->predicted[i] >= 0) {
            status = mr_placing_put(r->options->placing, place, r->predicted[i], &r->place, e);
            place = mr_text_string(&r->place);
        }
        if (!status && r->events->row) {
            mr_sink_row row;
            mr_row_maker_fill(&r->maker, p, &p->item[i], &row);
            r->events->row(r->events->context, &row, place, p->item[i].id);
        }
    }
    return status;
}

static uint64_t bytes_read(const run *r)
{
    mr_stage_stats stage[8];
    int n = mr_predictor_stats(r->predictor, stage, 8);
    for (int i = 0; i < n; i++)
        if (!strcmp(stage[i].name, "read"))
            return stage[i].bytes;
    return 0;
}

static int take_batch(run *r, const mr_predictions *p, mr_error *e)
{
    int status = 0, rows = 0;
    uint64_t start = mr_now_ns();
    for (; rows < p->count && !status; rows++)
        status = take_row(r, p, rows, e);
    int flushed = mr_sink_flush(r->sink, e); /* also the rows before a failure */
    if (!flushed)
        flushed = place_files(r, p, rows, e);
    mr_counter_add(&r->writing.items, (uint64_t)rows);
    mr_counter_add(&r->writing.busy_ns, mr_now_ns() - start);
    r->result->totals.bytes = bytes_read(r);
    if (r->events->batch)
        r->events->batch(r->events->context, &r->result->totals);
    return status ? status : flushed;
}

/* --- the run ------------------------------------------------------------------------------ */

static int take_all(run *r, mr_error *e)
{
    mr_predictions *p;
    int status = 1;
    while (status == 1 && (status = mr_predictor_next(r->predictor, &p, e)) == 1) {
        status = take_batch(r, p, e);
        mr_predictor_release(r->predictor, p);
        if (!status)
            status = !is_stopped(r);
    }
    r->result->stopped = status == 0 && is_stopped(r);
    if (!status && !r->result->stopped && r->options->budget)
        status = mr_budget_check(r->options->budget, (int64_t)r->result->totals.files, e);
    return status;
}

static int set_up(run *r, mr_model *model, mr_error *e)
{
    mr_predict_totals *t = &r->result->totals;
    int status = mr_row_maker_init(&r->maker, model, r->options, e);
    if (status)
        return status;
    t->classes = r->maker.schema.labels ? 0 : r->maker.schema.classes;
    t->of_class = calloc((size_t)t->classes + 1, sizeof *t->of_class);
    r->predicted = calloc((size_t)r->options->predictor.loader.batch_size, sizeof *r->predicted);
    if (!t->of_class || !r->predicted)
        return mr_no_memory(e, "the rows");
    status = mr_predictor_check(model->graph, &r->options->predictor, e);
    if (!status)
        status = claim_output(r, model, e);
    if (!status && r->options->resume)
        status = pass_over_past(r, model, e);
    if (!status)
        status = mr_predictor_open(&r->predictor, model->graph, r->source, &r->options->predictor, e);
    return status ? status : open_sink(r, e); /* last: what fails before leaves the old output as it was */
}

static void report_stages(run *r)
{
    mr_predict_result *result = r->result;
    int n = mr_predictor_stats(r->predictor, result->stage, MR_PREDICT_STAGES - 1);
    result->stage[n] = (mr_stage_stats){.name = "write", .threads = 1};
    mr_stage_counters_report(&r->writing, &result->stage[n]);
    result->stages = n + 1;
    result->reader = mr_predictor_reader_kind(r->predictor);
}

static void tear_down(run *r)
{
    mr_predictor_close(r->predictor);
    mr_catch_up_close(r->resume);
    mr_past_close(r->past);
    mr_row_maker_destroy(&r->maker);
    mr_text_destroy(&r->place);
    mr_text_destroy(&r->unplaced);
    free(r->predicted);
}

int mr_predict_run(mr_model *model, mr_source source, const mr_predict_options *options,
                   const mr_predict_events *events, mr_predict_result *result, mr_error *e)
{
    run r = {.options = options, .events = events, .result = result, .source = source};
    memset(result, 0, sizeof *result);
    int status = set_up(&r, model, e);
    if (!status) {
        status = take_all(&r, e);
        report_stages(&r);
    }
    int closed = close_output(&r, !status && !result->stopped, e);
    tear_down(&r);
    return status ? status : closed;
}

void mr_predict_result_free(mr_predict_result *r)
{
    free(r->totals.of_class);
    free(r->beside);
    memset(r, 0, sizeof *r);
}
