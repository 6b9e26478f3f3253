/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/layout.h"

#include <string.h>

/* {"shape": …, "view": …, "perm": …}: the file's array of shape SHAPE, seen as VIEW, transposed by PERM. */
static json_t *arrangement(const int64_t *shape, int rank, const int64_t *view, const int *perm,
                           int view_rank)
{
    json_t *s = json_array(), *v = json_array(), *p = json_array();
    for (int i = 0; i < rank; i++)
        json_array_append_new(s, json_integer(shape[i]));
    for (int i = 0; i < view_rank; i++) {
        json_array_append_new(v, json_integer(view[i]));
        json_array_append_new(p, json_integer(perm[i]));
    }
    return json_pack("{s:o, s:o, s:o}", "shape", s, "view", v, "perm", p);
}

/* A variable whose axes are in another order in the file: ours number i is the file's number perm[i]. */
static json_t *transposed(const mr_param *p, const int *perm)
{
    int64_t file[MR_MAX_RANK];
    for (int i = 0; i < p->shape.rank; i++)
        file[perm[i]] = p->shape.dim[i];
    return arrangement(file, p->shape.rank, file, perm, p->shape.rank);
}

/* Keras 1's "th" kernels are (out,in,h,w); those of transposed convolutions (out,in,h,w) where ours are
 * (h,w,out,in). */
static json_t *oihw(const mr_param *p)
{
    static const int plain[4] = {2, 3, 1, 0}, transpose[4] = {2, 3, 0, 1};
    if (p->shape.rank != 4)
        return NULL;
    return transposed(p, !strcmp(p->layer->class->name, "Conv2DTranspose") ? transpose : plain);
}

/* PReLU's alpha: (C,H,W) → (H,W,C). */
static json_t *chw(const mr_param *p)
{
    static const int perm[3] = {1, 2, 0};
    return p->shape.rank == 3 ? transposed(p, perm) : NULL;
}

/* What the Flatten at PATH takes: (N,H,W,C), or NULL. */
static const mr_shape *flattened(const mr_graph *g, const char *path)
{
    for (int i = 0; path && i < g->nodes; i++)
        if (!strcmp(g->node[i].layer->name, path) && g->node[i].inputs == 1)
            return &g->node[g->node[i].input[0]].shape;
    return NULL;
}

/* The first axis counts C·H·W elements in the original's order. */
static json_t *rows(const mr_param *p, const mr_shape *in)
{
    static const int perm[4] = {1, 2, 0, 3};
    if (!in || in->rank != 4 || p->shape.rank < 1 || p->shape.rank > 2 ||
        p->shape.dim[0] != in->dim[1] * in->dim[2] * in->dim[3])
        return NULL;
    if (!strcmp(p->kind, "bias")) /* of a Dense as wide as its input */
        return NULL;
    int64_t view[4] = {in->dim[3], in->dim[1], in->dim[2], p->shape.rank == 2 ? p->shape.dim[1] : 1};
    return arrangement(p->shape.dim, p->shape.rank, view, perm, p->shape.rank + 2);
}

static json_t *arrange_layer(const mr_layer *l, const json_t *note, const mr_graph *g)
{
    const char *how = mr_json_text(note, "how");
    const mr_shape *in = flattened(g, mr_json_text(note, "flatten"));
    json_t *all = json_object();
    for (int i = 0; l && how && i < l->params; i++) {
        const mr_param *p = &l->param[i];
        json_t *one = !strcmp(how, "oihw") ? oihw(p) : !strcmp(how, "chw") ? chw(p) : rows(p, in);
        if (one) {
            json_object_set_new(one, "how", json_string(how));
            json_object_set_new(all, p->kind, one);
        }
    }
    return all;
}

int mr_keras_layout_shapes(json_t *notes, const mr_graph *g, mr_error *e)
{
    json_t *copy = json_copy(notes), *note;
    const char *path;
    int status = 0;
    json_object_foreach (copy, path, note)
        if (json_object_set_new(notes, path, arrange_layer(mr_graph_layer(g, path), note, g)))
            status = mr_no_memory(e, "a model's configuration or weights");
    json_decref(copy);
    return status;
}

/* --- as it was ------------------------------------------------------------ */

static const json_t *original(const mr_graph *g)
{
    return json_object_get(g->config, "original");
}

const json_t *mr_keras_written_config(const mr_graph *g)
{
    const json_t *model = json_object_get(original(g), "model");
    return model ? model : g->config;
}

const json_t *mr_keras_written_layouts(const mr_graph *g)
{
    return json_object_get(original(g), "layouts");
}

const json_t *mr_keras_written_orders(const mr_graph *g)
{
    return json_object_get(original(g), "orders");
}

json_t *mr_keras_later_layouts(const json_t *layouts)
{
    json_t *later = json_object(), *layer, *one;
    const char *path, *kind;
    json_object_foreach ((json_t *)layouts, path, layer)
        json_object_foreach (layer, kind, one) {
            if (mr_json_is(json_object_get(one, "how"), "oihw"))
                continue;
            if (!json_object_get(later, path))
                json_object_set_new(later, path, json_object());
            json_object_set(json_object_get(later, path), kind, one);
        }
    return later;
}

int mr_keras_keep_layouts(json_t *config, const json_t *layouts, mr_error *e)
{
    json_t *kept = json_object_get(config, "original");
    if (kept && json_object_set_new(kept, "layouts", mr_keras_later_layouts(layouts)))
        return mr_no_memory(e, "a model's configuration or weights");
    return 0;
}
