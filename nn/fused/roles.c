/* SPDX-License-Identifier: Apache-2.0 */
/* What every node of the graph becomes: stored, lazy, an alias, or part of another operation. */
#include "nn/fused/internal.h"
#include "nn/kernels/depthwise.h"
#include "nn/layers/layers.h"
#include "nn/layers/parts.h"

#include <limits.h>
#include <stdlib.h>

struct info {
    int *reader, readers; /* nodes; into scan.readers_of */
    bool output;          /* of the model, or wanted beside it */
    bool conv, pool;      /* can be done by the kernels, which read lazily */
    bool depthwise;       /* conv: each channel by itself */
    bool margin;          /* a ZeroPadding2D that its readers do */
    bool taken;           /* part of another node's operation */
    mr_conv d;
    mr_pool p;
    float low, high; /* conv: activation of its own, or taken up behind it */
    int fold, add;   /* conv: nodes taken up; -1 */
    int tail;        /* conv: the last node of its operation */
    int lazy_source; /* of a lazy value: the node under it; -1: not lazy */
    int lazy_norm;   /* its BatchNormalization; -1: an activation alone */
};

struct scan {
    mr_program *p;
    const mr_graph *g;
    struct info *info;
    int *readers_of;
};

static mr_shape batch_shape(const mr_program *p, int node)
{
    mr_shape s = p->graph->node[node].shape;
    s.dim[0] = p->batch;
    return s;
}

static bool is_clamped(float low, float high)
{
    return low > -INFINITY || high < INFINITY;
}

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

static bool all_read_lazily(const struct scan *s, int node)
{
    const struct info *n = &s->info[node];
    for (int i = 0; i < n->readers; i++) {
        const struct info *r = &s->info[n->reader[i]];
        if (!r->conv && !r->pool && !r->margin)
            return false;
    }
    return n->readers > 0 && !n->output;
}

static void look_for_conv(struct scan *s, int node)
{
    struct info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    const mr_activation *a;
    mr_convolution g;
    mr_shape in = batch_shape(s->p, call->input[0]);
    if (!mr_conv2d_parts(call->layer, &in, &g, &a) || g.groups != 1 || !fits_int(&g))
        return;
    n->d = conv_of(&g);
    bool simple = mr_activation_is_clamp(a, &n->low, &n->high);
    /* In training the sum before the activation is what has to be kept, so the readers must do the
     * activation. */
    if (s->p->training && is_clamped(n->low, n->high))
        simple = simple && all_read_lazily(s, node);
    n->conv = simple && mr_conv_supported(&n->d);
}

/* Inference alone: there is no fused backward. */
static void look_for_depthwise(struct scan *s, int node)
{
    struct info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    const mr_activation *a;
    mr_convolution g;
    mr_shape in = batch_shape(s->p, call->input[0]);
    if (s->p->training || !mr_depthwise_parts(call->layer, &in, &g, &a) || !fits_int(&g))
        return;
    n->d = conv_of(&g);
    n->conv = n->depthwise = mr_activation_is_clamp(a, &n->low, &n->high) && mr_depthwise_supported(&n->d);
}

