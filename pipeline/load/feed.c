/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/load/feed.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

struct mr_feed {
    /* folders */
    mr_epoch_source *source;
    mr_loader *loader;
    /* arrays */
    const mr_array *x, *y;
    int inputs, batch_size;
    double rescale, offset;
    mr_feed_order order;
    uint32_t epoch, *permutation;
    size_t count, position;
    float *row[MR_MAX_INPUTS], *target;
    int32_t *label;
    bool labels; /* y holds class indices */
};

/* --- folders ------------------------------------------------------------------ */

int mr_feed_folder(mr_feed **out, const mr_dataset *set, const mr_loader_options *options,
                   mr_feed_order order, mr_error *e)
{
    *out = NULL;
    mr_feed *f = calloc(1, sizeof *f);
    if (!f)
        return mr_no_memory(e, "the pipeline");
    mr_loader_options own = *options;
    own.batch_size = (int)mr_shard_share(order.shard, (size_t)options->batch_size);
    int status = mr_epoch_source_create(&f->source, set, order.seed, order.shuffle, order.first_epoch,
                                        order.last_epoch, order.start_sample, e);
    if (!status) {
        mr_epoch_source_shard(f->source, order.shard, options->batch_size);
        status = mr_loader_open(&f->loader, mr_epoch_source_face(f->source), &own, e);
    }
    if (status) {
        mr_feed_close(f);
        return status;
    }
    *out = f;
    return 0;
}

static int next_loaded(mr_feed *f, mr_examples *out, mr_error *e)
{
    mr_batch *b;
    int status = mr_loader_next(f->loader, &b, e);
    if (status <= 0)
        return status;
    *out = (mr_examples){.count = b->count,
                         .inputs = 1,
                         .x = {b->x},
                         .labels = b->labels,
                         .last_of_epoch = b->last_of_epoch,
                         .epoch = b->epoch,
                         .taken = b->results,
                         .batch = b};
    return 1;
}

/* --- arrays ------------------------------------------------------------------- */

static size_t row_size(const mr_array *a)
{
    return mr_shape_sample(&a->shape);
}

static int check_arrays(const mr_array *x, int inputs, const mr_array *y, mr_error *e)
{
    for (int i = 1; i < inputs; i++)
        if (x[i].shape.dim[0] != x[0].shape.dim[0])
            return mr_fail(e, MR_EINVAL, "arrays: input_%d has %lld samples, input_0 has %lld", i,
                           (long long)x[i].shape.dim[0], (long long)x[0].shape.dim[0]);
    if (y && y->shape.dim[0] != x[0].shape.dim[0])
        return mr_fail(e, MR_EINVAL, "arrays: y has %lld samples, x has %lld", (long long)y->shape.dim[0],
                       (long long)x[0].shape.dim[0]);
    if (x[0].shape.dim[0] > UINT32_MAX)
        return mr_fail(e, MR_ELIMIT, "arrays: more than 2^32 samples");
    return 0;
}

/* Class indices may stand as numbers of any kind: whole and not negative. */
static bool whole_numbers(const mr_array *y)
{
    for (size_t i = 0; !y->bytes && i < mr_shape_count(&y->shape); i++)
        if (!(y->f32[i] >= 0 && y->f32[i] <= 1e6f && y->f32[i] == (float)(int32_t)y->f32[i]))
            return false;
    return true;
}

static int allocate_rows(mr_feed *f, mr_error *e)
{
    bool missing = false;
    for (int i = 0; i < f->inputs; i++)
        missing |= !(f->row[i] = malloc(((size_t)f->batch_size * row_size(&f->x[i]) + 1) * sizeof(float)));
    f->permutation = malloc((f->count + 1) * sizeof *f->permutation);
    f->label = malloc(((size_t)f->batch_size + 1) * sizeof *f->label);
    f->target = malloc(((size_t)f->batch_size * (f->y ? row_size(f->y) : 1) + 1) * sizeof *f->target);
    return missing || !f->permutation || !f->label || !f->target
               ? mr_no_memory(e, "a batch")
               : 0;
}

static void order_epoch(mr_feed *f)
{
    if (f->order.shuffle)
        mr_philox_permutation(f->permutation, (uint32_t)f->count, f->order.seed, MR_DRAW_SHUFFLE, f->epoch);
    else
        for (size_t i = 0; i < f->count; i++)
            f->permutation[i] = (uint32_t)i;
}

