/* SPDX-License-Identifier: Apache-2.0 */
/* GaussianNoise (x + stddev*n), GaussianDropout (x * (1 + n*sqrt(rate/(1-rate)))), AlphaDropout (Klambauer et
 * al., 2017: a dropped element takes SELU's negative limit, then mean and variance are restored).
 * ActivityRegularization. Backward draws again what forward drew. */
#include "nn/layers/draw.h"
#include "nn/layers/layers.h"

#include <float.h>
#include <string.h>

struct noise {
    double amount; /* stddev, or rate */
};

enum { PIECE = 256 }; /* a multiple of 4, as draws come in fours */

/* Y of X for COUNT elements; FIRST: the number of the first one's draw. BACKWARD: x is dy, y is dx. */
typedef void noise_piece(const mr_call *c, size_t first, size_t count, const mr_real *x, mr_real *y,
                         bool backward);

static int configure_rate(mr_layer *l, const json_t *c, mr_error *e)
{
    double rate = ((const struct noise *)l->impl)->amount;
    (void)c;
    return rate < 1 ? 0 : mr_layer_invalid(l, e, "\"rate\" must be below 1");
}

static double amount_of(const mr_call *c)
{
    return ((const struct noise *)c->layer->impl)->amount;
}

/* Draws come in blocks of four: how many hold those of COUNT elements from FIRST on. */
static size_t blocks_of(size_t first, size_t count)
{
    return mr_ceil_divide(first % 4 + count, 4);
}

static void add_noise(const mr_call *c, size_t first, size_t count, const mr_real *x, mr_real *y,
                      bool backward)
{
    mr_real normals[PIECE + 4], *normal = normals + first % 4, stddev = backward ? 0 : (mr_real)amount_of(c);
    memset(normals, 0, sizeof normals);
    if (!backward)
        mr_draw_normals(c, first / 4, blocks_of(first, count), normals);
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] + normal[i] * stddev;
}

static void multiply_noise(const mr_call *c, size_t first, size_t count, const mr_real *x, mr_real *y,
                           bool backward)
{
    (void)backward;
    mr_real normals[PIECE + 4], *normal = normals + first % 4,
            stddev = (mr_real)sqrt(amount_of(c) / (1 - amount_of(c)));
    mr_draw_normals(c, first / 4, blocks_of(first, count), normals);
    for (size_t i = 0; i < count; i++)
        y[i] = x[i] * (1 + normal[i] * stddev);
}

static void alpha_dropout(const mr_call *c, size_t first, size_t count, const mr_real *x, mr_real *y,
                          bool backward)
{
    const double limit = -1.6732632423543772848 * 1.0507009873554804934; /* of SELU */
    double rate = amount_of(c), a = 1 / sqrt((1 - rate) * (1 + rate * limit * limit)), b = -a * limit * rate;
    uint32_t draws[PIECE + 4], *words = draws + first % 4, threshold = (uint32_t)(rate * 0x1p32);
    mr_real scale = (mr_real)a, shift = backward ? 0 : (mr_real)b,
            dropped = backward ? 0 : (mr_real)(a * limit + b);
    mr_draw_words(c, first / 4, blocks_of(first, count), draws);
    for (size_t i = 0; i < count; i++)
        y[i] = words[i] < threshold ? dropped : x[i] * scale + shift;
}

struct run {
    const mr_call *call;
    noise_piece *piece;
    const mr_real *from;
    mr_real *to;
    size_t length, pieces; /* of a sample, where other processes have some of the batch; else of the whole batch */
    bool backward, add;
};

static void run_piece(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct run *r = argument;
    size_t part = item / r->pieces, first = item % r->pieces * PIECE, count = mr_min(PIECE, r->length - first);
    size_t at = part * r->length + first, draw = mr_peers_sample(r->call->peers, part) * r->length + first;
    mr_real out[PIECE];
    r->piece(r->call, draw, count, r->from + at, out, r->backward);
    for (size_t i = 0; i < count; i++)
        r->to[at + i] = r->add ? r->to[at + i] + out[i] : out[i];
}

static void run_pieces(const mr_call *c, struct run r)
{
    size_t parts = c->peers ? (size_t)c->out.dim[0] : 1;
    r.length = mr_batch_count(&c->out) / parts;
    r.pieces = mr_ceil_divide(r.length, PIECE);
    mr_team_items(c->team, parts * r.pieces, run_piece, &r);
}

static void run_forward(const mr_call *c, noise_piece *piece)
{
    run_pieces(c, (struct run){.call = c, .piece = piece, .from = c->x[0], .to = c->y});
}

static void run_backward(const mr_call *c, noise_piece *piece)
{
    if (c->dx[0])
        run_pieces(c, (struct run){.call = c, .piece = piece, .from = c->dy, .to = c->dx[0], .backward = true,
                                   .add = c->add_dx[0]});
}

static void never_called(const mr_call *c)
{
    (void)c;
}

#define AMOUNT .read = mr_field_real, .offset = offsetof(struct noise, amount)
#define RATE {.key = "rate", AMOUNT, .fallback = 0.5, .high = 1}
static const mr_config_field stddev_fields[] = {
    {.key = "stddev", AMOUNT, .fallback = 1, .high = DBL_MAX}, {.key = "seed"}, {0}};
static const mr_config_field rate_fields[] = {RATE, {.key = "seed"}, {0}};
static const mr_config_field alpha_fields[] = {
    RATE, {.key = "seed"}, {.key = "noise_shape", .read = mr_field_unsupported}, {0}};
static const mr_config_field penalty_fields[] = {{.key = "l1"}, {.key = "l2"}, {0}};

#define NOISE(identifier, keras_name, rows, configure_function, piece)                                       \
    static void piece##_forward(const mr_call *c)                                                            \
    {                                                                                                        \
        run_forward(c, piece);                                                                               \
    }                                                                                                        \
    static void piece##_backward(const mr_call *c)                                                           \
    {                                                                                                        \
        run_backward(c, piece);                                                                              \
    }                                                                                                        \
    const mr_layer_class identifier = {.name = keras_name,                                                   \
                                       .size = sizeof(struct noise),                                         \
                                       .fields = rows,                                                       \
                                       .max_inputs = 1,                                                      \
                                       .in_place = true,                                                     \
                                       .identity_at_inference = true,                                        \
                                       .configure = configure_function,                                      \
                                       .output_shape = mr_same_shape,                                        \
                                       .forward = piece##_forward,                                           \
                                       .backward = piece##_backward}

NOISE(mr_layer_gaussian_noise, "GaussianNoise", stddev_fields, NULL, add_noise);
NOISE(mr_layer_gaussian_dropout, "GaussianDropout", rate_fields, configure_rate, multiply_noise);
NOISE(mr_layer_alpha_dropout, "AlphaDropout", alpha_fields, configure_rate, alpha_dropout);

const mr_layer_class mr_layer_activity_regularization = {.name = "ActivityRegularization",
                                                         .fields = penalty_fields,
                                                         .max_inputs = 1,
                                                         .alias = true,
                                                         .output_shape = mr_same_shape,
                                                         .forward = never_called};
const mr_layer_class mr_layer_identity = {.name = "Identity",
                                          .max_inputs = 1,
                                          .alias = true,
                                          .output_shape = mr_same_shape,
                                          .forward = never_called};
