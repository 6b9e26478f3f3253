/* SPDX-License-Identifier: Apache-2.0 */
/* A stream: opening, its facts, stopping and closing. */
#include "base/processors.h"
#include "pipeline/predict/predict_rows.h"
#include "base/thread.h"
#include "io/model_file/model_task.h"
#include "pipeline/predict/predict.h"
#include "pipeline/stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 8, LINGER = 10, LINGER_FOREVER = -1 };

mr_preprocessing mr_preprocessing_default(void)
{
    return (mr_preprocessing){.interpolation = "nearest"};
}

mr_stream_options mr_stream_options_default(void)
{
    mr_loader_options loader = mr_loader_options_default();
    return (mr_stream_options){
        .batch_size = loader.batch_size, .linger_ms = LINGER, .max_pixels = loader.max_pixels};
}

/* --- waiting --------------------------------------------------------------------------------------- */

const struct timespec *mr_stream_deadline(struct timespec *t, int milliseconds)
{
    if (milliseconds < 0)
        return NULL;
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += milliseconds / 1000;
    t->tv_nsec += milliseconds % 1000 * 1000000L;
    if (t->tv_nsec >= 1000000000L) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000L;
    }
    return t;
}

bool mr_stream_wait(mr_stream *s, pthread_cond_t *condition, const struct timespec *deadline)
{
    if (!deadline)
        return pthread_cond_wait(condition, &s->lock) == 0;
    return pthread_cond_timedwait(condition, &s->lock, deadline) != ETIMEDOUT;
}

static void init_waiting(mr_stream *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->room, &monotonic);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* --- the contract ------------------------------------------------------------------------------------ */

/* What the caller says, with the model's input in the place of what is left open. */
static int given_contract(mr_preprocess *out, const mr_preprocessing *given, const mr_model *m, mr_error *e)
{
    const mr_shape *in = &m->graph->node[m->graph->input[0]].shape;
    int channels = given->channels ? given->channels : in->rank == 4 ? (int)in->dim[3] : 0;
    int filter = mr_interpolation_by_name(given->interpolation ? given->interpolation : "nearest");
    if (filter < 0)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "interpolation '%s' is not known", given->interpolation),
                       "nearest, bilinear, bicubic, lanczos, box or tf-bilinear");
    if (given->rescale == 0)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "the preprocessing has no rescale"),
                       "1.0 / 255, or 1 where the network scales by itself");
    *out = (mr_preprocess){.height = given->height   ? given->height
                                     : in->rank == 4 ? (int)in->dim[1]
                                                     : 0,
                           .width = given->width    ? given->width
                                    : in->rank == 4 ? (int)in->dim[2]
                                                    : 0,
                           .color_mode = (mr_color_mode)channels,
                           .interpolation = (mr_interpolation)filter,
                           .rescale = given->rescale,
                           .offset = given->offset,
                           .dct_scaling = given->dct_scaling};
    return 0;
}

static int agree(const mr_preprocess *contract, const mr_preprocess *given, mr_error *e)
{
    const char *field = mr_preprocess_difference(contract, given);
    return field
               ? mr_hint(e,
                         mr_fail(e, MR_EINVAL,
                                 "the %s given contradicts the preprocessing that the model was trained with",
                                 field),
                         "leave the preprocessing out, or set override_preprocessing")
               : 0;
}

static int choose_contract(mr_preprocess *out, const mr_model *m, const mr_stream_options *o, mr_error *e)
{
    if (!o->preprocessing && !m->has_preprocess)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "the model says nothing about its preprocessing"),
                       "give mr_stream_options.preprocessing, with rescale, as in its training");
    *out = m->preprocess;
    if (!o->preprocessing)
        return 0;
    int status = given_contract(out, o->preprocessing, m, e);
    if (!status && m->has_preprocess && !o->override_preprocessing)
        status = agree(&m->preprocess, out, e);
    return status;
}

