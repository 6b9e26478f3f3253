/* SPDX-License-Identifier: Apache-2.0 */
/* By the input: pixels whose coordinates agree modulo the stride (a phase) are reached by the same taps of
 * the kernel, so for each phase the gradient is a convolution of dy with stride 1 and a kernel of those taps,
 * transposed. No zeros are multiplied, and nothing is scattered except where the input has few channels. By
 * the kernel: windows transposed times dy. Each task owns a slab of the kernel's rows and a part of the
 * pixels; parts have sums of their own, added in order. */
#include "nn/layers/convolution.h"

#include "nn/compute/gemm.h"

#include <string.h>

/* ---- by the input, scattered */

/* Where the input has few channels (the first layers of a network): dy times the kernel transposed gives what
 * each window gives back, which is added to the pixels. Gathering windows of dy would move several times as
 * much. Windows overlap, so a task owns a sample. */
struct scatter {
    const mr_convolution *g;
    const mr_real *dy, *w;
    mr_real *dx, *scratch;
    bool add;
    size_t length, rows, piece; /* of a window; windows at once; reals per thread */
};

static bool scatters(const mr_convolution *g)
{
    return 4 * g->cin <= g->cout && !mr_is_pointwise(g);
}

static struct scatter set_up_scatter(const mr_convolution *g)
{
    enum { BLOCK_ELEMENTS = 64 << 10 };
    struct scatter s = {.g = g, .length = g->kh * g->kw * (g->cin / g->groups)};
    s.rows = mr_min(1024, mr_max(64, BLOCK_ELEMENTS / s.length));
    s.rows = mr_min(s.rows, g->oh * g->ow);
    s.piece = mr_round_up(s.rows * s.length, 16);
    return s;
}

static size_t scatter_scratch(const mr_convolution *g, int threads)
{
    return set_up_scatter(g).piece * (size_t)threads * sizeof(mr_real);
}

static void scatter_sample(void *argument, size_t n, int thread)
{
    const struct scatter *s = argument;
    const mr_convolution *g = s->g;
    size_t windows = g->oh * g->ow, pixels = g->ih * g->iw, cout = g->cout / g->groups,
           cin = g->cin / g->groups;
    mr_real *block = s->scratch + (size_t)thread * s->piece;
    if (!s->add)
        memset(s->dx + n * pixels * g->cin, 0, pixels * g->cin * sizeof *s->dx);
    for (size_t group = 0; group < g->groups; group++) {
        mr_patches patches = mr_forward_patches(g, NULL, 0);
        for (size_t at = 0; at < windows; at += s->rows) {
            size_t first = n * windows + at, rows = mr_min(s->rows, windows - at);
            mr_gemm(false, true, rows, s->length, cout, s->dy + first * g->cout + group * cout, g->cout,
                    s->w + group * cout, g->cout, false, block, s->length);
            mr_patches_add(&patches, first, first + rows, block, s->dx + group * cin);
        }
    }
}

static void scatter_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                                   mr_real *dx, bool add, void *scratch)
{
    struct scatter s = set_up_scatter(g);
    s.dy = dy;
    s.w = w;
    s.dx = dx;
    s.add = add;
    s.scratch = scratch;
    mr_team_items(t, g->n, scatter_sample, &s);
}

/* ---- by the input, gathered */

/* The taps of one axis that reach the pixels PHASE, PHASE + stride, … */
struct phase {
    mr_patch_taps taps;       /* where they read dy, relative to the pixel's number in the phase */
    size_t size;        /* pixels */
    size_t kernel_last; /* the kernel's index of taps[0]; the next ones lie kernel_step lower */
    size_t kernel_step;
    size_t taps_before; /* taps of lower phases */
};

static int64_t modulo(int64_t a, int64_t m)
{
    return (a % m + m) % m;
}

static struct phase phase_of(size_t number, size_t in, size_t kernel, int64_t stride, int64_t dilation,
                             int64_t before)
{
    struct phase p = {.size = in > number ? mr_ceil_divide(in - number, (size_t)stride) : 0,
                      .kernel_step = 1};
    for (size_t i = kernel; i-- > 0;) {
        int64_t reached = modulo((int64_t)i * dilation - before, stride);
        p.taps_before += reached < (int64_t)number;
        if (reached != (int64_t)number)
            continue;
        if (p.taps.count == 0)
            p.kernel_last = i;
        else if (p.taps.count == 1)
            p.kernel_step = p.kernel_last - i;
        p.taps.count++;
    }
    if (p.taps.count) {
        p.taps.first = ((int64_t)number + before - (int64_t)p.kernel_last * dilation) / stride;
        p.taps.step = (int64_t)p.kernel_step * dilation / stride;
    }
    return p;
}

