/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/conv_internal.h"

#include <string.h>

/* A block's pixels strung together: ROWS x COLUMNS an image (the input's, of one phase). */
struct lattice {
    int stride_h, stride_w; /* of the phases */
    int rows, columns;
    size_t pixels; /* of the gradient, in whole tiles */
    size_t length; /* of the input: what the last tap reads for the last pixel is there */
    size_t pitch;
};

static size_t whole_tiles(size_t pixels)
{
    return (pixels + MR_TILE_DEPTH - 1) / MR_TILE_DEPTH * MR_TILE_DEPTH;
}

static struct lattice lattice_of(const mr_cut *cut, int images, int rows, int columns)
{
    const mr_conv *d = &cut->d;
    struct lattice l = {.stride_h = cut->subsample ? 1 : d->stride_h,
                        .stride_w = cut->subsample ? 1 : d->stride_w};
    l.rows = mr_divide_up(mr_input_rows(cut, rows), l.stride_h);
    l.columns = mr_divide_up(mr_input_columns(cut, columns), l.stride_w);
    l.pixels = whole_tiles(((size_t)(images - 1) * (size_t)l.rows + (size_t)rows - 1) * (size_t)l.columns +
                           (size_t)columns);
    int down = (d->r - 1) * d->dilation_h / l.stride_h, right = (d->s - 1) * d->dilation_w / l.stride_w;
    l.length = whole_tiles(l.pixels + (size_t)down * (size_t)l.columns + (size_t)right);
    /* an odd number of cache lines: 16 rows of a tile then never fall into the same few sets of the L1 */
    l.pitch = l.length + (l.length / MR_TILE_DEPTH % 2 ? 0 : MR_TILE_DEPTH);
    return l;
}

void mr_mixed_weights_start(mr_mixed_weights *w, const mr_cut *cut)
{
    const mr_conv *d = &cut->d;
    struct lattice l = lattice_of(cut, cut->images, cut->rows, cut->columns);
    bool rows = d->c < MR_TILE_ROWS && d->s > 1 && d->dilation_w == 1 && d->s * d->c <= MR_TILE_DEPTH;
    int inner = rows ? d->s * d->c : d->c;
    *w = (mr_mixed_weights){.cut = cut,
                            .rows_of_kernel = rows,
                            .inner = (size_t)inner,
                            .c = mr_mixed_padded(inner),
                            .k = mr_mixed_padded(d->k)};
    w->rows = (size_t)d->r * (rows ? 1 : (size_t)d->s) * w->c;
    w->floats = (w->rows + MR_TILE_ROWS) * w->k;
    w->most_pixels = l.pixels;
    w->most_pitch = l.pitch;
}

void mr_mixed_weights_lay_out(const mr_mixed_weights *w, mr_layout *l, mr_mixed_weights_memory *m)
{
    m->shape = mr_layout_take(l, sizeof *m->shape);
    m->transposed = mr_layout_take(l, w->c * (w->most_pitch + MR_TILE_DEPTH) * sizeof(mr_bf16));
    m->interleaved = mr_layout_take(l, w->k * w->most_pixels * sizeof(mr_bf16));
    m->ones = mr_layout_take(l, w->most_pixels * sizeof(mr_bf16));
    m->x_at = mr_layout_take(l, w->most_pitch * sizeof(ptrdiff_t));
    m->g_at = mr_layout_take(l, w->most_pixels * sizeof(ptrdiff_t));
}

void mr_mixed_weights_forget(const mr_mixed_weights_memory *m)
{
    *m->shape = (mr_mixed_weights_shape){.images = -1};
}

/* Most blocks have the same shape, and their tables cost as much as transposing what they point at. Returns whether the
 * last one was. */
static bool same_tables(const mr_mixed_weights_memory *m, const mr_block *b, const mr_patch *x,
                        const mr_patch *g)
{
    mr_mixed_weights_shape s = {
        b->images, b->rows, b->columns, {x->image, x->row, x->column}, {g->image, g->row, g->column}};
    const mr_mixed_weights_shape *o = m->shape;
    bool same = s.images == o->images && s.rows == o->rows && s.columns == o->columns &&
                !memcmp(s.x, o->x, sizeof s.x) && !memcmp(s.g, o->g, sizeof s.g);
    *m->shape = s;
    return same;
}

