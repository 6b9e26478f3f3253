/* SPDX-License-Identifier: Apache-2.0 */
/* Formulas: keras/src/activations. At a kink the gradient is PyTorch's (0 for relu at 0). */
#include "nn/layers/activation.h"

#include "nn/compute/simd.h"
#include "nn/compute/vector_math.h"

#include <string.h>

#define R(number) ((mr_real)(number))

/* NAME_forward and NAME_backward from expressions in X (the input), Y (the output) and A (the numbers). X is
 * only read by a FROM_X gradient, Y by a FROM_Y one. */
#define FORWARD(name, value)                                                                                 \
    MR_CLONES static void name##_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, \
                                         size_t row)                                                         \
    {                                                                                                        \
        const mr_real slope = (mr_real)a->slope, maximum = (mr_real)a->maximum,                              \
                      threshold = (mr_real)a->threshold;                                                     \
        (void)slope, (void)maximum, (void)threshold, (void)row;                                              \
        _Pragma("omp simd") for (size_t i = 0; i < count; i++)                                               \
        {                                                                                                    \
            const mr_real X = x[i];                                                                          \
            y[i] = value;                                                                                    \
        }                                                                                                    \
    }
#define BACKWARD(name, read, factor)                                                                         \
    MR_CLONES static void name##_backward(const mr_activation *a, const mr_real *x, const mr_real *y,        \
                                          const mr_real *dy, mr_real *dx, size_t count, size_t row)          \
    {                                                                                                        \
        const mr_real slope = (mr_real)a->slope, maximum = (mr_real)a->maximum,                              \
                      threshold = (mr_real)a->threshold;                                                     \
        (void)slope, (void)maximum, (void)threshold, (void)row, (void)x, (void)y;                            \
        _Pragma("omp simd") for (size_t i = 0; i < count; i++)                                               \
        {                                                                                                    \
            read;                                                                                            \
            dx[i] = dy[i] * (factor);                                                                        \
        }                                                                                                    \
    }
#define FROM_X const mr_real X = x[i]
#define FROM_Y const mr_real Y = y[i]

/* ---- the identity */

void mr_linear_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row)
{
    (void)a, (void)row;
    if (x != y)
        memcpy(y, x, count * sizeof *y);
}

static void linear_backward(const mr_activation *a, const mr_real *x, const mr_real *y, const mr_real *dy,
                            mr_real *dx, size_t count, size_t row)
{
    (void)a, (void)x, (void)y, (void)row;
    if (dx != dy)
        memcpy(dx, dy, count * sizeof *dx);
}

/* ---- piecewise linear */

/* NaN must stay NaN, so comparisons are written to fall through to X. */
static inline mr_real clip(mr_real x, mr_real low, mr_real high)
{
    return x < low ? low : x > high ? high : x;
}

FORWARD(relu, X < 0 ? 0 : X)
BACKWARD(relu, FROM_Y, Y > 0)
FORWARD(leaky_relu, X < 0 ? slope * X : X)
BACKWARD(leaky_relu, FROM_Y, Y > 0 ? 1 : slope)
FORWARD(relu6, clip(X, 0, 6))
BACKWARD(relu6, FROM_Y, (Y > 0) & (Y < 6))
FORWARD(general_relu, X <= threshold           ? slope * (X - threshold)
                      : maximum == R(INFINITY) ? X
                                               : clip(X, 0, maximum))
BACKWARD(general_relu, FROM_X,
         X <= threshold           ? slope
         : maximum == R(INFINITY) ? 1
                                  : R((X > 0) & (X < maximum)))
FORWARD(hard_sigmoid, clip(X + 3, 0, 6) / 6)
BACKWARD(hard_sigmoid, FROM_Y, (Y > 0) & (Y < 1) ? R(1.0 / 6) : 0)
FORWARD(hard_sigmoid_keras2, clip(R(0.2) * X + R(0.5), 0, 1))
BACKWARD(hard_sigmoid_keras2, FROM_Y, (Y > 0) & (Y < 1) ? R(0.2) : 0)
FORWARD(hard_silu, X *(clip(X + 3, 0, 6) / 6))
BACKWARD(hard_silu, FROM_X, X <= -3 ? 0 : X >= 3 ? 1 : X / 3 + R(0.5))
FORWARD(hard_tanh, clip(X, -1, 1))
BACKWARD(hard_tanh, FROM_Y, (Y > -1) & (Y < 1))
FORWARD(hard_shrink, (X <= threshold) & (X >= -threshold) ? 0 : X)
BACKWARD(hard_shrink, FROM_Y, (Y != 0))
FORWARD(soft_shrink, X > threshold ? X - threshold : X < -threshold ? X + threshold : X - X)
BACKWARD(soft_shrink, FROM_Y, (Y != 0))
FORWARD(sparse_sigmoid, clip(R(0.5) * (X + 1), 0, 1))
BACKWARD(sparse_sigmoid, FROM_Y, (Y > 0) & (Y < 1) ? R(0.5) : 0)
FORWARD(sparse_plus, X <= -1 ? 0 : X >= 1 ? X : R(0.25) * (X + 1) * (X + 1))
BACKWARD(sparse_plus, FROM_Y, Y >= 1 ? 1 : MR_REAL(sqrt)(Y))