static void publish_contract(mr_stream *s, const mr_preprocess *p)
{
    s->preprocessing = (mr_preprocessing){.height = p->height,
                                          .width = p->width,
                                          .channels = (int)p->color_mode,
                                          .interpolation = mr_interpolation_name(p->interpolation),
                                          .rescale = p->rescale,
                                          .offset = p->offset,
                                          .dct_scaling = p->dct_scaling};
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* An upper bound keeps the sizes of the rings from overflowing. */
static int check_options(const mr_stream_options *o, mr_error *e)
{
    enum { CAPACITY_MAX = 1 << 24 };
    int status = 0;
    if (o->capacity && (o->capacity < o->batch_size || o->capacity > CAPACITY_MAX))
        status = mr_fail(e, MR_EINVAL, "capacity %d is out of range (%d, one batch, to %d)",
                         o->capacity, o->batch_size, CAPACITY_MAX);
    else if (o->threads < 0 || o->decode_threads < 0 || o->linger_ms < LINGER_FOREVER || o->layer_count < 0)
        status = mr_fail(e, MR_EINVAL, "threads, linger_ms or layer_count of the options is negative");
    else if (o->max_pixels < 1 || o->batch_size < 1)
        status = mr_fail(e, MR_EINVAL, "max_pixels or batch_size of the options is less than 1");
    return status ? mr_hint(e, status, "begin with mr_stream_options_default()") : 0;
}

static int make_rings(mr_stream *s, const mr_stream_options *o, mr_error *e)
{
    s->capacity = o->capacity ? (uint64_t)o->capacity : (uint64_t)o->batch_size * BATCHES;
    s->max_pixels = o->max_pixels;
    s->image = calloc(s->capacity, sizeof *s->image);
    s->tag = calloc(s->capacity, sizeof *s->tag);
    s->result = calloc(s->capacity, sizeof *s->result);
    return s->image && s->tag && s->result ? 0 : mr_no_memory(e, "the stream");
}

static int set_precision(mr_graph *g, const char *precision, mr_error *e)
{
    bool mixed = precision && !strcmp(precision, "mixed_bfloat16");
    if (!precision)
        return 0;
    if (!mixed && strcmp(precision, "float32") != 0)
        return mr_fail(e, MR_EINVAL, "precision '%s': float32 or mixed_bfloat16", precision);
    return mr_graph_set_mixed(g, mixed, e);
}

/* What the first output is, and the classes that come of it; on failure all stays. */
static int set_task(mr_stream *s, mr_given_activation given, mr_error *e)
{
    mr_output_task task;
    const char **names;
    int classes, status = mr_model_task(&task, s->model, MR_TARGETS_UNKNOWN, given, e);
    if (!status)
        status = mr_model_class_names(&names, &classes, s->model, &task, e);
    if (status)
        return status;
    free(s->class_names);
    s->class_names = names;
    s->classes = classes;
    s->task = task;
    return 0;
}

/* Sizes that the model leaves open are the caller's. */
static int load_model(mr_stream *s, const char *file, const mr_stream_options *o, mr_error *e)
{
    const mr_preprocessing *p = o->preprocessing;
    mr_shape input = {0};
    if (p && p->height && p->width)
        input = (mr_shape){4, {0, p->height, p->width, p->channels ? p->channels : 3}};
    int status = mr_model_load_sized(&s->model, file, input.rank ? &input : NULL, e);
    if (!status)
        status = set_precision(s->model->graph, o->precision, e);
    return status ? status : set_task(s, MR_GIVEN_NOTHING, e);
}

static int find_layers(int **node, const mr_stream *s, const mr_stream_options *o, mr_error *e)
{
    int status = 0;
    *node = calloc((size_t)o->layer_count + 1, sizeof **node);
    if (!*node)
        return mr_no_memory(e, "the layers");
    for (int i = 0; i < o->layer_count && !status; i++)
        status = mr_layer_node(*node + i, s->model->graph, o->layers[i], e);
    return status;
}

static int describe_outputs(mr_stream *s, const int *node, int nodes, mr_error *e)
{
    const mr_graph *g = s->model->graph;
    s->outputs = g->outputs + nodes;
    s->output = calloc((size_t)s->outputs, sizeof *s->output);
    if (!s->output)
        return mr_no_memory(e, "the outputs");
    for (int i = 0; i < s->outputs; i++) {
        const mr_node *n = &g->node[i < g->outputs ? g->output[i] : node[i - g->outputs]];
        mr_tensor *t = &s->output[i];
        *t = (mr_tensor){
            .name = n->layer->name, .rank = n->shape.rank - 1, .count = mr_shape_sample(&n->shape)};
        for (int d = 0; d < t->rank; d++)
            t->dim[d] = n->shape.dim[d + 1];
    }
    s->width = s->output[0].count;
    return 0;
}

/* What the results need room for. */
static void measure_results(mr_stream *s)
{
    s->values = (size_t)s->classes;
    s->names = 0;
    for (int i = 0; i < s->classes; i++) {
        size_t n = strlen(s->class_names[i]) + 1;
        s->names = n > s->names ? n : s->names;
    }
    for (int i = 0; i < s->outputs; i++) {
        s->values += s->output[i].count;
        s->names += strlen(s->output[i].name) + 1;
    }
}

static int open_predictor(mr_stream *s, const mr_stream_options *o, const mr_preprocess *pre, const int *node,
                          mr_error *e)
{
    mr_predictor_options p = {.loader = mr_loader_options_default(),
                              .threads = o->threads ? o->threads : mr_usable_processors(),
                              .memory_limit = o->memory_limit,
                              .node = node,
                              .nodes = o->layer_count};
    p.loader.batch_size = o->batch_size;
    p.loader.decode_threads = o->decode_threads ? o->decode_threads : mr_usable_processors();
    p.loader.preprocess = *pre;
    p.loader.max_pixels = o->max_pixels;
    p.loader.linger = o->linger_ms;
    return mr_predictor_open(&s->predictor, s->model->graph, mr_stream_source(s), &p, e);
}

static int set_up(mr_stream *s, const char *model, const mr_stream_options *o, mr_error *e)
{
    mr_preprocess pre;
    int *node = NULL;
    int status = check_options(o, e);
    if (!status)
        status = make_rings(s, o, e);
    if (!status)
        status = load_model(s, model, o, e);
    if (!status)
        status = choose_contract(&pre, s->model, o, e);
    if (!status)
        status = find_layers(&node, s, o, e);
    if (!status)
        status = describe_outputs(s, node, o->layer_count, e);
    if (!status)
        status = open_predictor(s, o, &pre, node, e);
    if (!status) {
        publish_contract(s, &pre);
        measure_results(s);
    }
    free(node);
    return status;
}

/* Last: the collector needs all the rest. */
static int start_collector(mr_stream *s, mr_error *e)
{
    int status = mr_thread_start(&s->collector, mr_stream_collect, s, "mr-stream", e);
    s->collects = !status;
    return status;
}

int mr_stream_open(mr_stream **out, const char *model, const mr_stream_options *options, mr_error *e)
{
    mr_stream_options o = options ? *options : mr_stream_options_default();
    mr_error ignored = {0};
    *out = NULL;
    e = e ? e : &ignored;
    mr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return mr_no_memory(e, "the stream");
    init_waiting(s);
    int status = set_up(s, model, &o, e);
    if (!status)
        status = start_collector(s, e);
    if (status)
        mr_stream_close(s);
    else
        *out = s;
    return status;
}

int mr_stream_set_activation(mr_stream *s, const char *activation, mr_error *e)
{
    int given = activation ? mr_given_activation_by_name(activation) : (int)MR_GIVEN_NOTHING;
    mr_error ignored = {0};
    e = e ? e : &ignored;
    if (given < 0)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "unknown activation '%s'", activation), "give softmax, sigmoid or linear");
    pthread_mutex_lock(&s->lock); /* the collector looks at it under no lock, but has nothing before the first push */
    int status = s->pushed ? mr_fail(e, MR_EINVAL, "the activation is set before the first image is pushed")
                           : set_task(s, (mr_given_activation)given, e);
    if (!status)
        measure_results(s);
    pthread_mutex_unlock(&s->lock);
    if (status == MR_EUSAGE) /* of the program's, not of the library's */
        status = e->code = MR_EINVAL;
    return status;
}

