/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and pools of a program in mixed precision. */
#include "nn/fused/internal.h"

static mr_mixed_input input_of(const mr_run *r, int v)
{
    mr_conv_input in = mr_run_input(r, v);
    return (mr_mixed_input){mr_run_numbers(r, v), in.scale, in.shift, in.low, in.high};
}

static int new_scratch(mr_program *p, size_t bytes, int time, int *buffer, mr_error *e)
{
    *buffer = mr_program_buffer(p, bytes, e);
    if (*buffer < 0)
        return *buffer;
    mr_program_live(p, *buffer, time);
    return 0;
}

/* ---- convolutions ------------------------------------------------------------ */

static size_t packed_bytes(const mr_conv *d)
{
    return mr_whole_piece(mr_mixed_packed(d) * sizeof(mr_bf16));
}

static int place_conv(mr_program *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(op, p->batch);
    size_t scratch = mr_mixed_scratch(&d, p->training ? mr_team_size(p->team) : 1);
    mr_program_reads(p, number, op->conv.residual);
    op->packed = p->packed_floats;
    p->packed_floats += packed_bytes(&d) / sizeof(float) + 2 * (size_t)d.k; /* weights, bias, scale */
    return new_scratch(p, scratch, number, &op->scratch, e);
}

/* As conv_op.c's. */
static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    packed += op->packed;
    float *bias = packed + packed_bytes(&d) / sizeof(float), *scale = bias + d.k;
    bool folded = mr_conv_op_fold(r, op, scale, bias);
    mr_mixed_pack(&d, r->team, mr_run_weight(r, op->layer, 0), folded ? scale : NULL, (mr_bf16 *)packed);
}

static void forward_conv(const mr_run *r, const mr_op *op)
{
    const mr_program *p = r->p;
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    const float *packed = p->packed + op->packed;
    mr_mixed_input in = input_of(r, op->input);
    mr_mixed_output out = {.y = mr_run_numbers(r, op->out),
                           .low = op->conv.low,
                           .high = op->conv.high,
                           .sums = mr_run_buffer(r, p->value[op->out].sums)};
    if (op->conv.residual >= 0)
        out.add = mr_run_numbers(r, op->conv.residual);
    if (op->conv.bias || op->conv.fold >= 0)
        out.bias = packed + packed_bytes(&d) / sizeof(float);
    mr_mixed_forward(&d, r->team, &in, (const mr_bf16 *)packed, &out, mr_run_buffer(r, op->scratch));
}

const mr_op_class mr_op_mixed_conv = {
    .name = "mixed conv", .takes_pending = true, .place = place_conv, .pack = pack, .forward = forward_conv};

/* ---- pools --------------------------------------------------------------------- */

static mr_pool pool_geometry(const mr_op *op, int batch)
{
    mr_pool g = op->pool.p;
    g.window.n = batch;
    return g;
}

static int place_pool(mr_program *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_pool g = pool_geometry(op, p->batch);
    return new_scratch(p, mr_mixed_pool_scratch(&g, p->training ? mr_team_size(p->team) : 1), number,
                       &op->scratch, e);
}

static void forward_pool(const mr_run *r, const mr_op *op)
{
    mr_pool g = pool_geometry(op, r->batch);
    mr_mixed_input in = input_of(r, op->input);
    mr_mixed_pool_forward(&g, r->team, &in, mr_run_numbers(r, op->out), mr_run_buffer(r, op->pool.places),
                          mr_run_buffer(r, r->p->value[op->out].sums), mr_run_buffer(r, op->scratch));
}

const mr_op_class mr_op_mixed_pool = {
    .name = "mixed pool", .takes_pending = true, .place = place_pool, .forward = forward_pool};
