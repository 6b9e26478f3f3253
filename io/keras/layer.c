/* SPDX-License-Identifier: Apache-2.0 */
/* One layer's configuration: class names and keys of every era → Keras 3's. */
#include "io/keras/internal.h"
#include "base/text.h"
#include "nn/graph/config.h"

#include <string.h>

/* Class names that were others once. */
static const struct {
    const char *old, *now;
} classes[] = {
    {"BatchNormalizationV1", "BatchNormalization"},
    {"BatchNormalizationV2", "BatchNormalization"},
    {"SyncBatchNormalization", "BatchNormalization"},
    {"LayerNormalizationV1", "LayerNormalization"},
    {"Convolution1D", "Conv1D"},
    {"Convolution2D", "Conv2D"},
    {"AtrousConvolution2D", "Conv2D"},
    {"AtrousConv2D", "Conv2D"},
    {"Deconvolution2D", "Conv2DTranspose"},
    {"Deconv2D", "Conv2DTranspose"},
    {"Convolution2DTranspose", "Conv2DTranspose"},
    {"SeparableConvolution2D", "SeparableConv2D"},
    {"DepthwiseConvolution2D", "DepthwiseConv2D"},
    {"MaxPool2D", "MaxPooling2D"},
    {"AvgPool2D", "AveragePooling2D"},
    {"GlobalMaxPool2D", "GlobalMaxPooling2D"},
    {"GlobalAvgPool2D", "GlobalAveragePooling2D"},
    {"DropoutV1", "Dropout"},
    {"ThresholdedReLU", "ReLU"},
};

/* Keys that were others once; CLASS NULL: in every layer. */
static const struct {
    const char *class, *old, *now;
} keys[] = {
    {NULL, "bias", "use_bias"},
    {NULL, "init", "kernel_initializer"},
    {NULL, "W_regularizer", "kernel_regularizer"},
    {NULL, "b_regularizer", "bias_regularizer"},
    {NULL, "W_constraint", "kernel_constraint"},
    {NULL, "b_constraint", "bias_constraint"},
    {NULL, "beta_init", "beta_initializer"},
    {NULL, "gamma_init", "gamma_initializer"},
    {NULL, "border_mode", "padding"},
    {NULL, "subsample", "strides"},
    {NULL, "dim_ordering", "data_format"},
    {NULL, "nb_filter", "filters"},
    {NULL, "atrous_rate", "dilation_rate"},
    {"Dense", "output_dim", "units"},
    {"Dropout", "p", "rate"},
    {"SpatialDropout2D", "p", "rate"},
    {"SpatialDropout1D", "p", "rate"},
    {"GaussianDropout", "p", "rate"},
    {"GaussianNoise", "sigma", "stddev"},
    {"LeakyReLU", "alpha", "negative_slope"},
    {"PReLU", "kernel_initializer", "alpha_initializer"},
    {"ReLU", "theta", "threshold"}, /* ThresholdedReLU */
    {"DepthwiseConv2D", "kernel_initializer", "depthwise_initializer"},
    {"DepthwiseConv2D", "kernel_regularizer", "depthwise_regularizer"},
    {"DepthwiseConv2D", "kernel_constraint", "depthwise_constraint"},
    {"Concatenate", "concat_axis", "axis"},
};

/* Where tensors are made or how they are checked: nothing that the network computes depends on them. */
static const char *const dropped[] = {
    "name",
    "trainable",
    "dtype",
    "batch_input_shape",
    "input_dtype",
    "input_dim",
    "input_length",
    "input_shape",
    "batch_shape",
    "batch_size",
    "autocast",
    "shared_object_id",
    "build_input_shape",
    "build_config",
    "quantization_config",
    "synchronized",
    "fused",
    "sparse",
    "ragged",
    "optional",
    "supports_masking",
    "dynamic",
};

/* Keys that came late. Keras refuses keys that it does not know, so one that a version between 2.3 and 3.3
 * lacks is neither kept nor written where it has its default. CLASSES: those whose name starts so. */
static const struct {
    const char *classes, *key, *value;
} late[] = {
    {"Conv1D", "groups", "1"},
    {"Conv2D", "groups", "1"},
    {"Conv2DTranspose", "output_padding", "null"},
    {"DepthwiseConv2D", "groups", "1"},
    {"SeparableConv2D", "groups", "1"},
    {"BatchNormalization", "synchronized", "false"},
    {"BatchNormalization", "renorm", "false"},
    {"BatchNormalization", "renorm_clipping", "null"},
    {"BatchNormalization", "renorm_momentum", "0.99"},
    {"LayerNormalization", "rms_scaling", "false"},
    {"Dense", "quantization_config", "null"},
    {"Gaussian", "seed", "null"},
    {"SpatialDropout", "seed", "null"},
    {"SpatialDropout", "noise_shape", "null"},
    {"SpatialDropout", "data_format", "\"channels_last\""},
    {"Global", "keepdims", "false"},
    {"Random", "data_format", "\"channels_last\""},
    {"RandomCrop", "passes_at_inference", "true"}, /* ours: the version that is written says it */
    {"Resizing", "pad_to_aspect_ratio", "false"},
    {"Resizing", "fill_mode", "\"constant\""},
    {"Resizing", "fill_value", "0.0"},
    {"Resizing", "antialias", "false"},
};

