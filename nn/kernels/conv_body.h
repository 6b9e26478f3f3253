/* SPDX-License-Identifier: Apache-2.0 */
/* Register tiles of convolutions, for the vector of simd.h. Included once by each table_*.c.
 *
 * Why these shapes: a vector of pixels' channels times a vector of weights needs one broadcast load and V
 * weight loads for M*V multiply-adds; M*V accumulators (at least latency 4 x 2 units = 8 of them) fill the
 * register file. Input pixels are found through a table of pointers: they may lie anywhere (rows, strides,
 * several images), and the table costs one more load per pixel and step, on a port that would be idle. */
#ifndef MR_NN_KERNELS_CONV_BODY_H
#define MR_NN_KERNELS_CONV_BODY_H

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

enum { MOST_ACCUMULATORS = 32 };

MR_INLINE vec load_last(const float *p, int j, int v, part last)
{
    return j == v - 1 ? v_load_part(p, last) : v_load(p);
}

MR_INLINE void store_last(float *p, vec a, int j, int v, part last)
{
    if (j == v - 1)
        v_store_part(p, a, last);
    else
        v_store(p, a);
}

/* One number of the run for every pixel and channel. */
MR_INLINE void tile_step(const int m, const int v, const float *const *in, ptrdiff_t o, const float *w,
                         vec *acc)
{
    vec b[4];
    MR_UNROLL
    for (int j = 0; j < v; j++)
        b[j] = v_load(w + j * LANES);
    MR_UNROLL
    for (int i = 0; i < m; i++) {
        vec a = v_set(in[i][o]);
        MR_UNROLL
        for (int j = 0; j < v; j++)
            acc[i * v + j] = v_fma(a, b[j], acc[i * v + j]);
    }
}

/* Two numbers a turn: the loop's own few instructions would else take issue slots of the multiply-adds (8% at
 * M*V of 24, measured); four gain nothing more. */
MR_INLINE void tile_multiply(const int m, const int v, const struct mr_tile *t, vec *acc)
{
    const float *const *in = t->in;
    const float *w = t->w;
    const char *ahead = t->ahead;
    const ptrdiff_t length = (ptrdiff_t)t->length;
    for (size_t r = 0; r < t->runs; r++) {
        ptrdiff_t o = t->run[r];
        const ptrdiff_t end = o + length;
        for (; o + 2 <= end; o += 2, w += 2 * v * LANES, ahead += t->ahead_step) {
            prefetch_block(ahead);
            MR_UNROLL
            for (int u = 0; u < 2; u++)
                tile_step(m, v, in, o + u, w + u * v * LANES, acc);
        }
        for (; o < end; o++, w += v * LANES)
            tile_step(m, v, in, o, w, acc);
    }
}

/* The same for one vector of channels, four steps at a time: then a pixel's pointer is read once for four
 * loads, where loads (one for each multiply-add) are what limits. */
MR_INLINE void tile_multiply_narrow(const int m, const struct mr_tile *t, vec *acc)
{
    const float *const *in = t->in;
    const float *w = t->w;
    const char *ahead = t->ahead;
    const ptrdiff_t length = (ptrdiff_t)t->length;
    for (size_t r = 0; r < t->runs; r++) {
        ptrdiff_t o = t->run[r];
        const ptrdiff_t end = o + length;
        for (; o + 4 <= end; o += 4, w += 4 * LANES, ahead += 2 * t->ahead_step) {
            prefetch_block(ahead);
            prefetch_block(ahead + t->ahead_step);
            vec b[4];
            MR_UNROLL
            for (int l = 0; l < 4; l++)
                b[l] = v_load(w + l * LANES);
            MR_UNROLL
            for (int i = 0; i < m; i++) {
                const float *p = in[i] + o;
                MR_UNROLL
                for (int l = 0; l < 4; l++)
                    acc[i] = v_fma(v_set(p[l]), b[l], acc[i]);
            }
        }
        for (; o < end; o++, w += LANES) {
            vec b = v_load(w);
            MR_UNROLL
            for (int i = 0; i < m; i++)
                acc[i] = v_fma(v_set(in[i][o]), b, acc[i]);
        }
    }
}

