/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in the order in which the tiles read them: for each tile of channels, for each run, for each number
 * of the run, the tile's channels side by side, filled up with zeros to whole vectors. */
#include "nn/kernels/conv_internal.h"

#include <string.h>

size_t mr_conv_packed(const mr_conv *d)
{
    return (size_t)d->r * (size_t)d->s * (size_t)d->c * mr_padded(mr_kernels(), d->k);
}

size_t mr_conv_packed_backward(const mr_conv *d)
{
    return (size_t)d->r * (size_t)d->s * (size_t)d->k * mr_padded(mr_kernels(), d->c);
}

struct pack {
    const mr_conv *d;
    const struct mr_kernel_table *t;
    const float *w;
    float *packed;
};

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

void mr_conv_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, float *packed)
{
    (void)team;
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

void mr_find_class(const mr_conv *d, int a, int b, mr_class *class)
{
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

static float *pack_class(const mr_conv *d, const struct mr_kernel_table *t, const mr_class *class,
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

void mr_conv_pack_backward(const mr_conv *d, mr_team *team, const float *w, float *packed)
{
    (void)team;
    mr_class class;
    for (int a = 0; a < d->stride_h; a++)
        for (int b = 0; b < d->stride_w; b++) {
            mr_find_class(d, a, b, &class);
            packed = pack_class(d, mr_kernels(), &class, w, packed);
        }
}