/* Keras 3's layers take what every layer has as further arguments; these do not. */
bool mr_keras_takes_trainable(const char *class)
{
    return strncmp(class, "SpatialDropout", 14) != 0;
}

bool mr_keras_is_default(const char *class, const char *key, const json_t *value)
{
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        if (!strcmp(key, late[i].key) && !strncmp(class, late[i].classes, strlen(late[i].classes))) {
            json_t *usual = json_loads(late[i].value, JSON_DECODE_ANY, NULL);
            bool same = json_equal(usual, value);
            json_decref(usual);
            if (same)
                return true;
        }
    return false;
}

static const char *class_now(const char *class)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(class, classes[i].old))
            return classes[i].now;
    return class;
}

static const char *key_now(const char *class, const char *key)
{
    for (int pass = 0; pass < 2; pass++) /* the general table first: PReLU's "init" takes both steps */
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (!strcmp(key, keys[i].old) &&
                (pass ? keys[i].class && !strcmp(class, keys[i].class) : !keys[i].class)) {
                key = keys[i].now;
                break;
            }
    return key;
}

static bool is_dropped(const char *key)
{
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (!strcmp(key, dropped[i]))
            return true;
    return false;
}

static json_t *data_format(const json_t *v)
{
    if (mr_json_is(v, "th"))
        return json_string("channels_first");
    if (mr_json_is(v, "channels_first"))
        return json_incref((json_t *)v);
    return json_string("channels_last");
}

static json_t *convert_value(mr_dialect *d, const char *key, const json_t *v)
{
    if (mr_ends_with(key, "_initializer"))
        return mr_keras_initializer(d, v);
    if (mr_ends_with(key, "_regularizer"))
        return mr_keras_regularizer(d, v);
    if (!strcmp(key, "activation"))
        return mr_keras_activation(d, v);
    if (!strcmp(key, "data_format"))
        return data_format(v);
    if (!strcmp(key, "axis") && json_array_size(v) == 1) /* tf.keras: [3] */
        return json_incref(json_array_get(v, 0));
    return mr_keras_object(d, v);
}

/* A key that Keras 3's class does not have is dropped where it is unset: null, false, 0, 1 or an empty list. */
static bool is_unset(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) ||
           (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= 1) ||
           (json_is_array(v) && json_array_size(v) == 0);
}

static int refuse(mr_dialect *d, const char *name, const char *class, const char *what)
{
    return mr_fail(d->e, MR_EUNSUPPORTED, "layer '%s' (%s): %s", name, class, what);
}

/* --- what single classes need beyond other names for their keys ----------- */

/* Keras 1 gave kernels as nb_row and nb_col, or filter_length. */
static void join_kernel_size(mr_dialect *d, json_t *config, const json_t *old)
{
    json_t *rows = json_object_get(old, "nb_row"), *columns = json_object_get(old, "nb_col");
    json_t *length = json_object_get(old, "filter_length");
    if (json_is_integer(rows) && json_is_integer(columns))
        mr_keras_set(d, config, "kernel_size", json_pack("[O,O]", rows, columns));
    else if (json_is_integer(length))
        mr_keras_set(d, config, "kernel_size", json_pack("[O]", length));
}

/* Keras 1: [rows, columns], or [top, bottom, left, right]. */
static void pad_pairs(mr_dialect *d, json_t *config)
{
    json_t *p = json_object_get(config, "padding");
    if (json_array_size(p) == 4 && json_is_integer(json_array_get(p, 0)))
        mr_keras_set(d, config, "padding",
                     json_pack("[[O,O],[O,O]]", json_array_get(p, 0), json_array_get(p, 1),
                               json_array_get(p, 2), json_array_get(p, 3)));
}

static int check_normalization(mr_dialect *d, const char *name, const json_t *old)
{
    const json_t *mode = json_object_get(old, "mode");
    if (json_is_integer(mode) && json_integer_value(mode) != 0)
        return refuse(d, name, "BatchNormalization", "Keras 1's \"mode\" other than 0 is not supported");
    if (json_is_true(json_object_get(old, "renorm")))
        return refuse(d, name, "BatchNormalization", "\"renorm\" is not supported");
    if (json_is_integer(json_object_get(old, "virtual_batch_size")))
        return refuse(d, name, "BatchNormalization", "\"virtual_batch_size\" is not supported");
    return 0;
}