/* Zero where the activation in front of this convolution let nothing through; its input is recomputed from
 * the raw X. */
MR_INLINE void tile_mask(const int m, const int v, const struct mr_tile *t, part last, vec *acc)
{
    const vec low = v_set(t->low), high = v_set(t->high);
    MR_UNROLL
    for (int j = 0; j < v; j++) {
        const vec scale = load_last(t->scale + j * LANES, j, v, last),
                  shift = load_last(t->shift + j * LANES, j, v, last);
        MR_UNROLL
        for (int i = 0; i < m; i++) {
            vec x = load_last(t->x + t->out[i] + j * LANES, j, v, last);
            acc[i * v + j] = v_inside(v_fma(scale, x, shift), low, high, acc[i * v + j]);
        }
    }
}

MR_INLINE void tile_sums(const int m, const int v, const struct mr_tile *t, part last, const vec *acc)
{
    MR_UNROLL
    for (int j = 0; j < v; j++) {
        vec sum = v_load(t->sums + j * LANES), product = v_load(t->products + j * LANES);
        if (t->x) {
            const vec mean = load_last(t->mean + j * LANES, j, v, last);
            MR_UNROLL
            for (int i = 0; i < m; i++) {
                vec x = load_last(t->x + t->out[i] + j * LANES, j, v, last);
                sum = v_add(sum, acc[i * v + j]);
                product = v_fma(acc[i * v + j], v_sub(x, mean), product);
            }
        } else {
            MR_UNROLL
            for (int i = 0; i < m; i++) {
                sum = v_add(sum, acc[i * v + j]);
                product = v_fma(acc[i * v + j], acc[i * v + j], product);
            }
        }
        v_store(t->sums + j * LANES, sum);
        v_store(t->products + j * LANES, product);
    }
}

MR_INLINE void tile_finish(const int m, const int v, const struct mr_tile *t, vec *acc)
{
    const part last = v_part(t->last);
    if (t->bias) {
        MR_UNROLL
        for (int j = 0; j < v; j++) {
            vec bias = load_last(t->bias + j * LANES, j, v, last);
            MR_UNROLL
            for (int i = 0; i < m; i++)
                acc[i * v + j] = v_add(acc[i * v + j], bias);
        }
    }
    if (t->add) {
        MR_UNROLL
        for (int k = 0; k < m * v; k++)
            acc[k] = v_add(acc[k], load_last(t->add + t->out[k / v] + k % v * LANES, k % v, v, last));
    }
    if (t->scale)
        tile_mask(m, v, t, last, acc);
    else if (t->low > -INFINITY || t->high < INFINITY) {
        const vec low = v_set(t->low), high = v_set(t->high);
        MR_UNROLL
        for (int k = 0; k < m * v; k++)
            acc[k] = v_clamp(acc[k], low, high);
    }
    MR_UNROLL
    for (int k = 0; k < m * v; k++)
        store_last(t->y + t->out[k / v] + k % v * LANES, acc[k], k % v, v, last);
    if (t->sums)
        tile_sums(m, v, t, last, acc);
}

/* The next tile's outputs: stores that miss the L1 cache drain slower than short sums produce them. And into
 * the L2 those of some tiles later: one tile is too short for what lies farther away. */
MR_INLINE void tile_prefetch(const int m, const int v, const struct mr_tile *t)
{
    enum { FAR = 1024 };
    MR_UNROLL
    for (int k = 0; k < m * v; k++) {
        const ptrdiff_t next = t->out[m + k / v] + k % v * LANES;
        prefetch_write(t->y + next);
        prefetch_block(t->y + next + FAR);
    }
    if (t->add) {
        MR_UNROLL
        for (int k = 0; k < m * v; k++) {
            const ptrdiff_t next = t->out[m + k / v] + k % v * LANES;
            prefetch_read(t->add + next);
            prefetch_block(t->add + next + FAR);
        }
    }
}