static void look_for_pool(struct scan *s, int node)
{
    struct info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    mr_shape in = batch_shape(s->p, call->input[0]);
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

/* Zeros around the image: convolutions have them for nothing; pooling where it has no padding of its own. */
static void look_for_margin(struct scan *s, int node)
{
    struct info *n = &s->info[node];
    int64_t margin[4];
    if (!mr_zero_padding_parts(s->g->node[node].layer, margin) || !all_read_lazily(s, node))
        return;
    for (int i = 0; i < 4; i++)
        if (margin[i] > INT_MAX / 64)
            return;
    for (int i = 0; i < n->readers; i++) {
        const struct info *r = &s->info[n->reader[i]];
        const mr_conv *d = &r->p.window;
        if (r->margin || (r->pool && (d->pad_top || d->pad_left || (d->p - 1) * d->stride_h + d->r > d->h ||
                                      (d->q - 1) * d->stride_w + d->s > d->w)))
            return;
    }
    n->margin = true;
}

static void absorb_margin(struct scan *s, int node)
{
    const struct info *n = &s->info[node];
    int64_t margin[4];
    mr_zero_padding_parts(s->g->node[node].layer, margin);
    for (int i = 0; i < n->readers; i++) {
        struct info *r = &s->info[n->reader[i]];
        mr_conv *d = r->conv ? &r->d : &r->p.window;
        d->h -= (int)(margin[0] + margin[1]);
        d->w -= (int)(margin[2] + margin[3]);
        d->pad_top += (int)margin[0];
        d->pad_left += (int)margin[2];
        r->p.zeros = r->pool;
    }
}

/* ---- what a convolution takes up behind it -------------------------------- */

/* The one call that reads NODE's output; -1. */
static int sole_reader(const struct scan *s, int node)
{
    const struct info *n = &s->info[node];
    return n->readers == 1 && !n->output ? n->reader[0] : -1;
}

static bool is_norm(const struct scan *s, int node)
{
    double epsilon;
    int index[4];
    return mr_batch_normalization_parts(s->g->node[node].layer, &epsilon, index);
}

static bool is_alias(const struct scan *s, int node)
{
    const mr_node *n = &s->g->node[node];
    return n->layer->class->alias ||
           ((!s->p->training || n->inference) && n->layer->class->identity_at_inference);
}

static bool is_clamp(const struct scan *s, int node, float *low, float *high)
{
    const mr_activation *a = mr_activation_part(s->g->node[node].layer);
    return a && mr_activation_is_clamp(a, low, high);
}

static void take_up_clamp(struct scan *s, struct info *n)
{
    float low, high;
    int next = sole_reader(s, n->tail);
    if (next < 0 || is_clamped(n->low, n->high) || !is_clamp(s, next, &low, &high))
        return;
    n->low = low;
    n->high = high;
    s->info[n->tail].taken = true;
    n->tail = next;
}

static void take_up_norm(struct scan *s, struct info *n)
{
    int next = sole_reader(s, n->tail);
    if (next < 0 || is_clamped(n->low, n->high) || !is_norm(s, next))
        return;
    n->fold = next;
    s->info[n->tail].taken = true;
    n->tail = next;
}

/* The convolution whose operation ends in NODE and can still add something; -1. */
static int open_conv(const struct scan *s, int node)
{
    for (int c = node; c >= 0; c = s->g->node[c].inputs ? s->g->node[c].input[0] : -1) {
        const struct info *n = &s->info[c];
        if (n->conv)
            return n->tail == node && n->add < 0 && !is_clamped(n->low, n->high) ? c : -1;
        if (!is_norm(s, c))
            return -1;
    }
    return -1;
}

static void take_up_add(struct scan *s, int add)
{
    const mr_node *a = &s->g->node[add];
    if (a->layer->class != &mr_layer_add || a->inputs != 2 || a->input[0] == a->input[1])
        return;
    int best = -1;
    for (int k = 0; k < 2; k++) {
        int c =
            mr_shape_equal(&s->g->node[a->input[k]].shape, &a->shape) && sole_reader(s, a->input[k]) == add
                ? open_conv(s, a->input[k])
                : -1;
        best = c > best && mr_shape_equal(&s->g->node[a->input[1 - k]].shape, &a->shape) ? c : best;
    }
    if (best < 0)
        return;
    struct info *n = &s->info[best];
    n->add = add;
    s->info[n->tail].taken = true;
    n->tail = add;
    if (!s->p->training)
        take_up_clamp(s, n);
}

/* The convolution whose operation ends in NODE; -1. */
static int conv_ending_in(const struct scan *s, int node)
{
    for (int c = node; c >= 0; c--)
        if (s->info[c].conv && s->info[c].tail == node)
            return c;
    return -1;
}

/* ---- lazy values ----------------------------------------------------------- */

/* A normalisation (and the activation that alone reads it), or an activation, whose readers can all do it. */
static void look_for_lazy(struct scan *s, int node)
{
    struct info *n = &s->info[node];
    const mr_node *call = &s->g->node[node];
    float low = -INFINITY, high = INFINITY;
    int tail = node;
    if (n->taken || call->inputs != 1 || s->info[call->input[0]].lazy_source >= 0 ||
        conv_ending_in(s, node) >= 0)
        return;
    bool norm = is_norm(s, node);
    if (norm) {
        int next = sole_reader(s, node);
        if (next >= 0 && is_clamp(s, next, &low, &high))
            tail = next;
    } else if (!is_clamp(s, node, &low, &high))
        return;
    const mr_node *under = &s->g->node[call->input[0]];
    bool alias = under->layer->class->alias;
    if (s->p->training) /* a model's input is stored: its normalisation is the convolution's
                           (norm_by_weights.c) */
        alias = under->inputs > 0 && is_alias(s, call->input[0]);
    if (alias || s->info[call->input[0]].margin || !all_read_lazily(s, tail) || call->shape.rank < 3)
        return;
    s->info[node].taken = true;
    struct info *t = &s->info[tail];
    t->taken = true;
    t->lazy_source = call->input[0];
    t->lazy_norm = norm ? node : -1;
    t->low = low;
    t->high = high;
}

static void find_roles(struct scan *s)
{
    for (int i = s->g->nodes - 1; i >= 0; i--) {
        if (s->g->node[i].inputs == 0)
            continue;
        look_for_conv(s, i);
        look_for_depthwise(s, i);
        look_for_pool(s, i);
        look_for_margin(s, i);
    }
    for (int i = 0; i < s->g->nodes; i++)
        if (s->info[i].margin)
            absorb_margin(s, i);
    for (int i = 0; i < s->g->nodes && !s->p->training; i++)
        if (s->info[i].conv) {
            take_up_norm(s, &s->info[i]);
            take_up_clamp(s, &s->info[i]);
        }
    for (int i = 0; i < s->g->nodes; i++)
        take_up_add(s, i);
    for (int i = 0; i < s->g->nodes; i++)
        look_for_lazy(s, i);
}

/* ---- operations ------------------------------------------------------------ */

static mr_op *new_op(mr_program *p, const mr_op_class *class, int node, int out)
{
    mr_op *op = &p->op[p->ops++];
    *op = (mr_op){.class = class,
                  .node = node,
                  .out = out,
                  .input = -1,
                  .layer = p->graph->node[node].layer,
                  .give = {.value = -1},
                  .take = {.value = out, .pending = -1, .store = -1},
                  .kept = -1,
                  .scratch = -1,
                  .backward_scratch = -1};
    if (out >= 0)
        p->value[out].maker = p->ops - 1;
    return op;
}

/* What NODE really reads: the image inside of an absorbed margin. */
static int read_by(const struct scan *s, int node)
{
    int source = s->g->node[node].input[0];
    return s->info[source].margin ? s->g->node[source].input[0] : source;
}

static void add_norm(struct scan *s, int node, int lazy, int source, float low, float high, bool norm)
{
    mr_program *p = s->p;
    mr_op *op = new_op(p, &mr_op_norm, node, -1);
    mr_norm_op *o = &op->norm;
    *o = (mr_norm_op){.value = lazy, .source = source, .index = {-1, -1, -1, -1}};
    if (!norm || !mr_batch_normalization_parts(op->layer, &o->epsilon, o->index))
        op->layer = NULL;
    o->batch = p->training && op->layer && op->layer->trainable && !s->g->node[node].inference;
    mr_value *v = &p->value[lazy];
    v->role = MR_ROLE_LAZY;
    v->source = source;
    v->norm = p->ops - 1;
    v->low = low;
    v->high = high;
    if (o->batch)
        p->value[source].wants_sums = true;
}

static void add_conv(struct scan *s, int node)
{
    mr_program *p = s->p;
    const struct info *n = &s->info[node];
    bool raw = p->training && is_clamped(n->low, n->high); /* the activation is its readers' */
    int out = raw ? p->graph->nodes + p->hidden : n->tail;
    mr_op *op = new_op(p, n->depthwise ? &mr_op_depthwise : &mr_op_conv, n->tail, out);
    op->layer = s->g->node[node].layer;
    op->input = read_by(s, node);
    op->conv = (mr_conv_op){.d = n->d,
                            .residual = -1,
                            .fold = n->fold,
                            .low = raw ? -INFINITY : n->low,
                            .high = raw ? INFINITY : n->high,
                            .bias = op->layer->params > 1,
                            .give_residual = {.value = -1},
                            .norm_by_weights = -1};
    if (n->add >= 0) {
        const mr_node *a = &s->g->node[n->add];
        int first = a->input[0];
        while (first > node && is_norm(s, first))
            first = s->g->node[first].input[0];
        op->conv.residual = a->input[first == node ? 1 : 0];
    }
    if (!raw)
        return;
    mr_value *hidden = &p->value[out];
    *hidden = p->value[node];
    hidden->maker = p->ops - 1;
    p->hidden++;
    add_norm(s, node, node, out, n->low, n->high, false);
}

static void add_pool(struct scan *s, int node)
{
    mr_op *op = new_op(s->p, &mr_op_pool, node, node);
    op->input = read_by(s, node);
    op->pool = (mr_pool_op){.p = s->info[node].p, .places = -1};
}

static int add_layer(struct scan *s, int node, mr_error *e)
{
    mr_op *op = new_op(s->p, &mr_op_layer, node, node);
    const mr_node *n = &s->g->node[node];
    mr_layer_op *o = &op->call;
    size_t inputs = (size_t)n->inputs, all = inputs * (size_t)s->p->slots;
    *o = (mr_layer_op){.input = n->input,
                       .give = calloc(inputs, sizeof *o->give),
                       .spare = calloc(inputs, sizeof *o->spare),
                       .in = calloc(all, sizeof *o->in),
                       .x = calloc(all, sizeof *o->x),
                       .dx = calloc(all, sizeof *o->dx),
                       .add_dx = calloc(all, sizeof *o->add_dx)};
    if (!o->in || !o->give || !o->spare || !o->x || !o->dx || !o->add_dx)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (size_t k = 0; k < all; k++)
        o->in[k] = batch_shape(s->p, n->input[k % inputs]);
    for (size_t k = 0; k < inputs; k++)
        o->give[k].value = o->spare[k] = -1;
    return 0;
}

static int add_operation(struct scan *s, int node, mr_error *e)
{
    mr_program *p = s->p;
    const mr_node *call = &s->g->node[node];
    const struct info *n = &s->info[node];
    mr_value *v = &p->value[node];
    if (call->inputs == 0)
        return 0;
    int conv = conv_ending_in(s, node);
    if (conv >= 0) {
        add_conv(s, conv);
    } else if (n->lazy_source >= 0) {
        add_norm(s, n->lazy_norm >= 0 ? n->lazy_norm : node, node, n->lazy_source, n->low, n->high,
                 n->lazy_norm >= 0);
    } else if (n->taken || n->margin) {
        v->role = MR_ROLE_INSIDE;
    } else if (is_alias(s, node)) {
        v->role = MR_ROLE_ALIAS;
        v->source = call->input[0];
    } else if (n->pool) {
        add_pool(s, node);
    } else
        return add_layer(s, node, e);
    return 0;
}

/* ---- all of it -------------------------------------------------------------- */

static int list_readers(struct scan *s, mr_error *e)
{
    int total = 0, nodes = s->g->nodes;
    for (int i = 0; i < nodes; i++)
        total += s->g->node[i].inputs;
    s->info = calloc((size_t)nodes + 1, sizeof *s->info);
    s->readers_of = calloc((size_t)total + 1, sizeof *s->readers_of);
    if (!s->info || !s->readers_of)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (int i = 0; i < nodes; i++)
        for (int k = 0; k < s->g->node[i].inputs; k++)
            s->info[s->g->node[i].input[k]].readers++;
    int *at = s->readers_of;
    for (int i = 0; i < nodes; i++) {
        s->info[i].reader = at;
        at += s->info[i].readers;
        s->info[i].readers = 0;
        s->info[i].fold = s->info[i].add = s->info[i].lazy_source = s->info[i].lazy_norm = -1;
        s->info[i].tail = i;
        s->info[i].low = -INFINITY;
        s->info[i].high = INFINITY;
    }
    for (int i = 0; i < nodes; i++)
        for (int k = 0; k < s->g->node[i].inputs; k++) {
            struct info *n = &s->info[s->g->node[i].input[k]];
            n->reader[n->readers++] = i;
        }
    for (int i = 0; i < s->p->outputs; i++)
        s->info[s->p->output[i]].output = true;
    return 0;
}

static int allocate(mr_program *p, mr_error *e)
{
    size_t nodes = (size_t)p->graph->nodes;
    p->values = 2 * p->graph->nodes; /* at most one hidden value for a node */
    p->value = calloc(2 * nodes + 1, sizeof *p->value);
    p->op = calloc(2 * nodes + 1, sizeof *p->op);
    if (!p->value || !p->op)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (size_t i = 0; i < 2 * nodes; i++) {
        mr_value *v = &p->value[i];
        *v = (mr_value){.role = MR_ROLE_STORED,
                        .source = -1,
                        .norm = -1,
                        .maker = -1,
                        .buffer = -1,
                        .sums = -1,
                        .gradient = -1,
                        .pending = -1,
                        .low = -INFINITY,
                        .high = INFINITY};
        if (i >= nodes)
            continue;
        const mr_shape *s = &p->graph->node[i].shape;
        v->sample = mr_shape_sample(s);
        v->channels = s->rank > 1 ? (int)s->dim[s->rank - 1] : 1;
    }
    return 0;
}

/* A residual is of the same type as what it is added to: their gradients are added, too. */
static void match_residuals(mr_program *p)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < p->ops; i++) {
            if (p->op[i].class != &mr_op_conv || p->op[i].conv.residual < 0)
                continue;
            mr_value *a = &p->value[p->op[i].out], *b = &p->value[mr_stored(p, p->op[i].conv.residual)];
            changed |= a->half != b->half;
            a->half = b->half = a->half && b->half;
        }
    }
}

