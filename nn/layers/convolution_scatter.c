/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient by the input where that has few channels (the first layers of a network): dy times the kernel
 * transposed gives what each window gives back, which is added to the pixels. Gathering windows of dy, the
 * way of convolution_gradients.c, would move several times as much. Windows overlap, so a task owns a sample.
 */
#include "nn/layers/convolution_internal.h"

#include "nn/compute/gemm.h"

#include <string.h>

struct scatter {
    const mr_convolution *g;
    const mr_real *dy, *w;
    mr_real *dx, *scratch;
    bool add;
    size_t length, rows, piece; /* of a window; windows at once; reals per thread */
};

bool mr_scatters_input_gradient(const mr_convolution *g)
{
    return 4 * g->cin <= g->cout && !mr_is_pointwise(g);
}

static struct scatter set_up(const mr_convolution *g)
{
    enum { BLOCK_ELEMENTS = 64 << 10 };
    struct scatter s = {.g = g, .length = g->kh * g->kw * (g->cin / g->groups)};
    s.rows = mr_min(1024, mr_max(64, BLOCK_ELEMENTS / s.length));
    s.rows = mr_min(s.rows, g->oh * g->ow);
    s.piece = mr_round_up(s.rows * s.length, 16);
    return s;
}

size_t mr_scatter_scratch(const mr_convolution *g, int threads)
{
    return set_up(g).piece * (size_t)threads * sizeof(mr_real);
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

void mr_scatter_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                               mr_real *dx, bool add, void *scratch)
{
    struct scatter s = set_up(g);
    s.dy = dy;
    s.w = w;
    s.dx = dx;
    s.add = add;
    s.scratch = scratch;
    mr_team_items(t, g->n, scatter_sample, &s);
}
