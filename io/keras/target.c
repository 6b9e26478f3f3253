/* SPDX-License-Identifier: Apache-2.0 */
/* Which variables an entry of a model's layer list has, and whether all were filled. */
#include "io/keras/internal.h"
#include "io/keras/weights.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

void mr_keras_targets_free(mr_keras_targets *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->target[i].path);
    free(t->target);
    memset(t, 0, sizeof *t);
}

static int add_target(mr_keras_targets *t, mr_param *p, const char *path, mr_error *e)
{
    if (!mr_list_grow(&t->target, t->count, sizeof *t->target))
        return mr_no_memory(e, "the weights of a model");
    char *copy = strdup(path);
    if (!copy)
        return mr_no_memory(e, "the weights of a model");
    t->target[t->count++] = (mr_keras_target){.param = p, .path = copy};
    return 0;
}

/* PATH: of ENTRY in the graph; BELOW: the same below the entry that was asked for. */
static int add_layers(mr_keras_targets *t, const mr_graph *g, const json_t *entry, const char *path,
                      const char *below, bool trainable, mr_error *e)
{
    int status = 0;
    if (!mr_keras_is_model(entry)) {
        mr_layer *l = mr_graph_layer(g, path);
        for (int i = 0; l && i < l->params && !status; i++)
            if (l->param[i].trainable == trainable)
                status = add_target(t, &l->param[i], below, e);
        return l ? status : mr_fail(e, MR_ENOTFOUND, "the model has no layer '%s'", path);
    }
    const json_t *layer, *layers = json_object_get(json_object_get(entry, "config"), "layers");
    size_t i;
    json_array_foreach (layers, i, layer) {
        char *inner = mr_keras_path(path, mr_keras_name(layer)),
             *inner_below = mr_keras_path(below, mr_keras_name(layer));
        if (!inner || !inner_below)
            status = mr_no_memory(e, "the weights of a model");
        if (!status)
            status = add_layers(t, g, layer, inner, inner_below, trainable, e);
        free(inner);
        free(inner_below);
        if (status)
            break;
    }
    return status;
}

int mr_keras_targets_of(mr_keras_targets *out, const mr_graph *g, const json_t *entry, const char *prefix,
                        mr_error *e)
{
    memset(out, 0, sizeof *out);
    char *path = mr_keras_path(prefix, mr_keras_name(entry));
    int status = path ? 0 : mr_no_memory(e, "the weights of a model");
    for (int trainable = 1; trainable >= 0 && !status; trainable--)
        status = add_layers(out, g, entry, path, "", trainable, e);
    free(path);
    if (status)
        mr_keras_targets_free(out);
    return status;
}

/* --- what was filled ------------------------------------------------------ */

int mr_keras_filled_open(mr_keras_filled *f, const mr_graph *g, mr_error *e)
{
    f->graph = g;
    f->flag = calloc((size_t)g->params + 1, sizeof *f->flag);
    return f->flag ? 0 : mr_no_memory(e, "the weights of a model");
}

void mr_keras_filled_close(mr_keras_filled *f)
{
    free(f->flag);
    f->flag = NULL;
}

/* Offsets grow with the number of the variable. */
static int number_of(const mr_graph *g, const mr_param *p)
{
    int low = 0, high = g->params - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (g->param[middle]->offset < p->offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int mr_keras_filled_mark(mr_keras_filled *f, const mr_param *p, const char *dataset, mr_error *e)
{
    bool *flag = &f->flag[number_of(f->graph, p)];
    if (*flag)
        return mr_fail(e, MR_EFORMAT, "weights '%s': %s of layer '%s' has its weights already", dataset,
                       p->kind, p->layer->name);
    *flag = true;
    return 0;
}

int mr_keras_filled_check(const mr_keras_filled *f, mr_error *e)
{
    for (int i = 0; i < f->graph->params; i++)
        if (!f->flag[i]) {
            const mr_param *p = f->graph->param[i];
            return mr_fail(e, MR_EFORMAT, "layer '%s' (%s): the file has no weights for its %s",
                           p->layer->name, p->layer->class->name, p->kind);
        }
    return 0;
}