/* ---- smooth */

#define SELU_ALPHA R(1.6732632423543772848170429916717)
#define SELU_SCALE R(1.0507009873554804934193349852946)

static inline mr_real softplus(mr_real x)
{
    mr_real tail = MR_REAL(log1p)(MR_REAL(exp)(-MR_REAL(fabs)(x)));
    return x > 0 ? x + tail : tail;
}

static inline mr_real normal_cdf(mr_real x)
{
    return R(0.5) * MR_REAL(erfc)(-x * R(M_SQRT1_2));
}

static inline mr_real normal_density(mr_real x)
{
    return R(0.3989422804014327) * MR_REAL(exp)(R(-0.5) * x * x);
}

/* The tanh inside GELU's approximation. */
static inline mr_real gelu_tanh(mr_real x)
{
    return mr_tanh(R(0.7978845608028654) * (x + R(0.044715) * x * x * x));
}

static inline mr_real gelu_approximate_slope(mr_real x)
{
    x = clip(x, -100, 100); /* beyond, nothing changes but that squares overflow */
    mr_real t = gelu_tanh(x);
    return R(0.5) * (1 + t) +
           R(0.5) * x * (1 - t * t) * R(0.7978845608028654) * (1 + R(3 * 0.044715) * x * x);
}

static inline mr_real silu_slope(mr_real x)
{
    mr_real s = mr_sigmoid(x);
    return s * (1 + x * (1 - s));
}

static inline mr_real mish_slope(mr_real x)
{
    mr_real t = mr_tanh(softplus(x));
    return t + x * (1 - t * t) * mr_sigmoid(x);
}

static inline mr_real square(mr_real x)
{
    return x * x;
}

FORWARD(elu, X > 0 ? X : slope * MR_REAL(expm1)(X))
BACKWARD(elu, FROM_Y, Y > 0 ? 1 : Y + slope)
FORWARD(selu, X > 0 ? SELU_SCALE * X : SELU_SCALE * SELU_ALPHA * MR_REAL(expm1)(X))
BACKWARD(selu, FROM_Y, Y > 0 ? SELU_SCALE : Y + SELU_SCALE * SELU_ALPHA)
FORWARD(softplus, softplus(X))
BACKWARD(softplus, FROM_Y, -MR_REAL(expm1)(-Y))
FORWARD(log_sigmoid, -softplus(-X))
BACKWARD(log_sigmoid, FROM_Y, -MR_REAL(expm1)(Y))
FORWARD(softsign, X / (1 + MR_REAL(fabs)(X)))
BACKWARD(softsign, FROM_Y, square(1 - MR_REAL(fabs)(Y)))
FORWARD(tanh, mr_tanh(X))
BACKWARD(tanh, FROM_Y, 1 - Y * Y)
FORWARD(tanh_shrink, X - mr_tanh(X))
BACKWARD(tanh_shrink, FROM_X, square(mr_tanh(X)))
FORWARD(sigmoid, mr_sigmoid(X))
BACKWARD(sigmoid, FROM_Y, Y *(1 - Y))
FORWARD(silu, X *mr_sigmoid(X))
BACKWARD(silu, FROM_X, silu_slope(X))
FORWARD(gelu, X *normal_cdf(X))
BACKWARD(gelu, FROM_X, normal_cdf(X) + X * normal_density(X))
FORWARD(gelu_approximate, R(0.5) * X * (1 + gelu_tanh(X)))
BACKWARD(gelu_approximate, FROM_X, gelu_approximate_slope(X))
FORWARD(mish, X *mr_tanh(softplus(X)))
BACKWARD(mish, FROM_X, mish_slope(X))
FORWARD(exponential, MR_REAL(exp)(X))
BACKWARD(exponential, FROM_Y, Y)
FORWARD(squareplus, R(0.5) * (X + MR_REAL(sqrt)(X * X + 4)))
BACKWARD(squareplus, FROM_X, R(0.5) * (1 + X / MR_REAL(sqrt)(X * X + 4)))

/* ---- over rows */

/* A fixed tree of 16 partial results, which vectors can hold. */
static inline mr_real row_maximum(const mr_real *x, size_t n)
{
    mr_real m = x[0];
    for (size_t i = 1; i < n; i++)
        m = x[i] > m || x[i] != x[i] ? x[i] : m;
    return m;
}

