/* SPDX-License-Identifier: Apache-2.0 */
/* What every node of the graph becomes: stored, lazy, an alias, or part of another operation. */
#include "nn/plan/roles.h"
#include "nn/kernels/depthwise.h"
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"

#include <limits.h>

static bool fits_int(const mr_convolution *g)
{
    const int64_t most = INT_MAX / 64;
    const int64_t sizes[] = {(int64_t)g->ih,
                             (int64_t)g->iw,
                             (int64_t)g->cin,
                             (int64_t)g->oh,
                             (int64_t)g->ow,
                             (int64_t)g->cout,
                             (int64_t)g->kh,
                             (int64_t)g->kw,
                             g->sh,
                             g->sw,
                             g->dh,
                             g->dw,
                             g->top,
                             g->left,
                             (int64_t)(g->kh * (size_t)g->dh),
                             (int64_t)(g->kw * (size_t)g->dw)};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > most)
            return false;
    return true;
}

static mr_conv conv_of(const mr_convolution *g)
{
    return (mr_conv){.h = (int)g->ih,
                     .w = (int)g->iw,
                     .c = (int)g->cin,
                     .p = (int)g->oh,
                     .q = (int)g->ow,
                     .k = (int)g->cout,
                     .r = (int)g->kh,
                     .s = (int)g->kw,
                     .stride_h = (int)g->sh,
                     .stride_w = (int)g->sw,
                     .dilation_h = (int)g->dh,
                     .dilation_w = (int)g->dw,
                     .pad_top = (int)g->top,
                     .pad_left = (int)g->left};
}

static bool all_read_lazily(const struct mr_role_scan *s, int node)
{
    const struct mr_role_info *n = &s->info[node];
    for (int i = 0; i < n->readers; i++) {
        const struct mr_role_info *r = &s->info[n->reader[i]];
        if (!r->conv && !r->pool && !r->margin)
            return false;
    }
    return n->readers > 0 && !n->output;
}

static void match_conv(struct mr_role_scan *s, int node)
{
    struct mr_role_info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    const mr_activation *a;
    mr_convolution g;
    mr_shape in = mr_batch_shape(s->p, call->input[0]);
    if (!mr_conv2d_parts(call->layer, &in, &g, &a) || g.groups != 1 || !fits_int(&g))
        return;
    n->d = conv_of(&g);
    bool simple = mr_activation_is_clamp(a, &n->low, &n->high);
    /* In training the sum before the activation has to be kept, so the readers apply the activation. */
    if (s->p->training && mr_role_is_clamped(n->low, n->high))
        simple = simple && all_read_lazily(s, node);
    n->conv = simple && mr_conv_supported(&n->d);
}

/* For inference only: there is no fused backward pass. */
static void match_depthwise(struct mr_role_scan *s, int node)
{
    struct mr_role_info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    const mr_activation *a;
    mr_convolution g;
    mr_shape in = mr_batch_shape(s->p, call->input[0]);
    if (s->p->training || !mr_depthwise_parts(call->layer, &in, &g, &a) || !fits_int(&g))
        return;
    n->d = conv_of(&g);
    n->conv = n->depthwise = mr_activation_is_clamp(a, &n->low, &n->high) && mr_depthwise_supported(&n->d);
}

