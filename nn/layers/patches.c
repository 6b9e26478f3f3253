/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/patches.h"

#include <string.h>

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void copy(mr_real *out, const mr_real *from, size_t count)
{
    if (count >= 32)
        memcpy(out, from, count * sizeof *out);
    else
        for (size_t i = 0; i < count; i++) /* a call would cost more */
            out[i] = from[i];
}

/* Numbers E0 … E1 of the run of pixels of LINE that starts at COLUMN (which may lie outside). */
static void copy_run(const mr_patches *p, const mr_real *line, int64_t column, int64_t e0, int64_t e1,
                     mr_real *out)
{
    int64_t stride = (int64_t)p->stride, start = column * stride;
    int64_t low = clamp(-start, e0, e1), high = clamp((int64_t)p->width * stride - start, low, e1);
    if (low > e0)
        memset(out, 0, (size_t)(low - e0) * sizeof *out);
    if (high > low)
        copy(out + (low - e0), line + start + low, (size_t)(high - low));
    if (e1 > high)
        memset(out + (high - e0), 0, (size_t)(e1 - high) * sizeof *out);
}

/* One row of windows at grid place (A, B). Neighbouring taps whose pixels lie side by side in full are one
 * run. */
static void gather_one(const mr_patches *p, const mr_real *sample, int64_t a, int64_t b, size_t k0, size_t k1,
                       mr_real *out)
{
    bool joined = p->column.step == 1 && p->channels == p->stride;
    size_t run = joined ? p->column.count * p->channels : p->channels, runs = joined ? 1 : p->column.count;
    for (size_t k = k0; k < k1;) {
        size_t number = k / run, from = k - number * run, to = from + (k1 - k) < run ? from + (k1 - k) : run;
        size_t i = number / runs, j = number - i * runs;
        int64_t row = a * p->step_row + p->row.first + (int64_t)i * p->row.step;
        int64_t column = b * p->step_column + p->column.first + (int64_t)j * p->column.step;
        if (row < 0 || row >= (int64_t)p->height)
            memset(out, 0, (to - from) * sizeof *out);
        else
            copy_run(p, sample + (size_t)row * p->width * p->stride, column, (int64_t)from, (int64_t)to, out);
        out += to - from;
        k += to - from;
    }
}

void mr_patches_gather(const mr_patches *p, size_t first, size_t end, size_t k0, size_t k1, mr_real *out)
{
    size_t grid = p->grid_height * p->grid_width;
    size_t sample = first / grid, a = first % grid / p->grid_width, b = first % p->grid_width;
    for (size_t r = first; r < end; r++, out += k1 - k0) {
        gather_one(p, p->image + sample * p->height * p->width * p->stride, (int64_t)a, (int64_t)b, k0, k1,
                   out);
        if (++b == p->grid_width) {
            b = 0;
            if (++a == p->grid_height) {
                a = 0;
                sample++;
            }
        }
    }
}

/* As copy_run, adding to LINE. */
static void add_run(const mr_patches *p, mr_real *line, int64_t column, int64_t count, const mr_real *from)
{
    int64_t stride = (int64_t)p->stride, start = column * stride;
    int64_t low = clamp(-start, 0, count), high = clamp((int64_t)p->width * stride - start, low, count);
    mr_real *to = line + start;
    for (int64_t i = low; i < high; i++)
        to[i] += from[i];
}

static void add_one(const mr_patches *p, mr_real *sample, int64_t a, int64_t b, const mr_real *from)
{
    bool joined = p->column.step == 1 && p->channels == p->stride;
    size_t runs = joined ? 1 : p->column.count;
    int64_t run = (int64_t)(joined ? p->column.count * p->channels : p->channels);
    for (size_t i = 0; i < p->row.count; i++) {
        int64_t row = a * p->step_row + p->row.first + (int64_t)i * p->row.step;
        for (size_t j = 0; j < runs; j++, from += run) {
            int64_t column = b * p->step_column + p->column.first + (int64_t)j * p->column.step;
            if (row >= 0 && row < (int64_t)p->height)
                add_run(p, sample + (size_t)row * p->width * p->stride, column, run, from);
        }
    }
}

void mr_patches_add(const mr_patches *p, size_t first, size_t end, const mr_real *rows, mr_real *image)
{
    size_t grid = p->grid_height * p->grid_width, length = mr_patches_length(p);
    for (size_t r = first; r < end; r++, rows += length) {
        size_t sample = r / grid, inside = r % grid;
        add_one(p, image + sample * p->height * p->width * p->stride, (int64_t)(inside / p->grid_width),
                (int64_t)(inside % p->grid_width), rows);
    }
}
