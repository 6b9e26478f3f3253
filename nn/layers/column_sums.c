/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over rows (over N, H, W for each channel), in double: one pass, a fixed partition of the rows, partial
 * sums added in order. Few channels are widened: several rows of them are one row of several times the width.
 */
#include "nn/layers/channels.h"
#include "nn/compute/simd.h"

#include <string.h>

enum { LANES = 16, PARTS = 32, PART_ELEMENTS = 16384, TILE_ELEMENTS = 4096, PARTIAL_ELEMENTS = 1 << 18 };

struct sums {
    const mr_real *a, *b;
    size_t rows, columns, rows_per_part;
    double *partial; /* [parts][2][columns] */
};

/* The most parts that ROWS are cut into: enough work each, and partial sums that stay small. */
static size_t most_parts(size_t rows, size_t columns)
{
    size_t parts = mr_min(PARTS, mr_ceil_divide(rows * columns, PART_ELEMENTS));
    return mr_max(1, mr_min(parts, PARTIAL_ELEMENTS / columns));
}

/* Rows FIRST to END, columns from C on, LANES of them in registers. */
MR_CLONES static void add_lanes(const mr_real *a, const mr_real *b, size_t stride, size_t rows, double *sum_a,
                                double *sum_ab)
{
    double s[LANES] = {0}, q[LANES] = {0};
    for (size_t r = 0; r < rows; r++) {
        const mr_real *x = a + r * stride, *y = b + r * stride;
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            double v = (double)x[i];
            s[i] += v;
            q[i] += v * (double)y[i];
        }
    }
    for (int i = 0; i < LANES; i++) {
        sum_a[i] += s[i];
        sum_ab[i] += q[i];
    }
}

MR_CLONES static void add_lanes_of_one(const mr_real *a, size_t stride, size_t rows, double *sum_a)
{
    double s[LANES] = {0};
    for (size_t r = 0; r < rows; r++) {
        const mr_real *x = a + r * stride;
#pragma omp simd
        for (int i = 0; i < LANES; i++)
            s[i] += (double)x[i];
    }
    for (int i = 0; i < LANES; i++)
        sum_a[i] += s[i];
}

static void add_column(const mr_real *a, const mr_real *b, size_t stride, size_t rows, double *sum_a,
                       double *sum_ab)
{
    double s = 0, q = 0;
    for (size_t r = 0; r < rows; r++) {
        double v = (double)a[r * stride];
        s += v;
        q += b ? v * (double)b[r * stride] : 0;
    }
    *sum_a += s;
    *sum_ab += q;
}

static void add_tile(const mr_real *a, const mr_real *b, size_t columns, size_t rows, double *sum_a,
                     double *sum_ab)
{
    size_t c = 0;
    for (; c + LANES <= columns; c += LANES)
        if (b)
            add_lanes(a + c, b + c, columns, rows, sum_a + c, sum_ab + c);
        else
            add_lanes_of_one(a + c, columns, rows, sum_a + c);
    for (; c < columns; c++)
        add_column(a + c, b ? b + c : NULL, columns, rows, sum_a + c, sum_ab + c);
}

static void sum_part(void *argument, int task, int thread)
{
    (void)thread;
    const struct sums *s = argument;
    size_t first = (size_t)task * s->rows_per_part, end = mr_min(first + s->rows_per_part, s->rows);
    size_t tile = mr_max(1, TILE_ELEMENTS / s->columns);
    double *sum_a = s->partial + (size_t)task * 2 * s->columns, *sum_ab = sum_a + s->columns;
    memset(sum_a, 0, 2 * s->columns * sizeof *sum_a);
    for (size_t r = first; r < end; r += tile) {
        size_t at = r * s->columns;
        add_tile(s->a + at, s->b ? s->b + at : NULL, s->columns, mr_min(tile, end - r), sum_a, sum_ab);
    }
}

/* How many rows are taken as one, so that the row is a multiple of LANES. */
static size_t widening(size_t columns)
{
    size_t wide = 1;
    while (wide < LANES && columns * wide % LANES)
        wide *= 2;
    return wide;
}

size_t mr_column_sums_scratch(size_t rows, size_t columns)
{
    size_t wide = widening(columns);
    return mr_piece(most_parts(rows / wide, columns * wide) * 2 * columns * wide * sizeof(double));
}

static void fold(const struct sums *s, size_t parts, size_t columns, double *sum_a, double *sum_ab)
{
    for (size_t p = 0; p < parts; p++)
        for (size_t i = 0; i < s->columns; i++) {
            const double *from = s->partial + p * 2 * s->columns;
            sum_a[i % columns] += from[i];
            if (sum_ab)
                sum_ab[i % columns] += from[s->columns + i];
        }
}

void mr_column_sums(mr_team *t, const mr_real *a, const mr_real *b, size_t rows, size_t columns,
                    double *sum_a, double *sum_ab, void *scratch)
{
    size_t wide = widening(columns), left = rows % wide, done = rows - left;
    struct sums s = {a, b, rows / wide, columns * wide, 0, scratch};
    size_t parts = 0;
    if (s.rows) {
        s.rows_per_part = mr_ceil_divide(s.rows, most_parts(s.rows, s.columns));
        parts = mr_ceil_divide(s.rows, s.rows_per_part);
    }
    memset(sum_a, 0, columns * sizeof *sum_a);
    if (sum_ab)
        memset(sum_ab, 0, columns * sizeof *sum_ab);
    if (parts)
        mr_team_run(t, (int)parts, sum_part, &s);
    fold(&s, parts, columns, sum_a, sum_ab);
    double unused = 0;
    for (size_t c = 0; c < columns && left; c++)
        add_column(a + done * columns + c, b ? b + done * columns + c : NULL, columns, left, sum_a + c,
                   sum_ab ? sum_ab + c : &unused);
}

size_t mr_bias_gradient_scratch(size_t rows, size_t columns)
{
    return mr_column_sums_scratch(rows, columns) + mr_piece(columns * sizeof(double));
}

void mr_bias_gradient(mr_team *t, const mr_real *dy, size_t rows, size_t columns, mr_real *bias_gradient,
                      void *scratch)
{
    double *sum = (double *)((char *)scratch + mr_column_sums_scratch(rows, columns));
    mr_column_sums(t, dy, NULL, rows, columns, sum, NULL, scratch);
    for (size_t c = 0; c < columns; c++)
        bias_gradient[c] += (mr_real)sum[c];
}
