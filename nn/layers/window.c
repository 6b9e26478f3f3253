/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/window.h"

struct items {
    size_t count, per_task;
    mr_item *item;
    void *argument;
};

static void run_items(void *argument, int task, int thread)
{
    const struct items *s = argument;
    size_t first = (size_t)task * s->per_task, end = mr_min(first + s->per_task, s->count);
    for (size_t i = first; i < end; i++)
        s->item(s->argument, i, thread);
}

void mr_team_items(mr_team *t, size_t count, mr_item *item, void *argument)
{
    enum { MOST_TASKS = 4096 };
    struct items s = {count, mr_max(1, mr_ceil_divide(count, MOST_TASKS)), item, argument};
    mr_team_run(t, (int)mr_ceil_divide(count, s.per_task), run_items, &s);
}

/* ---- shapes */

mr_image_size mr_image_size_of(const mr_shape *s)
{
    mr_image_size i = {(size_t)s->dim[0], 1, (size_t)s->dim[s->rank - 2], (size_t)s->dim[s->rank - 1]};
    if (s->rank == 4)
        i.h = (size_t)s->dim[1];
    return i;
}

int mr_layer_check_rank(const mr_layer *l, const mr_shape *in, int rank, mr_error *e)
{
    char text[128];
    if (in->rank == rank)
        return 0;
    return mr_layer_invalid(l, e, "takes tensors of rank %d, not %s", rank,
                            mr_shape_text(in, true, text, sizeof text));
}

int mr_same_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)l, (void)inputs, (void)e;
    *out = in[0];
    return 0;
}

int mr_layer_check_output(const mr_layer *l, const mr_shape *out, mr_error *e)
{
    return mr_shape_check(out, 1, MR_MAX_ELEMENTS, l->name, e);
}

int mr_layer_axis(const mr_layer *l, const mr_shape *in, int64_t fallback, int *axis, mr_error *e)
{
    int64_t a;
    int status = mr_config_sizes(l, l->config, "axis", 1, -in->rank, in->rank - 1, fallback, &a, e);
    if (status)
        return status;
    a += a < 0 ? in->rank : 0;
    *axis = (int)a;
    return a >= 1 ? 0 : mr_layer_refuse(l, e, "\"axis\" is the batch");
}

int mr_layer_check_last_axis(const mr_layer *l, const mr_shape *in, mr_error *e)
{
    int axis;
    int status = mr_layer_axis(l, in, -1, &axis, e);
    if (!status && axis != in->rank - 1)
        status = mr_layer_refuse(l, e, "\"axis\" %d: only the last axis is supported", axis);
    return status;
}

/* ---- windows */

static int64_t effective(const mr_window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

int mr_window_configure(const mr_layer *l, const json_t *c, int axes, const char *kernel_key,
                        bool stride_is_kernel, mr_window *w, mr_error *e)
{
    static const char *const paddings[] = {"valid", "same", "causal", NULL};
    int first = 2 - axes, padding;
    *w = (mr_window){axes, {1, 1}, {1, 1}, {1, 1}, MR_PADDING_VALID};
    int status = mr_config_channels_last(l, c, e);
    if (!status)
        status = mr_config_sizes(l, c, kernel_key, axes, 1, MR_MAX_EXTENT, stride_is_kernel ? 2 : 1,
                                 w->kernel + first, e);
    for (int i = first; i < 2 && stride_is_kernel; i++)
        w->stride[i] = w->kernel[i];
    const json_t *strides = json_object_get(c, "strides");
    if (!status && strides && !json_is_null(strides))
        status = mr_config_sizes(l, c, "strides", axes, 1, MR_MAX_EXTENT, 1, w->stride + first, e);
    if (!status)
        status = mr_config_sizes(l, c, "dilation_rate", axes, 1, MR_MAX_EXTENT, 1, w->dilation + first, e);
    if (!status)
        status = mr_config_choice(l, c, "padding", paddings, 0, &padding, e);
    if (status)
        return status;
    w->padding = (mr_padding)padding;
    for (int i = first; i < 2; i++)
        if (effective(w, i) > MR_MAX_WINDOW)
            return mr_layer_invalid(l, e, "a window of %lld is too large", (long long)effective(w, i));
    if (w->padding == MR_PADDING_CAUSAL && axes != 1)
        return mr_layer_invalid(l, e, "\"padding\" causal is for 1-D layers");
    return 0;
}

int mr_window_output(const mr_layer *l, const mr_window *w, const mr_shape *in, int64_t channels,
                     mr_shape *out, mr_error *e)
{
    char text[128];
    int64_t pad;
    int status = mr_layer_check_rank(l, in, w->axes + 2, e);
    if (status)
        return status;
    *out = *in;
    for (int i = 1; i <= w->axes; i++) {
        int a = i - 1 + (2 - w->axes);
        bool padded = w->padding != MR_PADDING_VALID;
        out->dim[i] = mr_conv_output_length(in->dim[i], effective(w, a), w->stride[a], padded, &pad);
        if (out->dim[i] < 1)
            return mr_layer_invalid(l, e, "a window of %lld does not fit into %s", (long long)effective(w, a),
                                    mr_shape_text(in, true, text, sizeof text));
    }
    out->dim[out->rank - 1] = channels;
    return mr_layer_check_output(l, out, e);
}

void mr_window_padding(const mr_window *w, const mr_shape *in, int64_t before[2])
{
    mr_image_size s = mr_image_size_of(in);
    int64_t size[2] = {(int64_t)s.h, (int64_t)s.w};
    for (int i = 0; i < 2; i++)
        mr_conv_output_length(size[i], effective(w, i), w->stride[i], w->padding == MR_PADDING_SAME,
                              &before[i]);
    if (w->padding == MR_PADDING_CAUSAL)
        before[1] = effective(w, 1) - 1;
}