/* Keras 1's Merge is one class for all of them; -1 where there is none of that mode. */
static const char *merge_class(const json_t *old)
{
    static const char *const modes[][2] = {{"sum", "Add"},
                                           {"mul", "Multiply"},
                                           {"ave", "Average"},
                                           {"concat", "Concatenate"},
                                           {"max", "Maximum"}};
    const char *mode = mr_json_text(old, "mode");
    for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(mode, modes[i][0]))
            return modes[i][1];
    return NULL;
}

static int finish(mr_dialect *d, const char *class, const char *name, json_t *config, const json_t *old)
{
    if (strstr(class, "Conv"))
        join_kernel_size(d, config, old);
    if (!strcmp(class, "ZeroPadding2D"))
        pad_pairs(d, config);
    if (!strcmp(class, "RandomCrop") && !d->crops)
        mr_keras_set(d, config, "passes_at_inference", json_true());
    if (!strcmp(class, "BatchNormalization"))
        return check_normalization(d, name, old);
    return 0;
}

/* --- the layer ------------------------------------------------------------ */

static int convert_keys(mr_dialect *d, const mr_layer_class *class, const char *name, json_t *config,
                        const json_t *old)
{
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)old, key, v) {
        const char *now = key_now(class->name, key);
        if (is_dropped(now))
            continue;
        bool any_has_it = !strcmp(now, "activity_regularizer") && !is_unset(v); /* Keras's Layer does */
        if (!mr_layer_field(class, now) && !any_has_it) {
            if (is_unset(v) || d->era < 3 ||
                !strncmp(key, "renorm", 6)) /* old keys that have no successor */
                continue;
            return mr_fail(d->e, MR_EUNSUPPORTED, "layer '%s' (%s): unsupported option '%s'", name,
                           class->name, key);
        }
        json_t *value = convert_value(d, now, v);
        if (mr_keras_is_default(class->name, now, value))
            json_decref(value);
        else
            mr_keras_set(d, config, now, value);
    }
    return finish(d, class->name, name, config, old);
}

static int refuse_class(mr_dialect *d, const char *name, const char *class)
{
    if (!strcmp(class, "Lambda"))
        return refuse(d, name, class, "holds Python code, which millrace never runs");
    if (strchr(class, '>'))
        return refuse(d, name, class, "custom classes are not supported: they need their author's Python code");
    return refuse(d, name, class, "unsupported layer class");
}

static int convert_input(json_t **out, mr_dialect *d, const char *name, const json_t *old)
{
    json_t *shape = json_object_get(old, "batch_shape");
    if (!json_is_array(shape))
        shape = json_object_get(old, "batch_input_shape");
    if (!json_is_array(shape) || json_array_size(shape) == 0)
        return mr_fail(d->e, MR_EFORMAT, "layer '%s' (InputLayer): no batch_shape", name);
    json_t *batch = json_copy(shape), *config = json_object();
    if (json_array_set_new(batch, 0, json_null()))
        d->failed = true;
    mr_keras_set(d, config, "batch_shape", batch);
    mr_keras_set(d, config, "name", json_string(name));
    *out = json_pack("{s:s, s:s, s:o}", "class_name", "InputLayer", "name", name, "config", config);
    return 0;
}

int mr_keras_layer(json_t **out, mr_dialect *d, const json_t *layer)
{
    const char *name = mr_tree_name(layer), *registered = mr_json_text(layer, "registered_name");
    const char *was = registered && strchr(registered, '>') ? registered : mr_tree_class(layer);
    const json_t *old = json_object_get(layer, "config");
    *out = NULL;
    if (!*name || !json_is_object(old))
        return mr_fail(d->e, MR_EFORMAT,
                       "model configuration: a layer of class '%s' without name or configuration", was);
    if (!strcmp(was, "InputLayer"))
        return convert_input(out, d, name, old);
    const char *now = !strcmp(was, "Merge") ? merge_class(old) : class_now(was);
    const mr_layer_class *class = now ? mr_layer_class_find(now) : NULL;
    if (!class)
        return refuse_class(d, name, was);
    json_t *config = json_object();
    const json_t *trainable = json_object_get(old, "trainable");
    mr_keras_set(d, config, "name", json_string(name));
    mr_keras_set(d, config, "trainable",
                 json_boolean(!json_is_false(trainable) || !mr_keras_takes_trainable(class->name)));
    int status = convert_keys(d, class, name, config, old);
    *out = json_pack("{s:s, s:s, s:o}", "class_name", class->name, "name", name, "config", config);
    if (!*out)
        d->failed = true;
    return status;
}
