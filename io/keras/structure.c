/* SPDX-License-Identifier: Apache-2.0 */
/* How a Functional model takes and gives its tensors: one alone, a list or a dictionary of them, or such in
 * one another. Code that calls the model depends on it (model.output is a list where a list of one was
 * written), so a model is written as it was read. */
#include "io/keras/internal.h"

#include <stdlib.h>

static bool is_tensor(const json_t *v)
{
    return json_is_string(json_array_get(v, 0)) && json_array_size(v) >= 3 &&
           json_is_integer(json_array_get(v, 1));
}

/* V with the number of each tensor in its place; they are counted in *COUNT. */
static json_t *numbered(mr_dialect *d, const json_t *v, json_int_t *count)
{
    const char *key;
    json_t *member, *out = json_is_object(v) ? json_object() : json_array();
    size_t i;
    if (is_tensor(v)) {
        json_decref(out);
        return json_integer((*count)++);
    }
    json_array_foreach (v, i, member)
        mr_keras_append(d, out, numbered(d, member, count));
    json_object_foreach ((json_t *)v, key, member)
        mr_keras_set(d, out, key, numbered(d, member, count));
    return out;
}

static bool is_plain_list(const json_t *v)
{
    const json_t *member;
    size_t i;
    json_array_foreach (v, i, member)
        if (!is_tensor(member))
            return false;
    return json_is_array(v);
}

json_t *mr_keras_structure(mr_dialect *d, const json_t *ends)
{
    json_int_t count = 0;
    bool one = is_tensor(ends) || (!d->lists && is_plain_list(ends) && json_array_size(ends) == 1);
    bool several = is_plain_list(ends) && json_array_size(ends) > 1;
    return one || several ? NULL : numbered(d, ends, &count);
}

json_t *mr_keras_structured(mr_dialect *d, const json_t *items, const json_t *structure)
{
    const char *key;
    json_t *member, *out;
    size_t i;
    if (!structure)
        return json_array_size(items) == 1 ? json_deep_copy(json_array_get(items, 0)) : json_deep_copy(items);
    if (json_is_integer(structure))
        return json_deep_copy(json_array_get(items, (size_t)json_integer_value(structure)));
    out = json_is_object(structure) ? json_object() : json_array();
    json_array_foreach (structure, i, member)
        mr_keras_append(d, out, mr_keras_structured(d, items, member));
    json_object_foreach ((json_t *)structure, key, member)
        mr_keras_set(d, out, key, mr_keras_structured(d, items, member));
    return out;
}

bool mr_keras_keeps_lists(const mr_tree *model)
{
    static const char *const keys[] = {"input_structure", "output_structure"};
    bool keeps = false;
    for (int k = 0; k < 2; k++)
        if (json_array_size(json_object_get(model->config, keys[k])) == 1)
            keeps = true;
    for (int i = 0; i < model->entries && !keeps; i++)
        keeps = model->entry[i].model && mr_keras_keeps_lists(model->entry[i].model);
    return keeps;
}
