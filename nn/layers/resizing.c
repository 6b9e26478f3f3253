/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that resize images: UpSampling2D, Resizing, CenterCrop, RandomCrop. */
#include "nn/layers/draw.h"
#include "nn/layers/layers.h"
#include "nn/layers/resample.h"

struct resizing {
    int64_t size[2]; /* UpSampling2D: factors; else the output's height and width */
    int interpolation;
    bool crop;
    bool passes; /* RandomCrop: images go through unchanged when not training */
};

/* The part of the input that becomes the output. */
typedef void window_of(const mr_call *c, const mr_image_size *in, mr_extent *rows, mr_extent *columns);

static void run_forward(const mr_call *c, window_of *window)
{
    const struct resizing *p = c->layer->impl;
    mr_image_size in = mr_image_size_of(&c->in[0]), out = mr_image_size_of(&c->out);
    mr_extent rows = {0, in.h}, columns = {0, in.w};
    window(c, &in, &rows, &columns);
    mr_resample(c->team, (mr_interpolation)p->interpolation, c->x[0], &in, rows, columns, c->y, &out,
                c->scratch);
}

static void run_backward(const mr_call *c, window_of *window)
{
    const struct resizing *p = c->layer->impl;
    mr_image_size in = mr_image_size_of(&c->in[0]), out = mr_image_size_of(&c->out);
    mr_extent rows = {0, in.h}, columns = {0, in.w};
    window(c, &in, &rows, &columns);
    if (c->dx[0])
        mr_resample_gradient(c->team, (mr_interpolation)p->interpolation, c->dy, &out, c->dx[0], &in, rows,
                             columns, c->add_dx[0], c->scratch);
}

static size_t scratch_size(const mr_call *c)
{
    mr_image_size out = mr_image_size_of(&c->out);
    return mr_resample_scratch(&out);
}

/* --- configurations -------------------------------------------------------- */

/* Crops of images that are too small enlarge them. */
static int configure_crop(mr_layer *l, const json_t *c, mr_error *e)
{
    (void)c, (void)e;
    ((struct resizing *)l->impl)->interpolation = MR_BILINEAR;
    return 0;
}

/* --- shapes ---------------------------------------------------------------- */

static int enlarged_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct resizing *p = l->impl;
    int status = mr_layer_check_rank(l, in, 4, e);
    if (status)
        return status;
    *out = (mr_shape){4, {in->dim[0], in->dim[1] * p->size[0], in->dim[2] * p->size[1], in->dim[3]}};
    return mr_layer_check_output(l, out, e);
}

static int resized_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct resizing *p = l->impl;
    int status = mr_layer_check_rank(l, in, 4, e);
    if (status)
        return status;
    *out = (mr_shape){4, {in->dim[0], p->size[0], p->size[1], in->dim[3]}};
    return mr_layer_check_output(l, out, e);
}

/* One that passes images has the shape of its input: it can be run, and trained where it would cut nothing.
 */
static int random_crop_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    const struct resizing *p = l->impl;
    int status = resized_shape(l, in, inputs, out, e);
    if (!status && p->passes)
        *out = *in;
    return status;
}

int mr_random_crop_check_training(const mr_layer *l, const mr_shape *in, mr_error *e)
{
    const struct resizing *p = l->impl;
    if (l->class != &mr_layer_random_crop || !p->passes ||
        (in->dim[1] == p->size[0] && in->dim[2] == p->size[1]))
        return 0;
    return mr_hint(
        e,
        mr_layer_refuse(l, e,
                        "training with images of another size than inference, as Keras 3.8 and later do, "
                        "is not supported"),
        "crop the images beforehand, with --image-size");
}

/* --- windows --------------------------------------------------------------- */

static void whole(const mr_call *c, const mr_image_size *in, mr_extent *rows, mr_extent *columns)
{
    const struct resizing *p = c->layer->impl;
    if (p->crop)
        mr_crop_to_aspect(in, (size_t)p->size[0], (size_t)p->size[1], rows, columns);
}

/* An image that is too small is resized, cut to the aspect ratio. */
static void centre(const mr_call *c, const mr_image_size *in, mr_extent *rows, mr_extent *columns)
{
    const struct resizing *p = c->layer->impl;
    size_t h = (size_t)p->size[0], w = (size_t)p->size[1];
    if (in->h < h || in->w < w) {
        mr_crop_to_aspect(in, h, w, rows, columns);
        return;
    }
    *rows = (mr_extent){(in->h - h) / 2, h};
    *columns = (mr_extent){(in->w - w) / 2, w};
}

