/* SPDX-License-Identifier: Apache-2.0 */
/* RandomFlip, RandomRotation, RandomZoom, RandomTranslation: in training each image is drawn a
 * transformation; at inference they are the identity. The matrices are Keras's. */
#include "nn/layers/draw.h"
#include "nn/layers/layers.h"
#include "nn/layers/warp.h"

struct geometry {
    mr_layer_warp warp;
    int mode;                   /* RandomFlip */
    double rows[2], columns[2]; /* drawn between these: rotation (rows alone), zoom, translation */
    bool same;                  /* RandomZoom without a width_factor: the columns as the rows */
};

/* --- configurations -------------------------------------------------------- */

/* A number f (from -f to f) or [low, high], each between -1 and 1. */
static int read_factor(const mr_layer *l, const json_t *c, const char *key, double out[2], mr_error *e)
{
    const json_t *v = json_object_get(c, key);
    if (json_is_number(v)) {
        out[1] = fabs(json_number_value(v));
        out[0] = -out[1];
    } else if (json_array_size(v) == 2 && json_is_number(json_array_get(v, 0)) &&
               json_is_number(json_array_get(v, 1))) {
        double a = json_number_value(json_array_get(v, 0)), b = json_number_value(json_array_get(v, 1));
        out[0] = a < b ? a : b;
        out[1] = a < b ? b : a;
    } else {
        return mr_layer_invalid(l, e, "\"%s\" is neither a number nor a list of two", key);
    }
    return out[0] >= -1 && out[1] <= 1 ? 0 : mr_layer_invalid(l, e, "\"%s\" is not between -1 and 1", key);
}

static int read_warp(mr_layer *l, const json_t *c, mr_error *e)
{
    struct geometry *p = l->impl;
    int interpolation, fill;
    double value;
    int status = mr_config_channels_last(l, c, e);
    if (!status)
        status =
            mr_config_choice(l, c, "interpolation", mr_interpolation_names, MR_BILINEAR, &interpolation, e);
    if (!status)
        status = mr_config_choice(l, c, "fill_mode", mr_fill_names, MR_FILL_REFLECTED, &fill, e);
    if (!status)
        status = mr_config_real(l, c, "fill_value", 0, &value, e);
    if (status)
        return status;
    p->warp = (mr_layer_warp){(mr_interpolation)interpolation, (mr_fill)fill, (mr_real)value, NULL};
    return 0;
}

static double draw_between(mr_philox *g, const double range[2])
{
    return mr_philox_uniform(g, range[0], range[1]);
}

/* --- the transformations ---------------------------------------------------- */

static mr_affine draw_flip(const mr_call *c, size_t sample)
{
    const struct geometry *p = c->layer->impl;
    mr_affine a = {{1, 0, 0}, {0, 1, 0}};
    mr_philox g;
    mr_draw_sample(c, sample, &g);
    bool across = mr_philox_u32(&g) & 1, down = mr_philox_u32(&g) & 1;
    if (across && p->mode != 1) {
        a.x[0] = -1;
        a.x[2] = (double)c->in[0].dim[2] - 1;
    }
    if (down && p->mode != 0) {
        a.y[1] = -1;
        a.y[2] = (double)c->in[0].dim[1] - 1;
    }
    return a;
}

/* About the middle; the factor is a share of a full turn, counter-clockwise. */
static mr_affine draw_rotation(const mr_call *c, size_t sample)
{
    const struct geometry *p = c->layer->impl;
    double h = (double)c->in[0].dim[1] - 1, w = (double)c->in[0].dim[2] - 1;
    mr_philox g;
    mr_draw_sample(c, sample, &g);
    double angle = 2 * M_PI * draw_between(&g, p->rows), s = sin(angle), t = cos(angle);
    return (mr_affine){{t, -s, (w - (t * w - s * h)) / 2}, {s, t, (h - (s * w + t * h)) / 2}};
}

/* A positive factor zooms out. */
static mr_affine draw_zoom(const mr_call *c, size_t sample)
{
    const struct geometry *p = c->layer->impl;
    double h = (double)c->in[0].dim[1] - 1, w = (double)c->in[0].dim[2] - 1;
    mr_philox g;
    mr_draw_sample(c, sample, &g);
    double rows = 1 + draw_between(&g, p->rows), columns = p->same ? rows : 1 + draw_between(&g, p->columns);
    return (mr_affine){{columns, 0, w / 2 * (1 - columns)}, {0, rows, h / 2 * (1 - rows)}};
}

