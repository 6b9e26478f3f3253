/* SPDX-License-Identifier: Apache-2.0 */
/* The layers that are an activation alone: Activation, ReLU, LeakyReLU, ThresholdedReLU, ELU, Softmax. */
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"

#include <string.h>

static void note_needs(mr_layer *l)
{
    const mr_activation *a = l->impl;
    l->backward_skips_x = !a->needs_x;
    l->backward_skips_y = !a->needs_y;
}

static int configure_named(mr_layer *l, const json_t *c, mr_error *e)
{
    (void)c, (void)e;
    note_needs(l);
    return 0;
}

static int configure_class(mr_layer *l, const json_t *c, mr_error *e)
{
    int status = mr_activation_of_class(l, l->class->name, c, l->impl, e);
    note_needs(l);
    return status;
}

/* The axis is checked when the rank is known. */
static int configure_softmax(mr_layer *l, const json_t *c, mr_error *e)
{
    (void)c, (void)e;
    *(mr_activation *)l->impl = *mr_activation_find("softmax");
    note_needs(l);
    return 0;
}

static int softmax_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int status = mr_layer_check_last_axis(l, in, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static void forward(const mr_call *c)
{
    mr_activation_forward(c->team, c->layer->impl, c->x[0], c->y, mr_batch_count(&c->out),
                          mr_last_dim(&c->out));
}

static void backward(const mr_call *c)
{
    if (c->dx[0])
        mr_activation_backward(c->team, c->layer->impl, c->x[0], c->y, c->dy, c->dx[0],
                               mr_batch_count(&c->out), mr_last_dim(&c->out));
}

/* Those of the classes are read by mr_activation_of_class, as they also stand in serialised activations. */
static const mr_config_field named_fields[] = {{.key = "activation", .read = mr_field_activation}, {0}};
static const mr_config_field relu_fields[] = {
    {.key = "max_value"}, {.key = "negative_slope"}, {.key = "threshold"}, {0}};
static const mr_config_field leaky_relu_fields[] = {{.key = "negative_slope"}, {0}};
static const mr_config_field thresholded_relu_fields[] = {{.key = "theta"}, {0}};
static const mr_config_field elu_fields[] = {{.key = "alpha"}, {0}};
static const mr_config_field softmax_fields[] = {{.key = "axis"}, {0}};

#define CLASS(identifier, keras_name, rows, configure_function, shape_function)                              \
    const mr_layer_class identifier = {.name = keras_name,                                                   \
                                       .size = sizeof(mr_activation),                                        \
                                       .fields = rows,                                                       \
                                       .max_inputs = 1,                                                      \
                                       .in_place = true,                                                     \
                                       .needs_x = true,                                                      \
                                       .needs_y = true,                                                      \
                                       .backward_overwrites_dx = true,                                               \
                                       .configure = configure_function,                                      \
                                       .output_shape = shape_function,                                       \
                                       .forward = forward,                                                   \
                                       .backward = backward}

CLASS(mr_layer_activation, "Activation", named_fields, configure_named, mr_same_shape);
CLASS(mr_layer_relu, "ReLU", relu_fields, configure_class, mr_same_shape);
CLASS(mr_layer_leaky_relu, "LeakyReLU", leaky_relu_fields, configure_class, mr_same_shape);
CLASS(mr_layer_thresholded_relu, "ThresholdedReLU", thresholded_relu_fields, configure_class, mr_same_shape);
CLASS(mr_layer_elu, "ELU", elu_fields, configure_class, mr_same_shape);
CLASS(mr_layer_softmax, "Softmax", softmax_fields, configure_softmax, softmax_shape);

const mr_activation *mr_activation_part(const mr_layer *l)
{
    static const mr_layer_class *const classes[] = {&mr_layer_activation, &mr_layer_relu, &mr_layer_leaky_relu,
                                                    &mr_layer_thresholded_relu, &mr_layer_elu};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (l->class == classes[i])
            return l->impl;
    return NULL;
}