int mr_feed_arrays(mr_feed **out, const mr_array *x, int inputs, const mr_array *y, int batch_size,
                   double rescale, double offset, mr_feed_order order, mr_error *e)
{
    *out = NULL;
    int status = check_arrays(x, inputs, y, e);
    if (status)
        return status;
    mr_feed *f = calloc(1, sizeof *f);
    if (!f)
        return mr_no_memory(e, "the pipeline");
    f->x = x;
    f->y = y;
    f->inputs = inputs;
    f->batch_size = batch_size;
    f->rescale = rescale;
    f->offset = offset;
    f->order = order;
    f->epoch = order.first_epoch;
    f->count = (size_t)x[0].shape.dim[0];
    f->position = order.start_sample < f->count ? order.start_sample : f->count;
    f->labels = y && row_size(y) == 1 && whole_numbers(y);
    status = allocate_rows(f, e);
    if (status) {
        mr_feed_close(f);
        return status;
    }
    order_epoch(f);
    *out = f;
    return 0;
}

/* In double, rounded once: so 1/255 gives what a division by 255 gives, as array programs have it. */
static void copy_row(const mr_array *a, size_t from, float *to, double rescale, double offset)
{
    size_t n = row_size(a);
    if (!a->bytes)
        memcpy(to, a->f32 + from * n, n * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = (float)((double)a->u8[from * n + i] * rescale + offset);
}

/* Samples of the batch that begins at the position, all shards' together. */
static size_t batch_here(const mr_feed *f)
{
    size_t rest = f->count - f->position;
    return rest < (size_t)f->batch_size ? rest : (size_t)f->batch_size;
}

/* To the next batch of which some is ours; false at the end. */
static bool find_batch(mr_feed *f)
{
    while (f->epoch < f->order.last_epoch && f->count) {
        if (f->position < f->count && mr_shard_share(f->order.shard, batch_here(f)))
            return true;
        f->position = 0; /* an epoch's last batch may be too small for all */
        if (++f->epoch < f->order.last_epoch)
            order_epoch(f);
    }
    return false;
}

static int next_rows(mr_feed *f, mr_examples *out)
{
    if (!find_batch(f))
        return 0;
    size_t whole = batch_here(f), n = mr_shard_share(f->order.shard, whole), stride = whole > n ? (size_t)f->order.shard.count : 1;
    size_t first = f->position + (stride > 1 ? (size_t)f->order.shard.rank : 0);
    for (size_t r = 0; r < n; r++) {
        size_t from = f->permutation[first + r * stride];
        for (int i = 0; i < f->inputs; i++)
            copy_row(&f->x[i], from, f->row[i] + r * row_size(&f->x[i]), f->rescale, f->offset);
        if (f->y)
            copy_row(f->y, from, f->target + r * row_size(f->y), 1, 0);
        f->label[r] = f->labels ? (int32_t)f->target[r] : -1;
    }
    f->position += whole;
    *out = (mr_examples){.count = (int)n,
                         .inputs = f->inputs,
                         .labels = f->labels ? f->label : NULL,
                         .targets = f->y && !f->labels ? f->target : NULL,
                         .target_width = f->y ? (int)row_size(f->y) : 0,
                         .last_of_epoch = f->position >= f->count,
                         .epoch = f->epoch,
                         .taken = (int)n};
    for (int i = 0; i < f->inputs; i++)
        out->x[i] = f->row[i];
    return 1;
}

/* --- both --------------------------------------------------------------------- */

int mr_feed_next(mr_feed *f, mr_examples *out, mr_error *e)
{
    return f->loader ? next_loaded(f, out, e) : next_rows(f, out);
}

void mr_feed_release(mr_feed *f, mr_examples *examples)
{
    if (examples->batch)
        mr_loader_release(f->loader, examples->batch);
    examples->batch = NULL;
}

void mr_feed_close(mr_feed *f)
{
    if (!f)
        return;
    mr_loader_close(f->loader);
    mr_epoch_source_free(f->source);
    for (int i = 0; i < MR_MAX_INPUTS; i++)
        free(f->row[i]);
    free(f->permutation);
    free(f->label);
    free(f->target);
    free(f);
}

int mr_feed_stats(const mr_feed *f, mr_stage_stats *out, int max)
{
    return f->loader ? mr_loader_stats(f->loader, out, max) : 0;
}

const char *mr_feed_reader_kind(const mr_feed *f)
{
    return f->loader ? mr_loader_reader_kind(f->loader) : NULL;
}
