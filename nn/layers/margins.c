/* SPDX-License-Identifier: Apache-2.0 */
/* ZeroPadding2D and Cropping2D: margins around the image, added or cut off. */
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"

#include <string.h>

struct margins {
    int64_t top, bottom, left, right;
};

/* n; [rows, columns]; [[top, bottom], [left, right]] */
static int read_margins(mr_layer *l, const json_t *c, const char *key, mr_error *e)
{
    struct margins *m = l->impl;
    const json_t *v = json_object_get(c, key), *rows = json_array_get(v, 0), *columns = json_array_get(v, 1);
    int64_t pair[2];
    int status = mr_config_channels_last(l, c, e);
    if (status)
        return status;
    if (!json_is_array(rows)) {
        status = mr_config_pair(l, c, key, 0, MR_MAX_EXTENT, 0, pair, e);
        *m = (struct margins){pair[0], pair[0], pair[1], pair[1]};
        return status;
    }
    const json_t *values[] = {json_array_get(rows, 0), json_array_get(rows, 1), json_array_get(columns, 0),
                              json_array_get(columns, 1)};
    int64_t *const out[] = {&m->top, &m->bottom, &m->left, &m->right};
    for (int i = 0; i < 4; i++) {
        *out[i] = json_is_integer(values[i]) ? json_integer_value(values[i]) : -1;
        if (*out[i] < 0 || *out[i] > MR_MAX_EXTENT)
            return mr_layer_invalid(l, e, "\"%s\" is not [[top, bottom], [left, right]]", key);
    }
    return 0;
}

static int configure_padding(mr_layer *l, const json_t *c, mr_error *e)
{
    return read_margins(l, c, "padding", e);
}
static int configure_cropping(mr_layer *l, const json_t *c, mr_error *e)
{
    return read_margins(l, c, "cropping", e);
}

static int shape_with(const mr_layer *l, const mr_shape *in, int sign, mr_shape *out, mr_error *e)
{
    const struct margins *m = l->impl;
    int status = mr_layer_check_rank(l, in, 4, e);
    if (status)
        return status;
    *out = *in;
    out->dim[1] += sign * (m->top + m->bottom);
    out->dim[2] += sign * (m->left + m->right);
    return mr_layer_check_output(l, out, e);
}

static int padded_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    return shape_with(l, in, 1, out, e);
}

static int cropped_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    return shape_with(l, in, -1, out, e);
}

/* One line of the larger image and the line of the smaller that lies in it. */
struct lines {
    const mr_real *from;
    mr_real *to;
    size_t large_h, large_w, small_h, small_w, top, left, channels;
    bool add;
};

static struct lines lines_of(const mr_call *c, bool padding)
{
    const struct margins *m = c->layer->impl;
    mr_image_size in = mr_image_size_of(&c->in[0]), out = mr_image_size_of(&c->out);
    mr_image_size large = padding ? out : in, small = padding ? in : out;
    return (struct lines){.large_h = large.h,
                          .large_w = large.w,
                          .small_h = small.h,
                          .small_w = small.w,
                          .top = (size_t)m->top,
                          .left = (size_t)m->left,
                          .channels = in.c};
}

static const size_t no_line = SIZE_MAX;

/* The line of the small image (of all samples) that lies in line ITEM of the large ones. */
static size_t small_line(const struct lines *s, size_t item)
{
    size_t n = item / s->large_h, i = item % s->large_h;
    return i >= s->top && i < s->top + s->small_h ? n * s->small_h + i - s->top : no_line;
}

/* Writes (never adds) a line of the large image: zeros around the small one's. */
static void write_margins(mr_real *to, const mr_real *from, const struct lines *s)
{
    size_t before = s->left * s->channels, inside = s->small_w * s->channels, all = s->large_w * s->channels;
    if (!from) {
        memset(to, 0, all * sizeof *to);
        return;
    }
    memset(to, 0, before * sizeof *to);
    memcpy(to + before, from, inside * sizeof *to);
    memset(to + before + inside, 0, (all - before - inside) * sizeof *to);
}

static void enlarge_line(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct lines *s = argument;
    size_t line = small_line(s, item), inside = s->small_w * s->channels;
    const mr_real *from = line == no_line ? NULL : s->from + line * inside;
    mr_real *to = s->to + item * s->large_w * s->channels;
    if (!s->add)
        write_margins(to, from, s);
    else
        for (size_t i = 0; from && i < inside; i++)
            to[s->left * s->channels + i] += from[i];
}

static void shrink_line(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct lines *s = argument;
    size_t inside = s->small_w * s->channels, n = item / s->small_h, i = item % s->small_h;
    const mr_real *from = s->from + ((n * s->large_h + s->top + i) * s->large_w + s->left) * s->channels;
    mr_real *to = s->to + item * inside;
    if (!s->add)
        memcpy(to, from, inside * sizeof *to);
    else
        for (size_t k = 0; k < inside; k++)
            to[k] += from[k];
}

static void run(const mr_call *c, bool padding, bool enlarge, const mr_real *from, mr_real *to, bool add)
{
    struct lines s = lines_of(c, padding);
    s.from = from;
    s.to = to;
    s.add = add;
    mr_team_items(c->team, (size_t)c->batch * (enlarge ? s.large_h : s.small_h),
                  enlarge ? enlarge_line : shrink_line, &s);
}

static void pad(const mr_call *c)
{
    run(c, true, true, c->x[0], c->y, false);
}
static void crop(const mr_call *c)
{
    run(c, false, false, c->x[0], c->y, false);
}

static void pad_backward(const mr_call *c)
{
    if (c->dx[0])
        run(c, true, false, c->dy, c->dx[0], c->add_dx[0]);
}

static void crop_backward(const mr_call *c)
{
    if (c->dx[0])
        run(c, false, true, c->dy, c->dx[0], c->add_dx[0]);
}

#define DATA_FORMAT {.key = "data_format", .read = mr_field_channels_last}
static const mr_config_field padding_fields[] = {{.key = "padding"}, DATA_FORMAT, {0}};
static const mr_config_field cropping_fields[] = {{.key = "cropping"}, DATA_FORMAT, {0}};

const mr_layer_class mr_layer_zero_padding2d = {.name = "ZeroPadding2D",
                                                .size = sizeof(struct margins),
                                                .fields = padding_fields,
                                                .max_inputs = 1,
                                                .configure = configure_padding,
                                                .output_shape = padded_shape,
                                                .forward = pad,
                                                .backward = pad_backward};
const mr_layer_class mr_layer_cropping2d = {.name = "Cropping2D",
                                            .size = sizeof(struct margins),
                                            .fields = cropping_fields,
                                            .max_inputs = 1,
                                            .configure = configure_cropping,
                                            .output_shape = cropped_shape,
                                            .forward = crop,
                                            .backward = crop_backward};

bool mr_zero_padding_parts(const mr_layer *l, int64_t margin[4])
{
    if (l->class != &mr_layer_zero_padding2d)
        return false;
    const struct margins *m = l->impl;
    margin[0] = m->top;
    margin[1] = m->bottom;
    margin[2] = m->left;
    margin[3] = m->right;
    return true;
}