struct input_gradient {
    const mr_convolution *g;
    const mr_real *dy, *w;
    mr_real *dx, *kernel; /* the kernel transposed: [phase][group][tap][cout/groups][cin/groups] */
    char *scratch;
    bool add, pointwise;
    size_t phases_h, phases_w;
    mr_product_blocks blocks; /* of the largest phase */
    size_t block, result; /* reals per thread: windows of dy; their product before it is put in its place */
};

static struct phase row_phase(const mr_convolution *g, size_t p)
{
    return phase_of(p, g->ih, g->kh, g->sh, g->dh, g->top);
}
static struct phase column_phase(const mr_convolution *g, size_t q)
{
    return phase_of(q, g->iw, g->kw, g->sw, g->dw, g->left);
}

static size_t most_taps(size_t kernel, int64_t stride, int64_t dilation)
{
    int64_t a = stride, b = dilation;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return mr_ceil_divide(kernel, (size_t)(stride / a));
}

static struct input_gradient set_up_input(const mr_convolution *g)
{
    struct input_gradient s = {.g = g, .pointwise = mr_is_pointwise(g)};
    size_t rows = g->n * mr_ceil_divide(g->ih, (size_t)g->sh) * mr_ceil_divide(g->iw, (size_t)g->sw);
    size_t length = most_taps(g->kh, g->sh, g->dh) * most_taps(g->kw, g->sw, g->dw) * (g->cout / g->groups);
    s.phases_h = mr_min((size_t)g->sh, g->ih);
    s.phases_w = mr_min((size_t)g->sw, g->iw);
    s.blocks = mr_choose_blocks(rows, length, g->cin / g->groups);
    s.block = s.pointwise ? 0 : mr_round_up(s.blocks.rows * length, 16);
    s.result = g->sh == 1 && g->sw == 1 ? 0 : mr_round_up(s.blocks.rows * s.blocks.columns, 16);
    return s;
}

static size_t kernel_piece(const struct input_gradient *s)
{
    const mr_convolution *g = s->g;
    return s->pointwise ? 0 : mr_reals_piece(g->kh * g->kw * (g->cin / g->groups) * g->cout);
}

size_t mr_convolution_input_scratch(const mr_convolution *g, int threads)
{
    if (scatters(g))
        return scatter_scratch(g, threads);
    struct input_gradient s = set_up_input(g);
    return kernel_piece(&s) + (s.block + s.result) * (size_t)threads * sizeof(mr_real);
}

/* One tap of the kernel, all groups, to its place in its phase. */
static void transpose_tap(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct input_gradient *s = argument;
    const mr_convolution *g = s->g;
    size_t i = item / g->kw, j = item % g->kw, cin = g->cin / g->groups, cout = g->cout / g->groups;
    struct phase p = row_phase(g, (size_t)modulo((int64_t)i * g->dh - g->top, g->sh));
    struct phase q = column_phase(g, (size_t)modulo((int64_t)j * g->dw - g->left, g->sw));
    size_t taps = p.taps.count * q.taps.count, before = p.taps_before * g->kw + p.taps.count * q.taps_before;
    size_t tap = (p.kernel_last - i) / p.kernel_step * q.taps.count + (q.kernel_last - j) / q.kernel_step;
    for (size_t group = 0; group < g->groups; group++) {
        const mr_real *from = s->w + item * cin * g->cout + group * cout;
        mr_real *to = s->kernel + (before * g->groups + group * taps + tap) * cin * cout;
        for (size_t o = 0; o < cout; o++)
            for (size_t c = 0; c < cin; c++)
                to[o * cin + c] = from[c * g->cout + o];
    }
}

/* The pixels FIRST … of a phase, in dx. */
struct place {
    size_t row_phase, column_phase, height, width;
};

static mr_real *pixel(const struct input_gradient *s, const struct place *at, size_t number)
{
    const mr_convolution *g = s->g;
    size_t sample = number / (at->height * at->width), inside = number % (at->height * at->width);
    size_t row = at->row_phase + inside / at->width * (size_t)g->sh,
           column = at->column_phase + inside % at->width * (size_t)g->sw;
    return s->dx + ((sample * g->ih + row) * g->iw + column) * g->cin;
}

