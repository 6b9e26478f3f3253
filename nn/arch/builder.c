/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/arch/builder.h"

#include <stdio.h>

void mr_builder_start(mr_builder *b, const char *name)
{
    b->name = name;
    b->layers = json_array();
    b->input[0] = '\0';
}

/* Appends {class, name, config with name/trainable/dtype in front, inbound}. Takes CONFIG and CALL. */
static const char *append(mr_builder *b, const char *class_name, const char *name, json_t *config,
                          json_t *calls)
{
    json_t *whole = json_pack("{s:s, s:b, s:s}", "name", name, "trainable", 1, "dtype", "float32");
    json_object_update(whole, config);
    json_decref(config);
    json_array_append_new(b->layers, json_pack("{s:s, s:s, s:o, s:o}", "class_name", class_name, "name", name,
                                               "config", whole, "inbound_nodes", calls));
    return name;
}

static const char *one(mr_builder *b, const char *class_name, const char *name, const char *input,
                       json_t *config)
{
    return append(b, class_name, name, config, json_pack("[[[s,i,i,{}]]]", input, 0, 0));
}

static json_t *initializer(const char *class_name)
{
    bool seeded = class_name[0] == 'G' || class_name[0] == 'H';
    return json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.initializers", "class_name", class_name,
                     "config", seeded ? json_pack("{s:n}", "seed") : json_object(), "registered_name");
}

static json_t *l2_regularizer(double l2)
{
    if (l2 <= 0)
        return json_null();
    return json_pack("{s:s, s:s, s:{s:f}, s:n}", "module", "keras.regularizers", "class_name", "L2", "config",
                     "l2", l2, "registered_name");
}

const char *mr_builder_input(mr_builder *b, const char *name, int height, int width, int channels)
{
    json_t *config = json_pack("{s:[n,i,i,i], s:s, s:b, s:b, s:s}", "batch_shape", height, width, channels,
                               "dtype", "float32", "sparse", 0, "ragged", 0, "name", name);
    json_array_append_new(b->layers, json_pack("{s:s, s:s, s:o, s:[]}", "class_name", "InputLayer", "name",
                                               name, "config", config, "inbound_nodes"));
    snprintf(b->input, sizeof b->input, "%s", name);
    return name;
}

const char *mr_builder_conv(mr_builder *b, const char *name, const char *input, mr_conv_spec c)
{
    json_t *config = json_pack(
        "{s:i, s:[i,i], s:[i,i], s:s, s:s, s:[i,i], s:i, s:s, s:b, s:o, s:o, s:o, s:n, s:n, s:n, s:n}",
        "filters", c.filters, "kernel_size", c.kernel, c.kernel, "strides", c.stride, c.stride, "padding",
        c.same ? "same" : "valid", "data_format", "channels_last", "dilation_rate", 1, 1, "groups", 1,
        "activation", c.activation ? c.activation : "linear", "use_bias", c.bias, "kernel_initializer",
        initializer(c.initializer ? c.initializer : "GlorotUniform"), "bias_initializer",
        initializer("Zeros"), "kernel_regularizer", l2_regularizer(c.l2), "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint");
    return one(b, "Conv2D", name, input, config);
}

const char *mr_builder_depthwise(mr_builder *b, const char *name, const char *input, int kernel, int stride,
                                 bool same, bool bias)
{
    json_t *config = json_pack(
        "{s:[i,i], s:[i,i], s:s, s:i, s:s, s:[i,i], s:s, s:b, s:o, s:o, s:n, s:n, s:n, s:n, s:n}",
        "kernel_size", kernel, kernel, "strides", stride, stride, "padding", same ? "same" : "valid",
        "depth_multiplier", 1, "data_format", "channels_last", "dilation_rate", 1, 1, "activation", "linear",
        "use_bias", bias, "depthwise_initializer", initializer("GlorotUniform"), "bias_initializer",
        initializer("Zeros"), "depthwise_regularizer", "bias_regularizer", "activity_regularizer",
        "depthwise_constraint", "bias_constraint");
    return one(b, "DepthwiseConv2D", name, input, config);
}

