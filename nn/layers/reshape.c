/* SPDX-License-Identifier: Apache-2.0 */
/* InputLayer, Flatten, Reshape: the same numbers under another shape. */
#include "nn/layers/layers.h"

struct reshape {
    int rank;
    int64_t dim[MR_MAX_RANK]; /* without the batch; one may be -1: what is left. InputLayer: 0 where it is not
                                 fixed */
};

static void never_called(const mr_call *c)
{
    (void)c;
}

/* --- InputLayer ------------------------------------------------------------ */

static int configure_input(mr_layer *l, const json_t *c, mr_error *e)
{
    struct reshape *p = l->impl;
    const json_t *shape = json_object_get(c, "batch_shape");
    if (!json_is_array(shape) || json_array_size(shape) < 1 || json_array_size(shape) > MR_MAX_RANK)
        return mr_layer_invalid(l, e, "\"batch_shape\" is not a list of 1 to %d sizes", MR_MAX_RANK);
    for (size_t i = 1; i < json_array_size(shape); i++) {
        const json_t *d = json_array_get(shape, i);
        if (!json_is_null(d) && (!json_is_integer(d) || json_integer_value(d) < 1))
            return mr_layer_invalid(l, e, "\"batch_shape\" has an entry that is not a size");
        p->dim[p->rank++] = json_is_null(d) ? 0 : json_integer_value(d);
    }
    return 0;
}

static int input_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)in, (void)inputs;
    const struct reshape *p = l->impl;
    *out = (mr_shape){.rank = p->rank + 1};
    for (int i = 0; i < p->rank; i++)
        out->dim[i + 1] = p->dim[i];
    return mr_layer_check_output(l, out, e);
}

/* --- Flatten --------------------------------------------------------------- */

static int flat_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    *out = (mr_shape){2, {in->dim[0], (int64_t)mr_shape_sample(in)}};
    return mr_layer_check_output(l, out, e);
}

/* --- Reshape --------------------------------------------------------------- */

static int configure_reshape(mr_layer *l, const json_t *c, mr_error *e)
{
    struct reshape *p = l->impl;
    const json_t *target = json_object_get(c, "target_shape");
    int unknown = 0;
    if (!json_is_array(target) || json_array_size(target) > MR_MAX_RANK - 1)
        return mr_layer_invalid(l, e, "\"target_shape\" is not a list of up to %d sizes", MR_MAX_RANK - 1);
    for (size_t i = 0; i < json_array_size(target); i++) {
        const json_t *d = json_array_get(target, i);
        int64_t size = json_is_null(d) ? -1 : json_integer_value(d);
        if ((!json_is_integer(d) && !json_is_null(d)) || (size < 1 && size != -1) ||
            size > (int64_t)MR_MAX_ELEMENTS)
            return mr_layer_invalid(l, e, "\"target_shape\" has an entry that is not a size");
        p->dim[p->rank++] = size;
        unknown += size == -1;
    }
    return unknown > 1 ? mr_layer_invalid(l, e, "\"target_shape\" leaves more than one size open") : 0;
}

static int reshaped(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct reshape *p = l->impl;
    size_t all = mr_shape_sample(in);
    char from[128], to[128];
    int open = -1;
    *out = (mr_shape){.rank = p->rank + 1, .dim = {in->dim[0]}};
    for (int i = 0; i < p->rank; i++) {
        out->dim[i + 1] = p->dim[i] == -1 ? 1 : p->dim[i];
        open = p->dim[i] == -1 ? i + 1 : open;
    }
    int status = mr_layer_check_output(l, out, e);
    if (status)
        return status;
    size_t known = mr_shape_sample(out);
    if (open > 0 && all % known == 0)
        out->dim[open] = (int64_t)(all / known);
    if (mr_shape_sample(out) == all)
        return 0;
    return mr_layer_invalid(l, e, "%s cannot become %s", mr_shape_text(in, true, from, sizeof from),
                            mr_shape_text(out, true, to, sizeof to));
}

static const mr_config_field input_fields[] = {
    {.key = "batch_shape"}, {.key = "sparse"}, {.key = "ragged"}, {.key = "optional"}, {0}};
static const mr_config_field flatten_fields[] = {{.key = "data_format", .read = mr_field_channels_last}, {0}};
static const mr_config_field reshape_fields[] = {{.key = "target_shape"}, {0}};

const mr_layer_class mr_layer_input = {.name = "InputLayer",
                                       .size = sizeof(struct reshape),
                                       .fields = input_fields,
                                       .alias = true,
                                       .configure = configure_input,
                                       .output_shape = input_shape,
                                       .forward = never_called};
const mr_layer_class mr_layer_flatten = {.name = "Flatten",
                                         .fields = flatten_fields,
                                         .max_inputs = 1,
                                         .alias = true,
                                         .output_shape = flat_shape,
                                         .forward = never_called};
const mr_layer_class mr_layer_reshape = {.name = "Reshape",
                                         .size = sizeof(struct reshape),
                                         .fields = reshape_fields,
                                         .max_inputs = 1,
                                         .alias = true,
                                         .configure = configure_reshape,
                                         .output_shape = reshaped,
                                         .forward = never_called};
