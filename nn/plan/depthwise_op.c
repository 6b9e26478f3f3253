/* SPDX-License-Identifier: Apache-2.0 */
/* Inference: a depthwise convolution with what it has absorbed, as conv_op.c; in float32, whatever the
 * policy: it is bound by memory, not by its products. */
#include "nn/kernels/depthwise.h"
#include "nn/plan/internal.h"

#include <string.h>

/* Packed: the kernel [r,s,c], then the normalisation's factors [c]: they are applied to the sums, as rounding
 * then is that of the layers one by one. */
static size_t kernel_floats(const mr_conv *d)
{
    return mr_whole_piece((size_t)d->r * (size_t)d->s * (size_t)d->c * sizeof(float)) / sizeof(float);
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(p, op, p->batch);
    op->packed = p->packed_floats;
    p->packed_floats += kernel_floats(&d) + mr_whole_piece(2 * (size_t)d.c * sizeof(float)) / sizeof(float);
    mr_plan_reads(p, number, op->conv.residual);
    return mr_plan_scratch(p, mr_depthwise_scratch(&d, 1), number, &op->scratch, e);
}

static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    mr_conv d = mr_conv_op_geometry(r->p, op, r->batch);
    float *kernel = packed + op->packed, *scale = kernel + kernel_floats(&d);
    memcpy(kernel, mr_run_weight(r, op->layer, 0), (size_t)d.r * (size_t)d.s * (size_t)d.c * sizeof *kernel);
    if (op->conv.fold >= 0)
        mr_norm_fold(r, r->p->graph->node[op->conv.fold].layer, scale, scale + d.c, (size_t)d.c);
}

static void forward(const mr_run *r, const mr_op *op)
{
    mr_conv d = mr_conv_op_geometry(r->p, op, r->batch);
    const float *kernel = r->p->packed + op->packed;
    mr_conv_input in = mr_run_input(r, op->input);
    mr_conv_output out = {.y = mr_run_numbers(r, op->out), .low = op->conv.low, .high = op->conv.high};
    const float *scale = op->conv.fold >= 0 ? kernel + kernel_floats(&d) : NULL;
    if (op->conv.bias)
        out.bias = mr_run_weight(r, op->layer, 1);
    if (op->conv.residual >= 0)
        out.add = mr_run_numbers(r, op->conv.residual);
    mr_depthwise_run(&d, r->team, &in, kernel, scale, scale ? scale + d.c : NULL, &out,
                     mr_run_buffer(r, op->scratch));
}

const mr_op_class mr_op_depthwise = {.name = "depthwise", .place = place, .pack = pack, .forward = forward};
