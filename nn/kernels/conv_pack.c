/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in the order in which the tiles read them. In float32: for each tile of channels, for each run, for
 * each number of the run, the tile's channels side by side, filled up with zeros to whole vectors. In bf16:
 * the tiles of struct mr_mixed_tile. Backward by data goes class by class. */
#include "nn/kernels/conv_internal.h"

#include <string.h>

void mr_find_class(const mr_conv *d, int a, int b, mr_class *class)
{
    class->a = a;
    class->b = b;
    class->taps = 0;
    int columns = 0;
    for (int r = d->r - 1; r >= 0; r--) {
        if (r * d->dilation_h % d->stride_h != a)
            continue;
        columns = 0;
        for (int s = d->s - 1; s >= 0; s--) {
            if (s * d->dilation_w % d->stride_w != b)
                continue;
            class->r[class->taps] = r;
            class->s[class->taps] = s;
            class->row[class->taps] = (a - r * d->dilation_h) / d->stride_h;
            class->column[class->taps++] = (b - s * d->dilation_w) / d->stride_w;
            columns++;
        }
    }
    bool side_by_side = columns > 1 && class->column[1] == class->column[0] + 1;
    class->per_run = side_by_side ? columns : 1;
}

/* ---- float32 */

/* WIDTH columns from column FIRST on of the matrix [depth][k]; columns beyond k are zero. */
static void pack_columns(const float *w, const float *scale, size_t depth, int k, int first, int width,
                         float *out)
{
    int inside = mr_at_most(width, k - first);
    for (size_t i = 0; i < depth; i++, out += width) {
        memcpy(out, w + i * (size_t)k + first, (size_t)inside * sizeof *out);
        for (int j = 0; scale && j < inside; j++)
            out[j] *= scale[first + j];
        memset(out + inside, 0, (size_t)(width - inside) * sizeof *out);
    }
}

static void pack_floats(const mr_conv *d, const float *w, const float *scale, float *packed)
{
    const struct mr_kernel_table *t = mr_kernels();
    size_t depth = (size_t)d->r * (size_t)d->s * (size_t)d->c;
    int left = (int)(mr_padded(t, d->k) / (size_t)t->lanes), first = 0;
    while (left > 0) {
        const struct mr_tile_family *f = mr_choose_family(t, left, depth);
        pack_columns(w, scale, depth, d->k, first, f->vectors * t->lanes, packed);
        packed += depth * (size_t)(f->vectors * t->lanes);
        first += f->vectors * t->lanes;
        left -= f->vectors;
    }
}

/* Transposes w[r][s][first … first+width][k] into [k][width]. */
static void pack_tap(const mr_conv *d, const float *w, int first, int width, float *out)
{
    int inside = mr_at_most(width, d->c - first);
    for (int k = 0; k < d->k; k++, out += width) {
        for (int i = 0; i < inside; i++)
            out[i] = w[(size_t)(first + i) * (size_t)d->k + (size_t)k];
        memset(out + inside, 0, (size_t)(width - inside) * sizeof *out);
    }
}

static float *pack_float_class(const mr_conv *d, const struct mr_kernel_table *t, const mr_class *class,
                               const float *w, float *packed)
{
    size_t depth = (size_t)d->r * (size_t)d->s * (size_t)d->k;
    int left = (int)(mr_padded(t, d->c) / (size_t)t->lanes), first = 0;
    while (left > 0) {
        const struct mr_tile_family *f = mr_choose_family(t, left, depth);
        int width = f->vectors * t->lanes;
        for (int i = 0; i < class->taps; i++) {
            const float *tap = w + ((size_t) class->r[i] * (size_t)d->s + (size_t) class->s[i]) *
                                       (size_t)d->c * (size_t)d->k;
            pack_tap(d, tap, first, width, packed);
            packed += (size_t)d->k * (size_t)width;
        }
        first += width;
        left -= f->vectors;
    }
    return packed;
}

/* ---- mixed precision */