static void find_gradient(const struct lattice *l, const mr_block *b, const mr_patch *g, ptrdiff_t *at)
{
    ptrdiff_t *begin = at;
    for (int i = 0; i < b->images; i++) {
        int rows = i + 1 < b->images ? l->rows : b->rows;
        for (int y = 0; y < rows; y++) {
            int columns = y < b->rows ? b->columns : 0;
            int all = i + 1 == b->images && y + 1 == b->rows ? columns : l->columns;
            for (int x = 0; x < columns; x++)
                *at++ = i * g->image + y * g->row + x * g->column;
            for (int x = columns; x < all; x++)
                *at++ = -1;
        }
    }
    while ((size_t)(at - begin) < l->pixels)
        *at++ = -1;
}

/* The pixels of phase (ROW, COLUMN). Those beyond the patch meet zeros: any valid number will do. */
static void find_input(const mr_cut *cut, const struct lattice *l, const mr_block *b, const mr_patch *x,
                       int row, int column, ptrdiff_t *at)
{
    ptrdiff_t *begin = at, *end = at + l->length;
    int rows = mr_input_rows(cut, b->rows), columns = mr_input_columns(cut, b->columns);
    for (int i = 0; i < b->images; i++)
        for (int y = 0; y < l->rows; y++)
            for (int z = 0; z < l->columns && at < end; z++) {
                int h = y * l->stride_h + row, w = z * l->stride_w + column;
                *at++ = h < rows && w < columns ? i * x->image + h * x->row + w * x->column : 0;
            }
    while ((size_t)(at - begin) < l->length)
        *at++ = 0;
}

static size_t width_of(const mr_mixed_weights *w, size_t k)
{
    return w->k - k < MR_STAGE ? w->k - k : MR_STAGE;
}

/* The taps of one phase. */
static void add_phase(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const struct lattice *l,
                      int row, int column, float *sums, bool add)
{
    static const ptrdiff_t no_offset = 0;
    const mr_conv *d = &w->cut->d;
    const int across = w->rows_of_kernel ? 1 : d->s;
    struct mr_mixed_tile t = {.run = &no_offset, .runs = 1, .steps = l->pixels / MR_TILE_DEPTH, .add = add};
    t.a_step = (ptrdiff_t)l->pitch;
    for (size_t k = 0; k < w->k; k += MR_STAGE) {
        t.w = m->interleaved + k * l->pixels;
        t.channel_tiles = (int)(width_of(w, k) / MR_TILE_ROWS);
        t.stage_step = (ptrdiff_t)width_of(w, k);
        for (int r = 0; r < d->r; r++)
            for (int s = 0; s < across; s++) {
                int down = r * d->dilation_h, right = s * d->dilation_w;
                if (down % l->stride_h != row || right % l->stride_w != column)
                    continue;
                const mr_bf16 *from = m->transposed + down / l->stride_h * l->columns + right / l->stride_w;
                float *to = sums + w->rows * k + (size_t)(r * across + s) * w->c * (size_t)t.stage_step;
                for (size_t c = 0; c < w->c; c += MR_STAGE) {
                    t.a = from + c * l->pitch;
                    t.stage = to + c * (size_t)t.stage_step;
                    t.pixel_tiles = w->c - c > MR_TILE_ROWS ? 2 : 1;
                    mr_mixed_kernels()->tile(&t);
                }
            }
    }
}

static bool phase_is_met(int kernel, int dilation, int stride, int phase)
{
    for (int i = 0; i < kernel; i++)
        if (i * dilation % stride == phase)
            return true;
    return false;
}