/* RESULT [rows, columns] goes to channels CHANNEL … of its pixels; NULL: zeros. */
static void put(const struct input_gradient *s, const struct place *at, size_t first, size_t rows,
                size_t channel, size_t columns, const mr_real *result)
{
    for (size_t r = 0; r < rows; r++) {
        mr_real *to = pixel(s, at, first + r) + channel;
        const mr_real *from = result ? result + r * columns : NULL;
        if (!s->add && !from)
            memset(to, 0, columns * sizeof *to);
        else if (!s->add)
            memcpy(to, from, columns * sizeof *to);
        else if (from)
            for (size_t c = 0; c < columns; c++)
                to[c] += from[c];
    }
}

static void multiply_phase(const struct input_gradient *s, const struct phase *p, const struct phase *q,
                           const struct place *at, size_t group, size_t first, size_t rows, size_t column,
                           size_t columns, mr_real *block)
{
    const mr_convolution *g = s->g;
    size_t cin = g->cin / g->groups, cout = g->cout / g->groups, taps = p->taps.count * q->taps.count;
    size_t channel = group * cin + column, before = p->taps_before * g->kw + p->taps.count * q->taps_before;
    mr_patches patches = {.image = s->dy + group * cout,
                          .height = g->oh,
                          .width = g->ow,
                          .stride = g->cout,
                          .channels = cout,
                          .grid_height = p->size,
                          .grid_width = q->size,
                          .step_row = 1,
                          .step_column = 1,
                          .row = p->taps,
                          .column = q->taps};
    const mr_real *kernel = s->kernel + (before * g->groups + group * taps) * cin * cout + column;
    mr_real *result = s->result ? block + s->block : s->dx + first * g->cin + channel;
    if (taps == 0) {
        put(s, at, first, rows, channel, columns, NULL);
        return;
    }
    mr_patches_gather(&patches, first, first + rows, 0, taps * cout, block);
    mr_gemm(false, false, rows, columns, taps * cout, block, taps * cout, kernel, cin, !s->result && s->add,
            result, s->result ? columns : g->cin);
    if (s->result)
        put(s, at, first, rows, channel, columns, result);
}

static void multiply_pointwise(const struct input_gradient *s, size_t group, size_t first, size_t rows,
                               size_t column, size_t columns)
{
    const mr_convolution *g = s->g;
    size_t cin = g->cin / g->groups, cout = g->cout / g->groups;
    mr_gemm(false, true, rows, columns, cout, s->dy + first * g->cout + group * cout, g->cout,
            s->w + column * g->cout + group * cout, g->cout, s->add,
            s->dx + first * g->cin + group * cin + column, g->cin);
}

static void input_block(void *argument, size_t item, int thread)
{
    const struct input_gradient *s = argument;
    const mr_convolution *g = s->g;
    size_t blocks = s->blocks.row_blocks * s->blocks.column_blocks, number = item / blocks,
           block = item % blocks;
    struct place at = {.row_phase = number / s->phases_w, .column_phase = number % s->phases_w};
    struct phase p = row_phase(g, at.row_phase), q = column_phase(g, at.column_phase);
    at.height = p.size;
    at.width = q.size;
    size_t first = block / s->blocks.column_blocks * s->blocks.rows, all = g->n * p.size * q.size;
    if (first >= all)
        return; /* a phase with fewer pixels than the first */
    size_t rows = mr_min(s->blocks.rows, all - first),
           column = block % s->blocks.column_blocks * s->blocks.columns;
    size_t columns = mr_min(s->blocks.columns, g->cin / g->groups - column);
    mr_real *own = (mr_real *)s->scratch + (size_t)thread * (s->block + s->result);
    for (size_t group = 0; group < g->groups; group++)
        if (s->pointwise)
            multiply_pointwise(s, group, first, rows, column, columns);
        else
            multiply_phase(s, &p, &q, &at, group, first, rows, column, columns, own);
}

void mr_convolution_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                                   mr_real *dx, bool add, void *scratch)
{
    if (scatters(g)) {
        scatter_input_gradient(g, t, dy, w, dx, add, scratch);
        return;
    }
    struct input_gradient s = set_up_input(g);
    s.dy = dy;
    s.w = w;
    s.dx = dx;
    s.add = add;
    s.kernel = scratch;
    s.scratch = (char *)scratch + kernel_piece(&s);
    if (!s.pointwise)
        mr_team_items(t, g->kh * g->kw, transpose_tap, &s);
    mr_team_items(t, s.phases_h * s.phases_w * s.blocks.row_blocks * s.blocks.column_blocks, input_block, &s);
}

