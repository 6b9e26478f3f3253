/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predictor.h"

#include "base/thread.h"
#include "base/text.h"
#include "pipeline/queue/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 3 }; /* one being filled, one waiting, one in the consumer's hands */

typedef struct block { /* the compute thread's while filled, then the consumer's, handed on through queues */
    mr_predictions face; /* first: the consumer has only this */
    float **output;
    size_t *path, *message; /* [batch] places in text, until text has stopped growing */
    mr_text text;
} block;

struct mr_predictor {
    int batch, outputs;
    mr_shape *shape; /* [outputs] */
    mr_team *team;
    mr_plan *plan; /* the compute thread's */
    mr_loader *loader;
    mr_queue free, done;
    block blocks[BLOCKS];
    mr_stage_counters counters; /* the compute thread's */
    pthread_t thread;
    bool started;
};

/* --- blocks ----------------------------------------------------------------------- */

static int block_init(block *b, const mr_predictor *p, mr_error *e)
{
    size_t n = (size_t)p->batch;
    bool whole = (b->face.item = calloc(n, sizeof *b->face.item)) && (b->path = calloc(n, sizeof *b->path)) &&
                 (b->message = calloc(n, sizeof *b->message)) &&
                 (b->output = calloc((size_t)p->outputs + 1, sizeof *b->output));
    for (int i = 0; whole && i < p->outputs; i++)
        whole = (b->output[i] = malloc(n * mr_shape_sample(&p->shape[i]) * sizeof **b->output)) != NULL;
    b->face.outputs = p->outputs;
    b->face.output = b->output;
    return whole ? 0
                 : mr_hint(e, mr_no_memory(e, "the predictions"),
                           "a smaller --batch-size needs less");
}

static void block_destroy(block *b, int outputs)
{
    for (int i = 0; b->output && i < outputs; i++)
        free(b->output[i]);
    free(b->output);
    free(b->face.item);
    free(b->path);
    free(b->message);
    mr_text_destroy(&b->text);
}

static size_t keep_text(mr_text *t, const char *string)
{
    size_t at = t->length;
    mr_text_append_bytes(t, string, strlen(string) + 1);
    return at;
}

/* What is known of the inputs; the batch goes back to the loader afterwards. */
static int fill_items(block *b, const mr_batch *batch, mr_error *e)
{
    mr_text_clear(&b->text);
    b->face.count = batch->results;
    b->face.rows = batch->count;
    for (int i = 0; i < batch->results; i++) {
        const mr_sample_result *r = &batch->result[i];
        b->face.item[i] = (mr_prediction){.id = r->id, .error = r->error, .row = -1};
        b->path[i] = keep_text(&b->text, r->path);
        b->message[i] = keep_text(&b->text, r->message);
    }
    for (int row = 0; row < batch->count; row++)
        b->face.item[batch->row_result[row]].row = row;
    for (int i = 0; i < b->face.count; i++) {
        b->face.item[i].path = mr_text_string(&b->text) + b->path[i];
        b->face.item[i].message = mr_text_string(&b->text) + b->message[i];
    }
    return mr_text_check(&b->text, "the paths of a batch", e);
}

/* --- the compute thread --------------------------------------------------------------- */

static void compute(mr_predictor *p, block *b, const mr_batch *batch)
{
    const float *x[] = {batch->x};
    if (batch->count == 0)
        return;
    mr_plan_forward(p->plan, x, batch->count, 0);
    for (int i = 0; i < p->outputs; i++)
        memcpy(b->output[i], mr_plan_output(p->plan, i),
               (size_t)batch->count * mr_shape_sample(&p->shape[i]) * sizeof(float));
}

/* One batch. 1: there may be more; 0: the end. */
static int step(mr_predictor *p, mr_error *e)
{
    mr_batch *batch;
    void *free_block;
    int status = mr_loader_next(p->loader, &batch, e);
    if (status <= 0)
        return status;
    status = mr_queue_pop(&p->free, &free_block, e);
    if (status == 1) {
        block *b = free_block;
        uint64_t start = mr_now_ns();
        status = fill_items(b, batch, e);
        if (!status)
            compute(p, b, batch);
        mr_counter_add(&p->counters.items, (uint64_t)batch->results);
        mr_counter_add(&p->counters.busy_ns, mr_now_ns() - start);
        if (!status)
            status = mr_queue_push(&p->done, b, e);
        status = status ? status : 1;
    }
    mr_loader_release(p->loader, batch);
    return status;
}