/* A matrix [runs][length][columns] as tiles. Its number (run, l, column) lies at W + tap[run*per_run + l /
 * inner] + l % inner * down + column * right: a run is PER_RUN stretches of INNER numbers. */
struct pack_tiles {
    const float *w, *scale;
    mr_bf16 *packed;
    size_t runs, length, inner, per_run;
    const ptrdiff_t *tap;
    ptrdiff_t down, right;
    int columns, tiles;
};

static size_t numbers_of(size_t runs, size_t length, int columns)
{
    return runs * mr_mixed_steps(length) * MR_TILE_DEPTH * mr_mixed_padded(columns);
}

static uint32_t pair_of(float even, float odd)
{
    return (uint32_t)mr_to_bf16(even) | (uint32_t)mr_to_bf16(odd) << 16;
}

/* The usual case, in loops that compilers make vectors of: all 32 numbers and 16 columns there, and either
 * the columns (RIGHT 1) or the numbers (DOWN 1) side by side. W is the tile's first number. */
static void pack_whole_tile(const struct pack_tiles *p, const float *w, mr_bf16 *out)
{
    for (int l = 0; l < MR_TILE_DEPTH && p->right == 1; l += 2) {
        const float *even = w + l * p->down, *odd = even + p->down;
        uint32_t pairs[MR_TILE_ROWS];
        for (int i = 0; i < MR_TILE_ROWS; i++)
            pairs[i] = pair_of(even[i], odd[i]);
        memcpy(out + l * MR_TILE_ROWS, pairs, sizeof pairs);
    }
    for (int i = 0; i < MR_TILE_ROWS && p->right != 1; i++) {
        const float *column = w + i * p->right;
        for (int l = 0; l < MR_TILE_DEPTH; l += 2) {
            uint32_t pair = pair_of(column[l], column[l + 1]);
            memcpy(out + l * MR_TILE_ROWS + 2 * i, &pair, sizeof pair);
        }
    }
}

/* 32 numbers of RUN from FIRST on, 16 columns from K0 on. */
static void pack_tile(const struct pack_tiles *p, size_t run, size_t first, int k0, mr_bf16 *out)
{
    int inside = mr_at_most(MR_TILE_ROWS, p->columns - k0);
    bool side_by_side = p->right == 1 || p->down == 1;
    if (side_by_side && !p->scale && inside == MR_TILE_ROWS && first % p->inner + MR_TILE_DEPTH <= p->inner) {
        pack_whole_tile(p,
                        p->w + p->tap[run * p->per_run + first / p->inner] +
                            (ptrdiff_t)(first % p->inner) * p->down + k0 * p->right,
                        out);
        return;
    }
    memset(out, 0, MR_TILE_NUMBERS * sizeof *out);
    for (size_t l = 0; l < MR_TILE_DEPTH && first + l < p->length; l++) {
        size_t number = first + l;
        const float *row = p->w + p->tap[run * p->per_run + number / p->inner] +
                           (ptrdiff_t)(number % p->inner) * p->down + k0 * p->right;
        mr_bf16 *to = out + l / 2 * MR_TILE_DEPTH + l % 2;
        for (int i = 0; i < inside; i++)
            to[2 * i] = mr_to_bf16(p->scale ? row[i * p->right] * p->scale[k0 + i] : row[i * p->right]);
    }
}

/* One tile of columns: those of a stage lie side by side. */
static void pack_tile_columns(void *argument, int tile, int thread)
{
    (void)thread;
    const struct pack_tiles *p = argument;
    size_t steps = mr_mixed_steps(p->length), stage = (size_t)(tile / 2);
    size_t beside = (size_t)mr_at_most(2, p->tiles - tile / 2 * 2);
    mr_bf16 *out = p->packed + (stage * 2 * p->runs * steps + (size_t)(tile % 2)) * MR_TILE_NUMBERS;
    for (size_t r = 0; r < p->runs; r++)
        for (size_t step = 0; step < steps; step++, out += beside * MR_TILE_NUMBERS)
            pack_tile(p, r, step * MR_TILE_DEPTH, tile * MR_TILE_ROWS, out);
}