/* ---- by the kernel */

struct weight_gradient {
    const mr_convolution *g;
    const mr_real *x, *dy;
    mr_real *dw, *partial, *scratch;
    size_t rows, length; /* of the windows */
    size_t slab, slabs;  /* rows of the kernel that a task owns */
    size_t part, parts;  /* pixels that a task sums over */
    size_t step, piece;  /* windows gathered at once; reals per thread */
};

static struct weight_gradient set_up_weight(const mr_convolution *g)
{
    enum {
        SLAB = 128,
        MOST_SLABS = 32,
        WANTED = 16,
        LEAST_PART = 512,
        PARTIAL_ELEMENTS = 4 << 20,
        BLOCK_ELEMENTS = 128 << 10
    };
    struct weight_gradient s = {
        .g = g, .rows = g->n * g->oh * g->ow, .length = g->kh * g->kw * (g->cin / g->groups)};
    s.slabs = mr_min(MOST_SLABS, mr_ceil_divide(s.length, SLAB));
    s.slab = mr_round_up(mr_ceil_divide(s.length, s.slabs), 16);
    s.slabs = mr_ceil_divide(s.length, s.slab);
    s.parts = mr_min(mr_ceil_divide(WANTED, s.slabs * g->groups), mr_max(1, s.rows / LEAST_PART));
    s.parts = mr_max(1, mr_min(s.parts, PARTIAL_ELEMENTS / (s.length * g->cout)));
    s.step = mr_is_pointwise(g) ? s.rows : mr_min(1024, mr_max(64, BLOCK_ELEMENTS / s.slab));
    s.piece = mr_is_pointwise(g) ? 0 : mr_round_up(s.step * s.slab, 16);
    return s;
}

/* Partial sums: PARTS kernels; none when there is one part, which adds to dw itself. */
static size_t partial_piece(const struct weight_gradient *s)
{
    return s->parts > 1 ? mr_reals_piece(s->parts * s->length * s->g->cout) : 0;
}

size_t mr_convolution_weight_scratch(const mr_convolution *g, int threads)
{
    struct weight_gradient s = set_up_weight(g);
    return partial_piece(&s) + s.piece * (size_t)threads * sizeof(mr_real);
}

static void sum_slab(void *argument, size_t item, int thread)
{
    const struct weight_gradient *s = argument;
    const mr_convolution *g = s->g;
    size_t cout = g->cout / g->groups, k0 = item % s->slabs * s->slab, k = mr_min(s->slab, s->length - k0);
    size_t group = item / s->slabs % g->groups, part = item / s->slabs / g->groups;
    size_t end = mr_min((part + 1) * s->part, s->rows);
    mr_patches patches = mr_forward_patches(g, s->x, group);
    mr_real *block = s->scratch + (size_t)thread * s->piece;
    mr_real *sum =
        (s->parts > 1 ? s->partial + part * s->length * g->cout : s->dw) + k0 * g->cout + group * cout;
    bool add = s->parts == 1;
    for (size_t first = part * s->part; first < end; first += s->step, add = true) {
        size_t rows = mr_min(s->step, end - first);
        const mr_real *dy = s->dy + first * g->cout + group * cout;
        if (s->piece)
            mr_patches_gather(&patches, first, first + rows, k0, k0 + k, block);
        const mr_real *a = s->piece ? block : patches.image + first * g->cin + k0;
        mr_gemm(true, false, k, cout, rows, a, s->piece ? k : g->cin, dy, g->cout, add, sum, g->cout);
    }
}

static void add_parts(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct weight_gradient *s = argument;
    size_t stride = s->length * s->g->cout;
    for (size_t p = 0; p < s->parts; p++) {
        const mr_real *from = s->partial + p * stride;
#pragma omp simd
        for (size_t i = first; i < end; i++)
            s->dw[i] += from[i];
    }
}

void mr_convolution_weight_gradient(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *dy,
                                    mr_real *dw, void *scratch)
{
    struct weight_gradient s = set_up_weight(g);
    s.x = x;
    s.dy = dy;
    s.dw = dw;
    s.partial = scratch;
    s.scratch = (mr_real *)((char *)scratch + partial_piece(&s));
    s.part = mr_ceil_divide(s.rows, s.parts);
    s.parts = mr_ceil_divide(s.rows, s.part);
    mr_team_items(t, s.parts * g->groups * s.slabs, sum_slab, &s);
    if (s.parts > 1)
        mr_team_ranges(t, s.length * g->cout, 4096, add_parts, &s);
}