/* In training one place for the whole batch, as Keras does; else, as up to Keras 3.7, (and where the image is
 * no larger) the largest window of the aspect ratio, resized. */
static void drawn(const mr_call *c, const mr_image_size *in, mr_extent *rows, mr_extent *columns)
{
    const struct resizing *p = c->layer->impl;
    size_t h = (size_t)p->size[0], w = (size_t)p->size[1];
    mr_philox g;
    if (p->passes)
        return;
    if (!c->training || in->h <= h || in->w <= w) {
        mr_crop_to_aspect(in, h, w, rows, columns);
        return;
    }
    mr_draw_sample(c, 0, &g);
    *rows = (mr_extent){mr_philox_below(&g, (uint32_t)(in->h - h + 1)), h};
    *columns = (mr_extent){mr_philox_below(&g, (uint32_t)(in->w - w + 1)), w};
}

static void forward_whole(const mr_call *c)
{
    run_forward(c, whole);
}
static void backward_whole(const mr_call *c)
{
    run_backward(c, whole);
}
static void forward_centre(const mr_call *c)
{
    run_forward(c, centre);
}
static void backward_centre(const mr_call *c)
{
    run_backward(c, centre);
}
static void forward_drawn(const mr_call *c)
{
    run_forward(c, drawn);
}
static void backward_drawn(const mr_call *c)
{
    run_backward(c, drawn);
}

#define COMMON .size = sizeof(struct resizing), .max_inputs = 1, .scratch_size = scratch_size

#define AT(member) .offset = offsetof(struct resizing, member)
#define HEIGHT_AND_WIDTH                                                                                     \
    {.key = "height", .read = mr_field_int, AT(size[0]), .low = 1, .high = MR_MAX_EXTENT, .required = true}, \
        {.key = "width", .read = mr_field_int, AT(size[1]), .low = 1, .high = MR_MAX_EXTENT, .required = true}
#define INTERPOLATION(usual)                                                                                 \
    {.key = "interpolation",                                                                                 \
     .read = mr_field_choice,                                                                                \
     AT(interpolation),                                                                                      \
     .fallback = usual,                                                                                      \
     .names = mr_interpolation_names}
#define DATA_FORMAT {.key = "data_format", .read = mr_field_channels_last}

static const mr_config_field up_sampling_fields[] = {
    {.key = "size", .read = mr_field_pair, AT(size), .fallback = 2, .low = 1, .high = MR_MAX_EXTENT},
    DATA_FORMAT,
    INTERPOLATION(MR_NEAREST),
    {0}};
static const mr_config_field resizing_fields[] = {
    HEIGHT_AND_WIDTH,
    INTERPOLATION(MR_BILINEAR),
    {.key = "crop_to_aspect_ratio", .read = mr_field_bool, AT(crop)},
    {.key = "pad_to_aspect_ratio", .read = mr_field_unsupported},
    {.key = "fill_mode"},
    {.key = "fill_value"},
    {.key = "antialias", .read = mr_field_unsupported},
    DATA_FORMAT,
    {0}};
static const mr_config_field center_crop_fields[] = {HEIGHT_AND_WIDTH, DATA_FORMAT, {0}};
static const mr_config_field random_crop_fields[] = {
    HEIGHT_AND_WIDTH,
    {.key = "seed"},
    DATA_FORMAT,
    {.key = "passes_at_inference", .read = mr_field_bool, AT(passes)},
    {0}};

const mr_layer_class mr_layer_up_sampling2d = {.name = "UpSampling2D",
                                               .fields = up_sampling_fields,
                                               .output_shape = enlarged_shape,
                                               .forward = forward_whole,
                                               .backward = backward_whole,
                                               COMMON};
const mr_layer_class mr_layer_resizing = {
    .name = "Resizing",
    .fields = resizing_fields,
    .output_shape = resized_shape,
    .forward = forward_whole,
    .backward = backward_whole,
    COMMON};
const mr_layer_class mr_layer_center_crop = {.name = "CenterCrop",
                                             .fields = center_crop_fields,
                                             .configure = configure_crop,
                                             .output_shape = resized_shape,
                                             .forward = forward_centre,
                                             .backward = backward_centre,
                                             COMMON};
const mr_layer_class mr_layer_random_crop = {.name = "RandomCrop",
                                             .fields = random_crop_fields,
                                             .configure = configure_crop,
                                             .output_shape = random_crop_shape,
                                             .forward = forward_drawn,
                                             .backward = backward_drawn,
                                             COMMON};
