/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that came late. Keras refuses keys that it does not know, so one that a version between 2.3 and 3.3
 * lacks is neither kept nor written where it says what goes without saying. */
#include "io/keras/internal.h"

#include <string.h>

static const struct {
    const char *classes, *key, *value; /* classes: those whose name starts so */
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

bool mr_keras_goes_without_saying(const char *class, const char *key, const json_t *value)
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