/* A positive factor moves the image down, to the right. */
static mr_affine draw_translation(const mr_call *c, size_t sample)
{
    const struct geometry *p = c->layer->impl;
    mr_philox g;
    mr_draw_sample(c, sample, &g);
    double rows = draw_between(&g, p->rows) * (double)c->in[0].dim[1];
    double columns = draw_between(&g, p->columns) * (double)c->in[0].dim[2];
    return (mr_affine){{1, 0, -columns}, {0, 1, -rows}};
}

static int configure_flip(mr_layer *l, const json_t *c, mr_error *e)
{
    struct geometry *p = l->impl;
    int status = read_warp(l, c, e);
    p->warp.draw = draw_flip;
    return status;
}

static int configure_rotation(mr_layer *l, const json_t *c, mr_error *e)
{
    struct geometry *p = l->impl;
    int status = read_warp(l, c, e);
    p->warp.draw = draw_rotation;
    return status ? status : read_factor(l, c, "factor", p->rows, e);
}

static int configure_zoom(mr_layer *l, const json_t *c, mr_error *e)
{
    struct geometry *p = l->impl;
    const json_t *width = json_object_get(c, "width_factor");
    int status = read_warp(l, c, e);
    p->warp.draw = draw_zoom;
    p->same = !width || json_is_null(width);
    if (!status)
        status = read_factor(l, c, "height_factor", p->rows, e);
    return status || p->same ? status : read_factor(l, c, "width_factor", p->columns, e);
}

static int configure_translation(mr_layer *l, const json_t *c, mr_error *e)
{
    struct geometry *p = l->impl;
    int status = read_warp(l, c, e);
    p->warp.draw = draw_translation;
    if (!status)
        status = read_factor(l, c, "height_factor", p->rows, e);
    return status ? status : read_factor(l, c, "width_factor", p->columns, e);
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int status = mr_layer_check_rank(l, in, 4, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static void forward(const mr_call *c)
{
    mr_warp_forward(c, &((const struct geometry *)c->layer->impl)->warp);
}
static void backward(const mr_call *c)
{
    mr_warp_backward(c, &((const struct geometry *)c->layer->impl)->warp);
}

/* Those that read_warp reads. */
#define WARP {.key = "data_format"}, {.key = "fill_mode"}, {.key = "fill_value"}, {.key = "interpolation"}
static const char *const flip_modes[] = {"horizontal", "vertical", "horizontal_and_vertical", NULL};
static const mr_config_field flip_fields[] = {{.key = "mode",
                                               .read = mr_field_choice,
                                               .offset = offsetof(struct geometry, mode),
                                               .fallback = 2,
                                               .names = flip_modes},
                                              {.key = "seed"},
                                              {.key = "data_format"},
                                              {0}};
static const mr_config_field rotation_fields[] = {{.key = "factor"}, {.key = "seed"}, WARP, {0}};
static const mr_config_field zoom_fields[] = {
    {.key = "height_factor"}, {.key = "width_factor"}, {.key = "seed"}, WARP, {0}};

#define GEOMETRY(identifier, keras_name, rows, configure_function)                                           \
    const mr_layer_class identifier = {.name = keras_name,                                                   \
                                       .size = sizeof(struct geometry),                                      \
                                       .fields = rows,                                                       \
                                       .max_inputs = 1,                                                      \
                                       .identity_at_inference = true,                                        \
                                       .configure = configure_function,                                      \
                                       .output_shape = output_shape,                                         \
                                       .forward = forward,                                                   \
                                       .backward = backward}

GEOMETRY(mr_layer_random_flip, "RandomFlip", flip_fields, configure_flip);
GEOMETRY(mr_layer_random_rotation, "RandomRotation", rotation_fields, configure_rotation);
GEOMETRY(mr_layer_random_zoom, "RandomZoom", zoom_fields, configure_zoom);
GEOMETRY(mr_layer_random_translation, "RandomTranslation", zoom_fields, configure_translation);