static void match_pool(struct mr_role_scan *s, int node)
{
    struct mr_role_info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    mr_shape in = mr_batch_shape(s->p, call->input[0]);
    mr_window w = {.axes = 2, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    bool global = mr_global_pooling_parts(call->layer, &n->p.mean);
    if (!global && !mr_pooling_parts(call->layer, &w, &n->p.mean))
        return;
    mr_image_size size = mr_image_size_of(&in);
    int64_t before[2];
    if (global)
        w.kernel[0] = w.stride[0] = (int64_t)size.h, w.kernel[1] = w.stride[1] = (int64_t)size.w;
    mr_window_padding(&w, &in, before);
    mr_image_size out = global ? (mr_image_size){size.n, 1, 1, size.c} : mr_image_size_of(&call->shape);
    mr_convolution g = {.ih = size.h,
                        .iw = size.w,
                        .cin = size.c,
                        .oh = out.h,
                        .ow = out.w,
                        .cout = size.c,
                        .kh = (size_t)w.kernel[0],
                        .kw = (size_t)w.kernel[1],
                        .sh = w.stride[0],
                        .sw = w.stride[1],
                        .dh = 1,
                        .dw = 1,
                        .top = before[0],
                        .left = before[1]};
    if (!fits_int(&g))
        return;
    n->p.window = conv_of(&g);
    n->pool = mr_pool_supported(&n->p);
}

/* Zeros around the image: part of a convolution's padding at no cost, and of a pooling's where it has none.
 */
static void match_margin(struct mr_role_scan *s, int node)
{
    struct mr_role_info *n = &s->info[node];
    int64_t margin[4];
    if (!mr_zero_padding_parts(s->g->node[node].layer, margin) || !all_read_lazily(s, node))
        return;
    for (int i = 0; i < 4; i++)
        if (margin[i] > INT_MAX / 64)
            return;
    for (int i = 0; i < n->readers; i++) {
        const struct mr_role_info *r = &s->info[n->reader[i]];
        const mr_conv *d = &r->p.window;
        if (r->margin || (r->pool && (d->pad_top || d->pad_left || (d->p - 1) * d->stride_h + d->r > d->h ||
                                      (d->q - 1) * d->stride_w + d->s > d->w)))
            return;
    }
    n->margin = true;
}

static void absorb_margin(struct mr_role_scan *s, int node)
{
    const struct mr_role_info *n = &s->info[node];
    int64_t margin[4];
    mr_zero_padding_parts(s->g->node[node].layer, margin);
    for (int i = 0; i < n->readers; i++) {
        struct mr_role_info *r = &s->info[n->reader[i]];
        mr_conv *d = r->conv ? &r->d : &r->p.window;
        d->h -= (int)(margin[0] + margin[1]);
        d->w -= (int)(margin[2] + margin[3]);
        d->pad_top += (int)margin[0];
        d->pad_left += (int)margin[2];
        r->p.zeros = r->pool;
    }
}

/* ---- what a convolution absorbs from behind it */

/* The one call that reads NODE's output; -1. */
static int sole_reader(const struct mr_role_scan *s, int node)
{
    const struct mr_role_info *n = &s->info[node];
    return n->readers == 1 && !n->output ? n->reader[0] : -1;
}

bool mr_role_is_norm(const struct mr_role_scan *s, int node)
{
    double epsilon;
    int index[4];
    return mr_batch_normalization_parts(s->g->node[node].layer, &epsilon, index);
}

static bool is_clamp(const struct mr_role_scan *s, int node, float *low, float *high)
{
    const mr_activation *a = mr_activation_part(s->g->node[node].layer);
    return a && mr_activation_is_clamp(a, low, high);
}

/* The convolution N absorbs NEXT. */
static void append_tail(struct mr_role_scan *s, struct mr_role_info *n, int next)
{
    s->info[n->tail].absorbed = true;
    s->info[next].head = (int)(n - s->info);
    n->tail = next;
}

static void absorb_clamp(struct mr_role_scan *s, struct mr_role_info *n)
{
    float low, high;
    int next = sole_reader(s, n->tail);
    if (next < 0 || mr_role_is_clamped(n->low, n->high) || !is_clamp(s, next, &low, &high))
        return;
    n->low = low;
    n->high = high;
    append_tail(s, n, next);
}

static void absorb_norm(struct mr_role_scan *s, struct mr_role_info *n)
{
    int next = sole_reader(s, n->tail);
    if (next < 0 || mr_role_is_clamped(n->low, n->high) || !mr_role_is_norm(s, next))
        return;
    n->fold = next;
    append_tail(s, n, next);
}

/* The convolution whose operation ends in NODE and can still add something; -1. */
static int find_conv_above(const struct mr_role_scan *s, int node)
{
    for (int c = node; c >= 0; c = s->g->node[c].inputs ? s->g->node[c].input[0] : -1) {
        const struct mr_role_info *n = &s->info[c];
        if (n->conv)
            return n->tail == node && n->add < 0 && !mr_role_is_clamped(n->low, n->high) ? c : -1;
        if (!mr_role_is_norm(s, c))
            return -1;
    }
    return -1;
}

static void absorb_add(struct mr_role_scan *s, int add)
{
    const mr_node *a = &s->g->node[add];
    if (a->layer->class != &mr_layer_add || a->inputs != 2 || a->input[0] == a->input[1])
        return;
    int best = -1;
    for (int k = 0; k < 2; k++) {
        int c =
            mr_shape_equal(&s->g->node[a->input[k]].shape, &a->shape) && sole_reader(s, a->input[k]) == add
                ? find_conv_above(s, a->input[k])
                : -1;
        best = c > best && mr_shape_equal(&s->g->node[a->input[1 - k]].shape, &a->shape) ? c : best;
    }
    if (best < 0)
        return;
    struct mr_role_info *n = &s->info[best];
    n->add = add;
    append_tail(s, n, add);
    if (!s->p->training)
        absorb_clamp(s, n);
}

int mr_role_conv_ending_in(const struct mr_role_scan *s, int node)
{
    int head = s->info[node].head;
    if (s->info[node].conv && s->info[node].tail == node)
        return node;
    return head >= 0 && s->info[head].tail == node ? head : -1;
}

/* ---- lazy values */

/* A normalisation (and the activation that alone reads it), or an activation, that all readers can apply. */
static void match_lazy(struct mr_role_scan *s, int node)
{
    struct mr_role_info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    float low = -INFINITY, high = INFINITY;
    int tail = node;
    if (n->absorbed || call->inputs != 1 || s->info[call->input[0]].lazy_source >= 0 ||
        mr_role_conv_ending_in(s, node) >= 0)
        return;
    bool norm = mr_role_is_norm(s, node);
    if (norm) {
        int next = sole_reader(s, node);
        if (next >= 0 && is_clamp(s, next, &low, &high))
            tail = next;
    } else if (!is_clamp(s, node, &low, &high))
        return;
    const mr_node *under = &s->g->node[call->input[0]];
    bool alias = under->layer->class->alias;
    if (s->p->training) /* a model's input is stored: its normalisation is the convolution's
                           (mr_norm_by_weights) */
        alias = under->inputs > 0 && mr_plan_is_alias(s->p, call->input[0]);
    if (alias || s->info[call->input[0]].margin || !all_read_lazily(s, tail) || call->shape.rank < 3)
        return;
    s->info[node].absorbed = true;
    struct mr_role_info *t = &s->info[tail];
    t->absorbed = true;
    t->lazy_source = call->input[0];
    t->lazy_norm = norm ? node : -1;
    t->low = low;
    t->high = high;
}

void mr_role_find_all(struct mr_role_scan *s)
{
    for (int i = s->g->nodes - 1; i >= 0; i--) {
        if (s->g->node[i].inputs == 0)
            continue;
        match_conv(s, i);
        match_depthwise(s, i);
        match_pool(s, i);
        match_margin(s, i);
    }
    for (int i = 0; i < s->g->nodes; i++)
        if (s->info[i].margin)
            absorb_margin(s, i);
    for (int i = 0; i < s->g->nodes && !s->p->training; i++)
        if (s->info[i].conv) {
            absorb_norm(s, &s->info[i]);
            absorb_clamp(s, &s->info[i]);
        }
    for (int i = 0; i < s->g->nodes; i++)
        absorb_add(s, i);
    for (int i = 0; i < s->g->nodes; i++)
        match_lazy(s, i);
}