MR_INLINE void tile(const int m, const int v, const struct mr_tile *t)
{
    vec acc[MOST_ACCUMULATORS];
    MR_UNROLL
    for (int k = 0; k < m * v; k++)
        acc[k] = v_zero();
    tile_prefetch(m, v, t);
    if (v == 1)
        tile_multiply_narrow(m, t, acc);
    else
        tile_multiply(m, v, t, acc);
    tile_finish(m, v, t, acc);
}

MR_INLINE void weight_step(const int m, const int v, const float *x, const float *dy, vec *acc)
{
    vec b[4];
    MR_UNROLL
    for (int j = 0; j < v; j++)
        b[j] = v_load(dy + j * LANES);
    MR_UNROLL
    for (int i = 0; i < m; i++) {
        vec a = v_set(x[i]);
        MR_UNROLL
        for (int j = 0; j < v; j++)
            acc[i * v + j] = v_fma(a, b[j], acc[i * v + j]);
    }
}

/* Pixels in the inner loop, sums in registers: x is broadcast, M neighbours of one pixel; dy is read as
 * vectors. */
MR_INLINE void weight_tile(const int m, const int v, const struct mr_weight_tile *t)
{
    vec acc[MOST_ACCUMULATORS];
    const char *ahead = t->ahead;
    MR_UNROLL
    for (int k = 0; k < m * v; k++)
        acc[k] = v_zero();
    for (size_t row = 0; row < t->rows; row++) {
        const float *x = t->x + (ptrdiff_t)row * t->x_row, *dy = t->dy + (ptrdiff_t)row * t->dy_row;
        size_t column = 0;
        for (; column + 2 <= t->columns;
             column += 2, x += 2 * t->x_step, dy += 2 * t->dy_step, ahead += t->ahead_step) {
            prefetch_block(ahead);
            weight_step(m, v, x, dy, acc);
            weight_step(m, v, x + t->x_step, dy + t->dy_step, acc);
        }
        if (column < t->columns)
            weight_step(m, v, x, dy, acc);
    }
    MR_UNROLL
    for (int k = 0; k < m * v; k++) {
        float *out = t->out + (size_t)(k / v) * t->out_step + k % v * LANES;
        v_store(out, t->add ? v_add(v_load(out), acc[k]) : acc[k]);
    }
}

#define MR_TILE(v, m)                                                                                        \
    static void tile_##v##_##m(const struct mr_tile *t)                                                      \
    {                                                                                                        \
        tile(m, v, t);                                                                                       \
    }                                                                                                        \
    static void weight_##v##_##m(const struct mr_weight_tile *t)                                             \
    {                                                                                                        \
        weight_tile(m, v, t);                                                                                \
    }

/* Up to four vectors of channels of every pixel: their factors stay in registers. */
MR_INLINE void load_group(const struct mr_channel_affine *f, const int v, part last, const float *x, size_t x_step,
                          size_t pixels, size_t c, float *y)
{
    const vec low = v_set(f->low), high = v_set(f->high);
    vec scale[4], shift[4];
    MR_UNROLL
    for (int j = 0; j < v; j++) {
        scale[j] = load_last(f->scale + j * LANES, j, v, last);
        shift[j] = load_last(f->shift + j * LANES, j, v, last);
    }
    for (size_t i = 0; i < pixels; i++, x += x_step, y += c) {
        MR_UNROLL
        for (int j = 0; j < v; j++)
            store_last(y + j * LANES,
                       v_clamp(v_fma(scale[j], load_last(x + j * LANES, j, v, last), shift[j]), low, high), j,
                       v, last);
    }
}