static void add_taps(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const struct lattice *l,
                     const mr_block *b, const mr_patch *x, float *sums, bool add, bool same)
{
    const mr_conv *d = &w->cut->d;
    const int phases = w->rows_of_kernel ? 1 : l->stride_w;
    for (int row = 0; row < l->stride_h; row++)
        for (int column = 0; column < phases; column++) {
            if (!phase_is_met(d->r, d->dilation_h, l->stride_h, row) ||
                !phase_is_met(d->s, d->dilation_w, l->stride_w, column))
                continue;
            if (!same || l->stride_h * l->stride_w > 1) /* phases share a table */
                find_input(w->cut, l, b, x, row, column, m->x_at);
            for (size_t c = 0; c < w->c; c += MR_TILE_ROWS)
                mr_mixed_kernels()->transpose((const mr_bf16 *)x->at.at + c, m->x_at, l->length,
                                              mr_at_most(MR_TILE_ROWS, (int)(w->inner - c)),
                                              m->transposed + c * l->pitch, l->pitch);
            add_phase(w, m, l, row, column, sums, add);
        }
}

/* The gradient's own sums: as if a channel of the input were 1 everywhere. */
static void add_bias(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const struct lattice *l,
                     float *sums, bool add)
{
    static const ptrdiff_t no_offset = 0;
    for (size_t i = 0; i < l->pixels; i++)
        m->ones[i] = mr_to_bf16(1);
    for (size_t k = 0; k < w->k; k += MR_STAGE) {
        struct mr_mixed_tile t = {.a = m->ones,
                                  .run = &no_offset,
                                  .runs = 1,
                                  .steps = l->pixels / MR_TILE_DEPTH,
                                  .w = m->interleaved + k * l->pixels,
                                  .pixel_tiles = 1,
                                  .channel_tiles = (int)(width_of(w, k) / MR_TILE_ROWS),
                                  .stage = sums + w->rows * w->k + k * MR_TILE_ROWS,
                                  .stage_step = (ptrdiff_t)width_of(w, k),
                                  .add = add};
        mr_mixed_kernels()->tile(&t);
    }
}

void mr_mixed_weights_add(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const mr_block *b,
                          const mr_patch *x, const mr_patch *g, float *sums, bool add, bool dw, bool bias)
{
    struct lattice l = lattice_of(w->cut, b->images, b->rows, b->columns);
    bool same = same_tables(m, b, x, g);
    if (!same)
        find_gradient(&l, b, g, m->g_at);
    for (size_t k = 0; k < w->k; k += MR_STAGE)
        mr_mixed_kernels()->interleave((const mr_bf16 *)g->at.at + k, m->g_at, l.pixels,
                                       mr_at_most(MR_STAGE, w->cut->d.k - (int)k),
                                       m->interleaved + k * l.pixels);
    if (dw)
        add_taps(w, m, &l, b, x, sums, add, same);
    if (bias)
        add_bias(w, m, &l, sums, add);
}

/* ---- all tasks */

struct reduce {
    const mr_mixed_weights *w;
    const float *task_sums;
    float *dw;
};

static void reduce_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct reduce *r = argument;
    const mr_mixed_weights *w = r->w;
    size_t k_all = (size_t)w->cut->d.k;
    for (size_t row = first; row < end; row++)
        for (size_t k = 0; k < k_all; k += MR_STAGE) {
            size_t at = w->rows * k + (row / w->inner * w->c + row % w->inner) * width_of(w, k);
            size_t inside = k_all - k < MR_STAGE ? k_all - k : MR_STAGE;
            mr_kernels()->add_parts(r->task_sums + at, w->floats, w->cut->tasks, inside,
                                    r->dw + row * k_all + k);
        }
}

void mr_mixed_weights_reduce(const mr_mixed_weights *w, mr_team *team, const float *task_sums, float *dw,
                             float *dbias)
{
    const mr_conv *d = &w->cut->d;
    struct reduce r = {w, task_sums, dw};
    if (dw)
        mr_team_ranges(team, (size_t)d->r * (size_t)d->s * (size_t)d->c, 16, reduce_rows, &r);
    for (int k = 0; dbias && k < d->k; k += MR_STAGE)
        mr_kernels()->add_parts(task_sums + w->rows * w->k + (size_t)k * MR_TILE_ROWS, w->floats,
                                w->cut->tasks, (size_t)mr_at_most(MR_STAGE, d->k - k), dbias + k);
}