/* --- facts -------------------------------------------------------------------------------------------- */

const mr_preprocessing *mr_stream_preprocessing(const mr_stream *s)
{
    return &s->preprocessing;
}

int mr_stream_classes(const mr_stream *s)
{
    return s->classes;
}

const char *mr_stream_class_name(const mr_stream *s, int i)
{
    return i >= 0 && i < s->classes ? s->class_names[i] : NULL;
}

/* --- ending ------------------------------------------------------------------------------------------- */

void mr_stream_stop(mr_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->room);
    pthread_cond_broadcast(&s->ready);
    pthread_mutex_unlock(&s->lock);
    if (s->predictor)
        mr_predictor_stop(s->predictor);
}

void mr_stream_close(mr_stream *s)
{
    if (!s)
        return;
    mr_stream_stop(s);
    if (s->collects)
        pthread_join(s->collector, NULL);
    mr_predictor_close(s->predictor);
    for (uint64_t i = 0; s->image && i < s->capacity; i++)
        mr_stream_image_free(s->image[i]);
    for (uint64_t i = 0; s->result && i < s->capacity; i++)
        mr_result_free(s->result[i]);
    free(s->image);
    free(s->tag);
    free(s->result);
    free(s->output);
    free(s->class_names);
    mr_model_free(s->model);
    pthread_cond_destroy(&s->room);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->ready);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
