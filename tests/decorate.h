/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to the layers of a configuration, nested models included. */
#ifndef MR_TESTS_DECORATE_H
#define MR_TESTS_DECORATE_H

#include <jansson.h>
#include <string.h>

/* Every layer's outputs are regularized. */
static inline void decorate_penalty(json_t *layer)
{
    json_object_set_new(
        json_object_get(layer, "config"), "activity_regularizer",
        json_pack("{s:s, s:{s:f, s:f}}", "class_name", "L1L2", "config", "l1", 0.01, "l2", 0.03));
}

/* Every call is made with training=False. */
static inline void decorate_inference(json_t *layer)
{
    json_t *call;
    size_t i;
    json_array_foreach (json_object_get(layer, "inbound_nodes"), i, call) {
        json_object_set_new(json_array_get(json_array_get(call, 0), 3), "training", json_false());
    }
}

/* CHANGE is called for the layers whose class name holds CLASS ("": all), inputs excepted. */
static inline json_t *decorate(json_t *model, const char *class, void (*change)(json_t *layer))
{
    json_t *layer;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(model, "config"), "layers"), i, layer) {
        const char *name = json_string_value(json_object_get(layer, "class_name"));
        if (json_object_get(json_object_get(layer, "config"), "layers"))
            decorate(layer, class, change);
        else if (strcmp(name, "InputLayer") != 0 && strstr(name, class))
            change(layer);
    }
    return model;
}

#endif