/* y = exp(x - shift); returns the sum. */
MR_CLONES static mr_real exponentials(const mr_real *x, mr_real *y, size_t n, mr_real shift)
{
    mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        mr_real e = mr_exp_negative(x[i] - shift);
        y[i] = e;
        sum += e;
    }
    return sum;
}

MR_CLONES static mr_real dot(const mr_real *a, const mr_real *b, size_t n)
{
    mr_real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void softmax_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row)
{
    (void)a;
    for (size_t r = 0; r < count; r += row) {
        mr_real scale = 1 / exponentials(x + r, y + r, row, row_maximum(x + r, row));
        for (size_t i = 0; i < row; i++)
            y[r + i] *= scale;
    }
}

static void softmax_backward(const mr_activation *a, const mr_real *x, const mr_real *y, const mr_real *dy,
                             mr_real *dx, size_t count, size_t row)
{
    (void)a, (void)x;
    for (size_t r = 0; r < count; r += row) {
        mr_real mean = dot(y + r, dy + r, row);
        for (size_t i = r; i < r + row; i++)
            dx[i] = y[i] * (dy[i] - mean);
    }
}

static void log_softmax_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count,
                                size_t row)
{
    (void)a;
    for (size_t r = 0; r < count; r += row) {
        mr_real shift = row_maximum(x + r, row), sum = 0;
        for (size_t i = 0; i < row; i++)
            sum += mr_exp_negative(x[r + i] - shift);
        const mr_real rest = MR_REAL(log)(sum); /* added to a large SHIFT it would be rounded away */
        for (size_t i = 0; i < row; i++)
            y[r + i] = x[r + i] - shift - rest;
    }
}

static void log_softmax_backward(const mr_activation *a, const mr_real *x, const mr_real *y,
                                 const mr_real *dy, mr_real *dx, size_t count, size_t row)
{
    (void)a, (void)x;
    for (size_t r = 0; r < count; r += row) {
        mr_real sum = 0;
        for (size_t i = r; i < r + row; i++)
            sum += dy[i];
        for (size_t i = r; i < r + row; i++)
            dx[i] = dy[i] - mr_exp_negative(y[i]) * sum;
    }
}

/* ---- the table */

#define Y_ALONE(text, function, ...)                                                                         \
    {                                                                                                        \
        .name = text, .forward = function##_forward, .backward = function##_backward, .needs_y = true,       \
        __VA_ARGS__                                                                                          \
    }
#define X_ALONE(text, function, ...)                                                                         \
    {                                                                                                        \
        .name = text, .forward = function##_forward, .backward = function##_backward, .needs_x = true,       \
        __VA_ARGS__                                                                                          \
    }

const mr_activation mr_activations[] = {
    {.name = "linear", .forward = mr_linear_forward, .backward = linear_backward},
    Y_ALONE("relu", relu),
    Y_ALONE("relu6", relu6),
    Y_ALONE("leaky_relu", leaky_relu, .slope = 0.2),
    Y_ALONE("elu", elu, .slope = 1),
    Y_ALONE("celu", elu, .slope = 1),
    Y_ALONE("selu", selu),
    Y_ALONE("softplus", softplus),
    Y_ALONE("log_sigmoid", log_sigmoid),
    Y_ALONE("softsign", softsign),
    Y_ALONE("tanh", tanh),
    X_ALONE("tanh_shrink", tanh_shrink),
    Y_ALONE("sigmoid", sigmoid),
    Y_ALONE("hard_sigmoid", hard_sigmoid),
    /* What Keras 1 and 2 call hard_sigmoid: readers of their files rename it. */
    Y_ALONE("hard_sigmoid_keras2", hard_sigmoid_keras2),
    X_ALONE("silu", silu),
    X_ALONE("swish", silu),
    X_ALONE("hard_silu", hard_silu),
    X_ALONE("hard_swish", hard_silu),
    X_ALONE("gelu", gelu),
    X_ALONE("gelu_approximate", gelu_approximate),
    X_ALONE("mish", mish),
    Y_ALONE("exponential", exponential),
    Y_ALONE("hard_tanh", hard_tanh),
    Y_ALONE("hard_shrink", hard_shrink, .threshold = 0.5),
    Y_ALONE("soft_shrink", soft_shrink, .threshold = 0.5),
    X_ALONE("squareplus", squareplus),
    Y_ALONE("sparse_plus", sparse_plus),
    Y_ALONE("sparse_sigmoid", sparse_sigmoid),
    Y_ALONE("softmax", softmax, .by_rows = true),
    Y_ALONE("log_softmax", log_softmax, .by_rows = true),
    {.name = NULL},
};

const mr_activation mr_general_relu = X_ALONE("relu", general_relu, .maximum = INFINITY);
