/* SPDX-License-Identifier: Apache-2.0 */
/* RandomContrast, per channel (x - mean) * f + mean, and RandomBrightness, x + f * (high - low); both cut to
 * value_range. In training f is drawn for each image; at inference they are the identity. */
#include "nn/layers/draw.h"
#include "nn/layers/layers.h"

#include <string.h>

struct colour {
    double factor[2], range[2];
};

static int read_pair(const mr_layer *l, const json_t *v, const char *key, double out[2], mr_error *e)
{
    if (json_array_size(v) != 2 || !json_is_number(json_array_get(v, 0)) ||
        !json_is_number(json_array_get(v, 1)))
        return mr_layer_invalid(l, e, "\"%s\" is not a list of two numbers", key);
    out[0] = json_number_value(json_array_get(v, 0));
    out[1] = json_number_value(json_array_get(v, 1));
    return 0;
}

static int read_colour(mr_layer *l, const json_t *c, double sign, mr_error *e)
{
    struct colour *p = l->impl;
    const json_t *factor = json_object_get(c, "factor"), *range = json_object_get(c, "value_range");
    p->range[1] = 255;
    int status = 0;
    if (json_is_number(factor)) {
        p->factor[1] = fabs(json_number_value(factor));
        p->factor[0] = sign * p->factor[1];
    } else {
        status = read_pair(l, factor, "factor", p->factor, e);
    }
    if (!status && range && !json_is_null(range))
        status = read_pair(l, range, "value_range", p->range, e);
    if (!status && !(p->range[0] < p->range[1]))
        status = mr_layer_invalid(l, e, "\"value_range\" is empty");
    return status;
}

/* A single number f of RandomContrast means 1-f to 1+f. */
static int configure_contrast(mr_layer *l, const json_t *c, mr_error *e)
{
    return read_colour(l, c, 1, e);
}
static int configure_brightness(mr_layer *l, const json_t *c, mr_error *e)
{
    return read_colour(l, c, -1, e);
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int status = mr_layer_check_rank(l, in, 4, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

/* y = cut(x * factor + shift[channel]) for one image. */
struct change {
    double factor, shift;
};

static double draw_factor(const mr_call *c, size_t sample, double low, double high)
{
    mr_philox g;
    mr_draw_sample(c, sample, &g);
    return mr_philox_uniform(&g, low, high);
}

static double channel_mean(const mr_real *x, size_t pixels, size_t channels)
{
    double sum = 0;
    for (size_t p = 0; p < pixels; p++)
        sum += (double)x[p * channels];
    return sum / (double)pixels;
}

/* The change of one channel; X: its first number. */
typedef struct change change_of(const mr_call *c, double factor, const mr_real *x, size_t pixels,
                                size_t channels);

static struct change contrast(const mr_call *c, double factor, const mr_real *x, size_t pixels,
                              size_t channels)
{
    (void)c;
    return (struct change){factor, channel_mean(x, pixels, channels) * (1 - factor)};
}

static struct change brightness(const mr_call *c, double factor, const mr_real *x, size_t pixels,
                                size_t channels)
{
    const struct colour *p = c->layer->impl;
    (void)x, (void)pixels, (void)channels;
    return (struct change){1, factor * (p->range[1] - p->range[0])};
}

struct run {
    const mr_call *call;
    change_of *change;
    double low, high; /* of the factor */
    bool mean_moves;  /* the shift depends on x (contrast) */
    size_t pixels, channels;
};

static mr_real cut(double v, const double range[2])
{
    return (mr_real)(v < range[0] ? range[0] : v > range[1] ? range[1] : v);
}

static void forward_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct run *r = argument;
    const struct colour *p = r->call->layer->impl;
    size_t at = n * r->pixels * r->channels;
    double factor = draw_factor(r->call, n, r->low, r->high);
    for (size_t c = 0; c < r->channels; c++) {
        const mr_real *x = r->call->x[0] + at + c;
        mr_real *y = r->call->y + at + c;
        struct change k = r->change(r->call, factor, x, r->pixels, r->channels);
        for (size_t i = 0; i < r->pixels * r->channels; i += r->channels)
            y[i] = cut((double)x[i] * k.factor + k.shift, p->range);
    }
}

/* Where nothing was cut off, dx = dy * factor, and through the mean (1 - factor) * mean of those dy. */
static void backward_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct run *r = argument;
    const struct colour *p = r->call->layer->impl;
    size_t at = n * r->pixels * r->channels, size = r->pixels * r->channels;
    double factor = draw_factor(r->call, n, r->low, r->high);
    for (size_t c = 0; c < r->channels; c++) {
        const mr_real *x = r->call->x[0] + at + c, *dy = r->call->dy + at + c;
        mr_real *dx = r->call->dx[0] + at + c;
        struct change k = r->change(r->call, factor, x, r->pixels, r->channels);
        double sum = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < size; i += r->channels) {
                double v = (double)x[i] * k.factor + k.shift;
                double g = v > p->range[0] && v < p->range[1] ? (double)dy[i] : 0;
                if (pass == 0)
                    sum += g;
                else
                    dx[i] = (mr_real)((r->call->add_dx[0] ? (double)dx[i] : 0) + g * k.factor +
                                      (r->mean_moves ? (1 - factor) * sum / (double)r->pixels : 0));
            }
    }
}

static struct run run_of(const mr_call *c, change_of *change, double low, double high, bool mean_moves)
{
    size_t channels = mr_last_dim(&c->in[0]);
    return (struct run){c, change, low, high, mean_moves, mr_shape_sample(&c->in[0]) / channels, channels};
}

static struct run contrast_run(const mr_call *c)
{
    const struct colour *p = c->layer->impl;
    return run_of(c, contrast, 1 - p->factor[0], 1 + p->factor[1], true);
}

static struct run brightness_run(const mr_call *c)
{
    const struct colour *p = c->layer->impl;
    return run_of(c, brightness, p->factor[0], p->factor[1], false);
}

static void forward(const mr_call *c, struct run r)
{
    mr_team_items(c->team, (size_t)c->batch, forward_sample, &r);
}

static void backward(const mr_call *c, struct run r)
{
    if (c->dx[0])
        mr_team_items(c->team, (size_t)c->batch, backward_sample, &r);
}

static void forward_contrast(const mr_call *c)
{
    forward(c, contrast_run(c));
}
static void backward_contrast(const mr_call *c)
{
    backward(c, contrast_run(c));
}
static void forward_brightness(const mr_call *c)
{
    forward(c, brightness_run(c));
}
static void backward_brightness(const mr_call *c)
{
    backward(c, brightness_run(c));
}

static const mr_config_field fields[] = {{.key = "factor"}, {.key = "value_range"}, {.key = "seed"}, {0}};

#define COLOUR                                                                                               \
    .size = sizeof(struct colour), .fields = fields, .max_inputs = 1,                \
    .in_place = true, .needs_x = true, .identity_at_inference = true, .output_shape = output_shape

const mr_layer_class mr_layer_random_contrast = {.name = "RandomContrast",
                                                 .configure = configure_contrast,
                                                 .forward = forward_contrast,
                                                 .backward = backward_contrast,
                                                 COLOUR};
const mr_layer_class mr_layer_random_brightness = {.name = "RandomBrightness",
                                                   .configure = configure_brightness,
                                                   .forward = forward_brightness,
                                                   .backward = backward_brightness,
                                                   COLOUR};