static void load_plain(const struct mr_channel_affine *f, const float *x, size_t x_step, size_t pixels, size_t c,
                       float *y)
{
    const bool clamp = f->low > -INFINITY || f->high < INFINITY;
    if (x_step == c) { /* one long row */
        c *= pixels;
        pixels = 1;
    }
    for (size_t i = 0; i < pixels; i++, x += x_step, y += c) {
        if (!clamp) {
            memcpy(y, x, c * sizeof *y);
            continue;
        }
        const vec low = v_set(f->low), high = v_set(f->high);
        size_t k = 0;
        for (; k + LANES <= c; k += LANES)
            v_store(y + k, v_clamp(v_load(x + k), low, high));
        if (k < c)
            v_store_part(y + k, v_clamp(v_load_part(x + k, v_part(c - k)), low, high), v_part(c - k));
    }
}

static void load(const struct mr_channel_affine *f, mr_numbers from, size_t x_step, size_t pixels, size_t c,
                 mr_numbers to)
{
    const float *x = from.at;
    float *y = to.at;
    if (!f->scale) {
        load_plain(f, x, x_step, pixels, c, y);
        return;
    }
    struct mr_channel_affine g = *f;
    const part all = v_part(LANES);
    size_t k = 0;
    for (; k + 4 * LANES <= c; k += 4 * LANES, g.scale += 4 * LANES, g.shift += 4 * LANES)
        load_group(&g, 4, all, x + k, x_step, pixels, c, y + k);
    for (; k + 2 * LANES <= c; k += 2 * LANES, g.scale += 2 * LANES, g.shift += 2 * LANES)
        load_group(&g, 2, all, x + k, x_step, pixels, c, y + k);
    for (; k < c; k += LANES, g.scale += LANES, g.shift += LANES)
        load_group(&g, 1, v_part(c - k), x + k, x_step, pixels, c, y + k);
}

/* mr_conv_gradient in float32. */
struct gradient_rows {
    const float *dy, *x, *a, *b, *c, *add;
    float *store;
};

/* As load_group: up to two vectors of channels of every pixel's gradient. */
MR_INLINE void gradient_group(const struct gradient_rows *g, const int v, part last, size_t k, size_t pixels,
                              size_t c, float *out)
{
    vec a[2] = {v_zero()}, b[2] = {v_zero()}, shift[2] = {v_zero()};
    if (g->a) {
        MR_UNROLL
        for (int j = 0; j < v; j++) {
            a[j] = load_last(g->a + k + j * LANES, j, v, last);
            b[j] = load_last(g->b + k + j * LANES, j, v, last);
            shift[j] = load_last(g->c + k + j * LANES, j, v, last);
        }
    }
    for (size_t i = 0; i < pixels; i++) {
        const size_t at = i * c + k;
        MR_UNROLL
        for (int j = 0; j < v; j++) {
            vec d = load_last(g->dy + at + j * LANES, j, v, last);
            if (g->a)
                d = v_fma(a[j], d, v_fma(b[j], load_last(g->x + at + j * LANES, j, v, last), shift[j]));
            if (g->add)
                d = v_add(d, load_last(g->add + at + j * LANES, j, v, last));
            if (g->store)
                store_last(g->store + at + j * LANES, d, j, v, last);
            store_last(out + at + j * LANES, d, j, v, last);
        }
    }
}

static void load_gradient(const mr_conv_gradient *gradient, size_t pixels, size_t c, mr_numbers out)
{
    const struct gradient_rows g = {gradient->dy.at, gradient->x.at,   gradient->a,       gradient->b,
                                    gradient->c,     gradient->add.at, gradient->store.at};
    size_t k = 0;
    for (; k + 2 * LANES <= c; k += 2 * LANES)
        gradient_group(&g, 2, v_part(LANES), k, pixels, c, out.at);
    for (; k < c; k += LANES)
        gradient_group(&g, 1, v_part(c - k), k, pixels, c, out.at);
}

static void add_parts(const float *first, size_t step, int parts, size_t count, float *out)
{
    for (size_t i = 0; i < count; i += LANES) {
        const part n = v_part(count - i);
        vec sum = v_load_part(first + i, n);
        for (int p = 1; p < parts; p++)
            sum = v_add(sum, v_load_part(first + (size_t)p * step + i, n));
        v_store_part(out + i, v_add(v_load_part(out + i, n), sum), n);
    }
}

#endif