/* Mixed precision: what convolutions and pools write for each other is kept in bf16. */
static void choose_types(mr_program *p)
{
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class == &mr_op_conv || p->op[i].class == &mr_op_pool)
            p->value[p->op[i].out].half = true;
    for (int i = 0; i < p->ops; i++)
        for (int k = 0; p->op[i].class == &mr_op_layer && k < p->graph->node[p->op[i].node].inputs; k++)
            p->value[mr_stored(p, p->op[i].call.input[k])].half = false;
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class == &mr_op_depthwise) {
            p->value[mr_stored(p, p->op[i].input)].half = false;
            if (p->op[i].conv.residual >= 0)
                p->value[mr_stored(p, p->op[i].conv.residual)].half = false;
        }
    for (int i = 0; i < p->outputs; i++)
        p->value[mr_stored(p, p->output[i])].half = false;
    if (p->training)
        match_residuals(p);
    for (int i = 0; i < p->values; i++)
        if (p->value[i].role == MR_ROLE_LAZY || p->value[i].role == MR_ROLE_ALIAS)
            p->value[i].half = p->value[mr_stored(p, i)].half;
}

int mr_program_assign(mr_program *p, mr_error *e)
{
    struct scan s = {.p = p, .g = p->graph};
    int status = allocate(p, e);
    if (!status)
        status = list_readers(&s, e);
    if (!status)
        find_roles(&s);
    for (int i = 0; i < p->graph->nodes && !status; i++)
        status = add_operation(&s, i, e);
    if (!status && p->mixed)
        choose_types(p);
    free(s.info);
    free(s.readers_of);
    return status;
}
