/* SPDX-License-Identifier: Apache-2.0 */
/* The sums that a normalisation in front of a convolution needs, without the gradient by the convolution's
 * input.
 *
 * A network that begins with a BatchNormalization wants d/dgamma and d/dbeta, but nobody wants the gradient
 * by the images: forming it is as many multiply-adds as the convolution has, on 3 channels of a vector's 16.
 * With u = x - mean, the convolution reads scale*u + offset inside of the image and 0 outside. Let U[r,s,c,k]
 * be the weight gradient for the input u, and O[r,s,k] that for an input that is 1 inside. Then dw[r,s,c,k] =
 * scale[c] * U[r,s,c,k] + offset[c] * O[r,s,k] sum of g, over pixels, g being the gradient by the lazy value:
 * sum over r,s,k of w * O sum of g * (x - mean):                                           sum over r,s,k of
 * w * U so one weight gradient with one more channel gives all of it, and nothing is divided by a gamma that
 * may be 0. */
#include "nn/plan/internal.h"

#include <string.h>

mr_conv mr_norm_by_weights_geometry(const mr_conv *d)
{
    mr_conv wide = *d;
    wide.c++;
    return wide;
}

static size_t piece(size_t bytes)
{
    return (bytes + MR_BUFFER_ALIGNMENT - 1) / MR_BUFFER_ALIGNMENT * MR_BUFFER_ALIGNMENT;
}

static size_t weights_of(const mr_conv *d)
{
    return (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
}

static size_t pixels_of(const mr_conv *d)
{
    return (size_t)d->n * (size_t)d->h * (size_t)d->w;
}

size_t mr_norm_by_weights_scratch(const mr_conv *d, int threads, bool mixed)
{
    mr_conv wide = mr_norm_by_weights_geometry(d);
    return piece(pixels_of(&wide) * (size_t)wide.c * sizeof(float)) +
           piece(weights_of(&wide) * sizeof(float)) +
           (mixed ? mr_mixed_backward_scratch : mr_conv_backward_scratch)(&wide, threads);
}

struct widen {
    const float *x, *mean;
    float *out;
    size_t c;
};

/* Each pixel: its channels less their means, then 1. */
static void widen_pixels(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct widen *s = argument;
    for (size_t i = first; i < end; i++) {
        float *out = s->out + i * (s->c + 1);
        for (size_t c = 0; c < s->c; c++)
            out[c] = s->x[i * s->c + c] - s->mean[c];
        out[s->c] = 1;
    }
}

/* WIDE [r*s][c+1][k], as at the top of the file. */
static void take_apart(const mr_conv *d, const float *wide, const float *w, const mr_norm_factors *f,
                       float *dw)
{
    size_t c_all = (size_t)d->c, k_all = (size_t)d->k, taps = (size_t)d->r * (size_t)d->s;
    memset(f->sums, 0, 2 * c_all * sizeof *f->sums);
    for (size_t tap = 0; tap < taps; tap++) {
        const float *u = wide + tap * (c_all + 1) * k_all, *ones = u + c_all * k_all;
        for (size_t c = 0; c < c_all; c++, u += k_all) {
            size_t at = (tap * c_all + c) * k_all;
            float offset = f->shift[c] + f->scale[c] * f->centre[c];
            for (size_t k = 0; k < k_all; k++) {
                f->sums[c] += (double)w[at + k] * (double)ones[k];
                f->sums[c_all + c] += (double)w[at + k] * (double)u[k];
                if (dw)
                    dw[at + k] += f->scale[c] * u[k] + offset * ones[k];
            }
        }
    }
}

void mr_norm_by_weights(const mr_conv *d, mr_team *team, const mr_conv_gradient *g,
                        const mr_mixed_gradient *mixed, const float *x, const float *w,
                        const mr_norm_factors *f, float *dw, float *dbias, void *scratch)
{
    mr_conv wide = mr_norm_by_weights_geometry(d);
    char *at = scratch;
    float *input = (float *)at, *sums;
    at += piece(pixels_of(&wide) * (size_t)wide.c * sizeof(float));
    sums = (float *)at;
    at += piece(weights_of(&wide) * sizeof(float));
    struct widen s = {x, f->centre, input, (size_t)d->c};
    mr_team_ranges(team, pixels_of(d), 1024, widen_pixels, &s);
    memset(sums, 0, weights_of(&wide) * sizeof *sums);
    mr_conv_input in = {.x = input, .low = -INFINITY, .high = INFINITY};
    mr_mixed_input in_mixed = {.x = {input, false}, .low = -INFINITY, .high = INFINITY};
    if (mixed)
        mr_mixed_backward(&wide, team, mixed, &in_mixed, NULL, sums, dbias, NULL, at);
    else
        mr_conv_backward(&wide, team, g, &in, NULL, sums, dbias, NULL, at);
    take_apart(d, sums, w, f, dw);
}