static void pack_halves(const mr_conv *d, mr_team *team, const float *w, const float *scale, mr_bf16 *packed)
{
    ptrdiff_t run[MR_CONV_MOST_TAPS];
    size_t length = mr_input_run_length(d);
    struct pack_tiles p = {.w = w,
                           .scale = scale,
                           .packed = packed,
                           .runs = mr_input_run_count(d),
                           .length = length,
                           .inner = length,
                           .per_run = 1,
                           .tap = run,
                           .down = d->k,
                           .right = 1,
                           .columns = d->k,
                           .tiles = (int)(mr_mixed_padded(d->k) / MR_TILE_ROWS)};
    for (size_t i = 0; i < p.runs; i++)
        run[i] = (ptrdiff_t)(i * length) * d->k;
    mr_team_run(team, p.tiles, pack_tile_columns, &p);
}

size_t mr_mixed_packed_class(const mr_conv *d, const mr_class *class)
{
    size_t runs = class->taps ? (size_t)(class->taps / class->per_run) : 0;
    return numbers_of(runs, (size_t) class->per_run * (size_t)d->k, d->c);
}

static void pack_half_class(const mr_conv *d, mr_team *team, const mr_class *class, const float *w,
                            mr_bf16 *packed)
{
    ptrdiff_t tap[MR_CONV_MOST_TAPS];
    for (int i = 0; i < class->taps; i++)
        tap[i] = ((ptrdiff_t) class->r[i] * d->s + class->s[i]) * d->c * d->k;
    struct pack_tiles p = {.w = w,
                           .packed = packed,
                           .runs = (size_t)(class->taps / class->per_run),
                           .length = (size_t) class->per_run * (size_t)d->k,
                           .inner = (size_t)d->k,
                           .per_run = (size_t) class->per_run,
                           .tap = tap,
                           .down = 1,
                           .right = d->k,
                           .columns = d->c,
                           .tiles = (int)(mr_mixed_padded(d->c) / MR_TILE_ROWS)};
    mr_team_run(team, p.tiles, pack_tile_columns, &p);
}

/* ---- both */

size_t mr_conv_packed(const mr_conv *d)
{
    if (d->half)
        return numbers_of(mr_input_run_count(d), mr_input_run_length(d), d->k) * sizeof(mr_bf16);
    return (size_t)d->r * (size_t)d->s * (size_t)d->c * mr_padded(mr_kernels(), d->k) * sizeof(float);
}

void mr_conv_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, void *packed)
{
    if (d->half)
        pack_halves(d, team, w, scale, packed);
    else
        pack_floats(d, w, scale, packed);
}

size_t mr_conv_packed_backward(const mr_conv *d)
{
    mr_class class;
    size_t numbers = 0;
    if (!d->half)
        return (size_t)d->r * (size_t)d->s * (size_t)d->k * mr_padded(mr_kernels(), d->c) * sizeof(float);
    for (int a = 0; a < d->stride_h; a++)
        for (int b = 0; b < d->stride_w; b++) {
            mr_find_class(d, a, b, &class);
            numbers += mr_mixed_packed_class(d, &class);
        }
    return numbers * sizeof(mr_bf16);
}

void mr_conv_pack_backward(const mr_conv *d, mr_team *team, const float *w, void *packed)
{
    mr_class class;
    float *floats = packed;
    mr_bf16 *halves = packed;
    for (int a = 0; a < d->stride_h; a++)
        for (int b = 0; b < d->stride_w; b++) {
            mr_find_class(d, a, b, &class);
            if (!d->half)
                floats = pack_float_class(d, mr_kernels(), &class, w, floats);
            else if (class.taps) {
                pack_half_class(d, team, &class, w, halves);
                halves += mr_mixed_packed_class(d, &class);
            }
        }
}