const char *mr_builder_batchnorm(mr_builder *b, const char *name, const char *input, double momentum,
                                 double epsilon)
{
    json_t *config = json_pack("{s:i, s:f, s:f, s:b, s:b, s:o, s:o, s:o, s:o, s:n, s:n, s:n, s:n, s:b}",
                               "axis", -1, "momentum", momentum, "epsilon", epsilon, "center", 1, "scale", 1,
                               "beta_initializer", initializer("Zeros"), "gamma_initializer",
                               initializer("Ones"), "moving_mean_initializer", initializer("Zeros"),
                               "moving_variance_initializer", initializer("Ones"), "beta_regularizer",
                               "gamma_regularizer", "beta_constraint", "gamma_constraint", "synchronized", 0);
    return one(b, "BatchNormalization", name, input, config);
}

const char *mr_builder_activation(mr_builder *b, const char *name, const char *input, const char *activation)
{
    return one(b, "Activation", name, input, json_pack("{s:s}", "activation", activation));
}

const char *mr_builder_relu(mr_builder *b, const char *name, const char *input, double max_value)
{
    return one(b, "ReLU", name, input,
               json_pack("{s:o, s:f, s:f}", "max_value", max_value > 0 ? json_real(max_value) : json_null(),
                         "negative_slope", 0.0, "threshold", 0.0));
}

const char *mr_builder_zero_padding(mr_builder *b, const char *name, const char *input, int top, int bottom,
                                    int left, int right)
{
    return one(b, "ZeroPadding2D", name, input,
               json_pack("{s:[[i,i],[i,i]], s:s}", "padding", top, bottom, left, right, "data_format",
                         "channels_last"));
}

static json_t *pool_config(int height, int width, int stride_y, int stride_x, bool same)
{
    return json_pack("{s:[i,i], s:s, s:[i,i], s:s}", "pool_size", height, width, "padding",
                     same ? "same" : "valid", "strides", stride_y, stride_x, "data_format", "channels_last");
}

const char *mr_builder_max_pool(mr_builder *b, const char *name, const char *input, int size, int stride,
                                bool same)
{
    return one(b, "MaxPooling2D", name, input, pool_config(size, size, stride, stride, same));
}

const char *mr_builder_average_pool(mr_builder *b, const char *name, const char *input, int height, int width)
{
    return one(b, "AveragePooling2D", name, input, pool_config(height, width, height, width, false));
}

const char *mr_builder_global_average(mr_builder *b, const char *name, const char *input)
{
    return one(b, "GlobalAveragePooling2D", name, input,
               json_pack("{s:s, s:b}", "data_format", "channels_last", "keepdims", 0));
}

const char *mr_builder_flatten(mr_builder *b, const char *name, const char *input)
{
    return one(b, "Flatten", name, input, json_pack("{s:s}", "data_format", "channels_last"));
}

const char *mr_builder_dropout(mr_builder *b, const char *name, const char *input, double rate)
{
    return one(b, "Dropout", name, input, json_pack("{s:f, s:n, s:n}", "rate", rate, "seed", "noise_shape"));
}

const char *mr_builder_dense(mr_builder *b, const char *name, const char *input, int units,
                             const char *activation, double l2)
{
    json_t *config = json_pack(
        "{s:i, s:s, s:b, s:o, s:o, s:o, s:n, s:n, s:n, s:n}", "units", units, "activation",
        activation ? activation : "linear", "use_bias", 1, "kernel_initializer", initializer("GlorotUniform"),
        "bias_initializer", initializer("Zeros"), "kernel_regularizer", l2_regularizer(l2),
        "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint");
    return one(b, "Dense", name, input, config);
}

const char *mr_builder_add(mr_builder *b, const char *name, const char *first, const char *second)
{
    return append(b, "Add", name, json_object(),
                  json_pack("[[[s,i,i,{}],[s,i,i,{}]]]", first, 0, 0, second, 0, 0));
}

json_t *mr_builder_finish(mr_builder *b, const char *output)
{
    return json_pack("{s:s, s:{s:s, s:b, s:o, s:[[s,i,i]], s:[[s,i,i]]}}", "class_name", "Functional",
                     "config", "name", b->name, "trainable", 1, "layers", b->layers, "input_layers", b->input,
                     0, 0, "output_layers", output, 0, 0);
}
