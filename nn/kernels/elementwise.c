/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/elementwise.h"
#include "nn/kernels/conv_internal.h"

#include <string.h>

/* Rows for one task: enough numbers to pay for it, few enough for float sums to be exact to rounding. */
enum { PIECE_FLOATS = 16 << 10, MOST_ROWS = 1024 };

static size_t rows_of_piece(size_t c)
{
    size_t rows = PIECE_FLOATS / c;
    return rows < 1 ? 1 : rows > MOST_ROWS ? MOST_ROWS : rows;
}

struct pass {
    const struct mr_kernel_table *table;
    const float *a, *b, *mean;
    size_t rows, c, piece;
    float *parts; /* [pieces][2][c] */
};

static void start(struct pass *p, size_t rows, size_t c)
{
    p->table = mr_kernels();
    p->rows = rows;
    p->c = c;
    p->piece = rows_of_piece(c);
}

/* The rows of a task: returns their number, the first one's offset in floats through *AT. */
static size_t rows_of_task(const struct pass *p, int task, size_t *at)
{
    size_t first = (size_t)task * p->piece, left = p->rows - first;
    *at = first * p->c;
    return left < p->piece ? left : p->piece;
}

static int pieces(const struct pass *p)
{
    return (int)((p->rows + p->piece - 1) / p->piece);
}

size_t mr_channel_sums_scratch(size_t rows, size_t c)
{
    struct pass p;
    start(&p, rows, c);
    return (size_t)pieces(&p) * 2 * c * sizeof(float);
}

static void sum_piece(void *argument, int task, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    size_t at, rows = rows_of_task(p, task, &at);
    float *part = p->parts + (size_t)task * 2 * p->c;
    memset(part, 0, 2 * p->c * sizeof *part);
    p->table->sum_rows(p->a + at, p->b + at, p->mean, rows, p->c, part, part + p->c);
}

void mr_channel_sums(mr_team *team, const float *a, const float *b, const float *mean, size_t rows, size_t c,
                     double *sums, void *scratch)
{
    struct pass p = {.a = a, .b = b, .mean = mean, .parts = scratch};
    start(&p, rows, c);
    mr_team_run(team, pieces(&p), sum_piece, &p);
    for (size_t i = 0; i < 2 * c; i++) {
        sums[i] = 0;
        for (int t = 0; t < pieces(&p); t++)
            sums[i] += (double)p.parts[(size_t)t * 2 * c + i];
    }
}

struct whole {
    const mr_conv_gradient *g;
    size_t c;
    mr_numbers out;
};

static void materialise_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct whole *w = argument;
    ptrdiff_t at = (ptrdiff_t)(first * w->c);
    mr_conv_gradient rows = mr_gradient_at(w->g, at);
    rows.store.at = NULL;
    mr_load_gradient(&rows, end - first, w->c, mr_numbers_at(w->out, at));
}

void mr_materialise_gradient(mr_team *team, const mr_conv_gradient *g, size_t rows, size_t c, mr_numbers out)
{
    struct whole w = {g, c, out};
    mr_team_ranges(team, rows, PIECE_FLOATS / c + 1, materialise_rows, &w);
}
