/* SPDX-License-Identifier: Apache-2.0 */
/* Inference: a depthwise convolution with what was taken up around it, as conv_op.c; in float32, whatever the
 * policy: it is bound by memory, not by its products. */
#include "nn/fused/internal.h"
#include "nn/kernels/depthwise.h"

#include <string.h>

/* Packed: the kernel [r,s,c], then bias and factors [c]. */
static size_t kernel_floats(const mr_conv *d)
{
    return mr_whole_piece((size_t)d->r * (size_t)d->s * (size_t)d->c * sizeof(float)) / sizeof(float);
}

static int place(mr_program *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(op, p->batch);
    op->packed = p->packed_floats;
    p->packed_floats += kernel_floats(&d) + mr_whole_piece(2 * (size_t)d.c * sizeof(float)) / sizeof(float);
    mr_program_reads(p, number, op->conv.residual);
    op->scratch = mr_program_buffer(p, mr_depthwise_scratch(&d, 1), e);
    if (op->scratch < 0)
        return op->scratch;
    mr_program_live(p, op->scratch, number);
    return 0;
}

static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    size_t c = (size_t)d.c, count = (size_t)d.r * (size_t)d.s * c;
    float *kernel = packed + op->packed, *bias = kernel + kernel_floats(&d), *scale = bias + c;
    memcpy(kernel, mr_run_weight(r, op->layer, 0), count * sizeof *kernel);
    if (mr_conv_op_fold(r, op, scale, bias))
        for (size_t i = 0; i < count; i++)
            kernel[i] *= scale[i % c];
}

static void forward(const mr_run *r, const mr_op *op)
{
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    const float *kernel = r->p->packed + op->packed;
    mr_conv_input in = mr_run_input(r, op->input);
    mr_conv_output out = {.y = mr_run_value(r, op->out), .low = op->conv.low, .high = op->conv.high};
    if (op->conv.bias || op->conv.fold >= 0)
        out.bias = kernel + kernel_floats(&d);
    if (op->conv.residual >= 0)
        out.add = mr_run_value(r, op->conv.residual);
    mr_depthwise_run(&d, r->team, &in, kernel, &out, mr_run_buffer(r, op->scratch));
}

const mr_op_class mr_op_depthwise = {.name = "depthwise", .place = place, .pack = pack, .forward = forward};