static void *compute_thread(void *argument)
{
    mr_predictor *p = argument;
    mr_error e = {0};
    int status;
    while ((status = step(p, &e)) == 1)
        ;
    mr_queue_close(&p->done, status < 0 ? &e : NULL);
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------ */

static int take_shapes(mr_predictor *p, const mr_graph *g, const mr_predictor_options *o, mr_error *e)
{
    p->outputs = g->outputs + o->nodes;
    p->shape = calloc((size_t)p->outputs, sizeof *p->shape);
    if (!p->shape)
        return mr_no_memory(e, "the predictions");
    for (int i = 0; i < g->outputs; i++)
        p->shape[i] = g->node[g->output[i]].shape;
    for (int i = 0; i < o->nodes; i++)
        p->shape[g->outputs + i] = g->node[o->node[i]].shape;
    return 0;
}

int mr_predictor_check(const mr_graph *g, const mr_predictor_options *options, mr_error *e)
{
    const mr_preprocess *pre = &options->loader.preprocess;
    const mr_shape in = {4, {0, pre->height, pre->width, (int)pre->color_mode}};
    const mr_shape *want = &g->node[g->input[0]].shape;
    char have[96], need[96];
    if (g->inputs != 1)
        return mr_hint(
            e, mr_fail(e, MR_EINVAL, "the model '%s' has %d inputs, images are one", g->name, g->inputs),
            "give --arrays FILE.h5 with input_0, input_1, …");
    if (!mr_shape_equal(&in, want))
        return mr_fail(e, MR_EINVAL, "images of %s do not fit the model's input %s",
                       mr_shape_text(&in, true, have, sizeof have),
                       mr_shape_text(want, true, need, sizeof need));
    return 0;
}

static int make_plan(mr_predictor *p, mr_graph *g, const mr_predictor_options *o, mr_error *e)
{
    mr_plan_options options = {.kind = MR_PLAN_INFERENCE,
                               .batch = p->batch,
                               .memory_limit = o->memory_limit,
                               .constant_weights = true,
                               .extra = o->node,
                               .extras = o->nodes};
    int status = mr_team_create(&p->team, o->threads, e);
    return status ? status : mr_plan_create(&p->plan, g, p->team, options, e);
}

static int make_blocks(mr_predictor *p, mr_error *e)
{
    int status = mr_queue_init(&p->free, &mr_ring_spsc, BLOCKS, 1, e);
    if (!status)
        status = mr_queue_init(&p->done, &mr_ring_spsc, BLOCKS, 1, e);
    for (int i = 0; i < BLOCKS && !status; i++) {
        status = block_init(&p->blocks[i], p, e);
        if (!status)
            status = mr_queue_push(&p->free, &p->blocks[i], e);
    }
    return status;
}

static int start(mr_predictor *p, mr_error *e)
{
    int status = mr_thread_start(&p->thread, compute_thread, p, "mr-predict", e);
    p->started = !status;
    return status;
}

int mr_predictor_open(mr_predictor **out, mr_graph *graph, mr_source source,
                      const mr_predictor_options *options, mr_error *e)
{
    *out = NULL;
    int status = mr_predictor_check(graph, options, e);
    if (status)
        return status;
    mr_predictor *p = aligned_alloc(_Alignof(mr_predictor), sizeof *p);
    if (!p)
        return mr_no_memory(e, "the predictor");
    memset(p, 0, sizeof *p);
    p->batch = options->loader.batch_size;
    status = take_shapes(p, graph, options, e);
    if (!status)
        status = make_plan(p, graph, options, e);
    if (!status)
        status = make_blocks(p, e);
    if (!status)
        status = mr_loader_open(&p->loader, source, &options->loader, e);
    if (!status)
        status = start(p, e);
    if (status) {
        mr_predictor_close(p);
        return status;
    }
    *out = p;
    return 0;
}

void mr_predictor_stop(mr_predictor *p)
{
    mr_queue_abort(&p->done, NULL);
    mr_queue_abort(&p->free, NULL);
    mr_loader_stop(p->loader, NULL);
}

void mr_predictor_close(mr_predictor *p)
{
    if (!p)
        return;
    if (p->started) {
        mr_predictor_stop(p);
        pthread_join(p->thread, NULL);
    }
    mr_loader_close(p->loader);
    mr_plan_free(p->plan);
    mr_team_destroy(p->team);
    for (int i = 0; i < BLOCKS; i++)
        block_destroy(&p->blocks[i], p->outputs);
    mr_queue_destroy(&p->free);
    mr_queue_destroy(&p->done);
    free(p->shape);
    free(p);
}

/* --- the consumer's side -------------------------------------------------------------------- */

int mr_predictor_next(mr_predictor *p, mr_predictions **out, mr_error *e)
{
    void *b;
    *out = NULL;
    int status = mr_queue_pop(&p->done, &b, e);
    if (status == 1)
        *out = &((block *)b)->face;
    return status;
}

void mr_predictor_release(mr_predictor *p, mr_predictions *predictions)
{
    mr_queue_push(&p->free, predictions, NULL); /* has room for all; fails only where all is stopped */
}

int mr_predictor_stats(const mr_predictor *p, mr_stage_stats *out, int max)
{
    int n = mr_loader_stats(p->loader, out, max);
    if (n == max)
        return n;
    mr_queue_stats free, done;
    mr_queue_stats_read(&p->free, &free);
    mr_queue_stats_read(&p->done, &done);
    out[n] = (mr_stage_stats){.name = "predict",
                              .threads = 1,
                              .mean_queue_depth = done.mean_depth,
                              .queue_capacity = done.capacity};
    mr_stage_counters_report(&p->counters, &out[n]);
    for (int i = 0; i < n; i++) /* waiting for the loader is what its last stage calls waiting for input */
        if (!strcmp(out[i].name, "batch"))
            out[n].wait_input_seconds += out[i].wait_input_seconds;
    out[n].wait_output_seconds += free.pop_wait_seconds + done.push_wait_seconds;
    return n + 1;
}

const char *mr_predictor_reader_kind(const mr_predictor *p)
{
    return mr_loader_reader_kind(p->loader);
}
