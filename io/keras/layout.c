/* SPDX-License-Identifier: Apache-2.0 */
/* The first step follows every tensor from the inputs on, knowing of each how the original has it; the second
 * one says how the arrays lie in the file. */
#include "io/keras/layout.h"

#include <stdlib.h>
#include <string.h>

/* How the original holds a tensor that we hold in our way. */
enum order {
    SAME,
    CHW, /* 4-D: original (N,C,H,W), ours (N,H,W,C) */
    FLAT /* 2-D: original flattened from (C,H,W), ours from (H,W,C) */
};

struct tag {
    enum order order;
    const char *flatten; /* FLAT: path of the Flatten that made it */
};

struct pass {
    mr_dialect *d;
    json_t *notes;
    json_t *orders;   /* paths of layers that give (N,C,H,W) in the original */
    json_t *unfolded; /* paths of Flattens that get a Permute before them: their order is seen */
    bool again;       /* one more was put there: start over */
};

/* What was made of an entry. It is changed once, so all calls must agree in their first input. */
struct change {
    struct tag first;
    bool done;
    int call; /* for which call that was */
};

struct scope { /* one model */
    struct pass *p;
    const mr_tree *tree;
    struct tag *tag;       /* [tree->tensors] */
    struct change *change; /* [tree->entries] */
    mr_keras_insertions inserted;
    int depth;
};

static int refuse(const struct pass *p, const mr_tree_entry *en, const char *what)
{
    return mr_fail(p->d->e, MR_EUNSUPPORTED, "layer '%s' (%s): channels_first, %s", en->name, en->class, what);
}

static int no_memory(const struct pass *p)
{
    return mr_no_memory(p->d->e, "a model's configuration or weights");
}

static bool is_one_of(const char *class, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(class, *list))
            return true;
    return false;
}

/* --- axes ----------------------------------------------------------------- */

/* Axis of (N,C,H,W) → the same of (N,H,W,C). */
static json_int_t moved_axis(json_int_t axis)
{
    static const json_int_t to[4] = {0, 3, 1, 2};
    if (axis < 0)
        axis += 4;
    return axis >= 0 && axis < 4 ? to[axis] : axis;
}

static void move_axes(struct pass *p, json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_integer(v)) {
        mr_keras_set(p->d, config, key, json_integer(moved_axis(json_integer_value(v))));
    } else if (json_is_array(v)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(v); i++)
            mr_keras_append(p->d, list, json_integer(moved_axis(json_integer_value(json_array_get(v, i)))));
        mr_keras_set(p->d, config, key, list);
    }
}

/* [null, C, H, W] → [null, H, W, C] */
static void move_shape(struct pass *p, json_t *config)
{
    const json_t *s = json_object_get(config, "batch_shape");
    if (json_array_size(s) == 4)
        mr_keras_set(p->d, config, "batch_shape",
                     json_pack("[O,O,O,O]", json_array_get(s, 0), json_array_get(s, 2), json_array_get(s, 3),
                               json_array_get(s, 1)));
}

/* Leaves the key out where channels_last is the default, as the reader of configurations does. */
static void set_channels_last(struct pass *p, const mr_tree_entry *en)
{
    json_t *last = json_string("channels_last");
    if (mr_keras_is_default(en->class, "data_format", last)) {
        json_object_del(en->config, "data_format");
        json_decref(last);
    } else {
        mr_keras_set(p->d, en->config, "data_format", last);
    }
}

static void note(const struct scope *s, const mr_tree_entry *en, const char *how, const char *flatten)
{
    mr_keras_set(s->p->d, s->p->notes, en->path, json_pack("{s:s, s:s*}", "how", how, "flatten", flatten));
}

/* --- layers --------------------------------------------------------------- */

static json_t *permute(struct pass *p, const mr_tree_entry *en, const char *suffix, int a, int b, int c)
{
    json_t *name = json_sprintf("%s_%s", en->name, suffix);
    json_t *made = json_pack("{s:s, s:O, s:{s:O, s:b, s:[i,i,i]}}", "class_name", "Permute", "name", name,
                             "config", "name", name, "trainable", 1, "dims", a, b, c);
    json_decref(name);
    if (!made)
        p->d->failed = true;
    return made;
}

/* A layer that looks at the order of a vector's elements: the next walk gives the Flatten that made it the
 * original's order, by a Permute before it. The rest of this walk only looks for more of them. */
static int unfold(struct pass *p, const char *flatten)
{
    mr_keras_set(p->d, p->unfolded, flatten, json_true());
    p->again = true;
    return 0;
}

static int flatten(struct scope *s, const mr_tree_entry *en, struct tag *out)
{
    struct pass *p = s->p;
    bool turns = mr_json_is(json_object_get(en->config, "data_format"),
                            "channels_first"); /* to (H,W,C) by itself */
    bool unfolds = !turns && json_object_get(p->unfolded, en->path);
    set_channels_last(p, en);
    *out = turns || unfolds ? (struct tag){SAME, NULL} : (struct tag){FLAT, en->path};
    return unfolds ? mr_keras_insert_before(p->d, &s->inserted, en->json, permute(p, en, "channels_first", 3, 1, 2))
                   : 0;
}

/* Reshape: the numbers must be in the original's order before and are so after. */
static int reshape(struct scope *s, const mr_tree_entry *en, enum order in, struct tag *out)
{
    struct pass *p = s->p;
    int status = 0;
    if (in == CHW)
        status =
            mr_keras_insert_before(p->d, &s->inserted, en->json, permute(p, en, "channels_first", 3, 1, 2));
    *out = (struct tag){SAME, NULL};
    if (!status && json_array_size(json_object_get(en->config, "target_shape")) == 3) {
        status =
            mr_keras_insert_after(p->d, &s->inserted, en->json, permute(p, en, "channels_last", 2, 3, 1));
        out->order = CHW;
    }
    return status;
}

static int permute_dims(struct pass *p, const mr_tree_entry *en, struct tag *out)
{
    json_t *dims = json_object_get(en->config, "dims"), *list = json_array();
    for (size_t i = 0; i < json_array_size(dims); i++)
        mr_keras_append(p->d, list, json_integer(moved_axis(json_integer_value(json_array_get(dims, i)))));
    mr_keras_set(p->d, en->config, "dims", list);
    *out = (struct tag){SAME, NULL};
    return 0;
}

/* Convolutions, pooling, padding …: all that has a data_format. */
static int spatial(struct scope *s, const mr_tree_entry *en, struct tag *out)
{
    const char *class = en->class;
    json_t *config = en->config;
    set_channels_last(s->p, en);
    if (s->p->d->era == 1 && strstr(class, "Conv"))
        note(s, en, "oihw", NULL);
    bool vector = !strncmp(class, "Global", 6) && !json_is_true(json_object_get(config, "keepdims"));
    *out = (struct tag){vector ? SAME : CHW, NULL};
    return 0;
}

/* Layers that work on each element alike, or along an axis that moves. */
static int elementwise(struct scope *s, const mr_tree_entry *en, struct tag in, struct tag *out)
{
    const char *class = en->class;
    json_t *config = en->config;
    *out = in;
    if (in.order == CHW && mr_json_is(json_object_get(config, "activation"), "softmax"))
        return refuse(s->p, en, "softmax along the width");
    if (in.order == CHW) {
        move_axes(s->p, config, !strcmp(class, "PReLU") ? "shared_axes" : "axis");
        if (!strcmp(class, "PReLU"))
            note(s, en, "chw", NULL);
    } else if (!strcmp(class, "PReLU") || !strcmp(class, "BatchNormalization")) {
        note(s, en, "rows", in.flatten);
    }
    return 0;
}

static int merge(struct scope *s, const mr_tree_entry *en, const struct tag *in, int inputs, struct tag *out)
{
    bool concatenate = !strcmp(en->class, "Concatenate");
    enum order first = in[0].order == FLAT ? SAME : in[0].order; /* as in the walk that counts */
    *out = (struct tag){first, NULL};
    for (int i = 0; i < inputs; i++) {
        if (in[i].order == FLAT)
            unfold(s->p, in[i].flatten);
        if ((in[i].order == FLAT ? SAME : in[i].order) != first)
            return refuse(s->p, en, "merged with a tensor in another order of axes");
    }
    if (concatenate && in[0].order == CHW)
        move_axes(s->p, en->config, "axis");
    return 0;
}

/* Changes layer EN for its input and tells how its output lies. */
static int change_layer(struct scope *s, const mr_tree_entry *en, const struct tag *in, int inputs,
                        struct tag *out)
{
    static const char *const each[] = {"Activation",      "ReLU",
                                       "LeakyReLU",       "ELU",
                                       "PReLU",           "Softmax",
                                       "Dropout",         "GaussianNoise",
                                       "GaussianDropout", "AlphaDropout",
                                       "Rescaling",       "BatchNormalization",
                                       "Identity",        NULL};
    static const char *const merges[] = {"Add",     "Subtract", "Multiply",    "Average",
                                         "Maximum", "Minimum",  "Concatenate", NULL};
    const char *class = en->class;
    bool first = mr_json_is(json_object_get(en->config, "data_format"), "channels_first");
    *out = (struct tag){SAME, NULL};
    if (is_one_of(class, merges))
        return merge(s, en, in, inputs, out);
    if (!strcmp(class, "Flatten"))
        return in[0].order == CHW ? flatten(s, en, out) : 0;
    if (!strcmp(class, "Reshape"))
        return in[0].order == FLAT ? unfold(s->p, in[0].flatten) : reshape(s, en, in[0].order, out);
    if (first)
        return in[0].order == CHW ? spatial(s, en, out) : refuse(s->p, en, "on a tensor that is channels_last");
    if (in[0].order == SAME)
        return 0;
    if (is_one_of(class, each))
        return elementwise(s, en, in[0], out);
    if (!strcmp(class, "Permute") && in[0].order == CHW)
        return permute_dims(s->p, en, out);
    if (!strcmp(class, "Dense") && in[0].order == FLAT) {
        note(s, en, "rows", in[0].flatten);
        return 0;
    }
    return in[0].order == FLAT ? unfold(s->p, in[0].flatten)
                               : refuse(s->p, en, "and it depends on the order of axes");
}

/* --- models --------------------------------------------------------------- */

/* A Reshape gives the original's order; what follows turns it. */
static void note_order(const struct scope *s, const mr_tree_entry *en, enum order order)
{
    if (order == CHW && !en->model && strcmp(en->class, "Reshape") != 0)
        mr_keras_set(s->p->d, s->p->orders, en->path, json_true());
}

static int walk_model(struct pass *p, const mr_tree *t, const struct tag *in, struct tag *out, int depth);

static int change_entry(struct scope *s, const mr_tree_call *c, const struct tag *in)
{
    const mr_tree_entry *en = &s->tree->entry[c->entry];
    struct change *change = &s->change[c->entry];
    struct tag *out = &s->tag[c->output];
    int status = 0;
    if (!change->done) {
        *change = (struct change){in[0], true, (int)(c - s->tree->call)};
        status = en->model ? walk_model(s->p, en->model, in, out, s->depth + 1)
                           : change_layer(s, en, in, c->inputs, out);
    } else if (in[0].order == change->first.order && in[0].flatten == change->first.flatten) {
        memcpy(out, &s->tag[s->tree->call[change->call].output], (size_t)en->outputs * sizeof *out);
    } else {
        status = refuse(s->p, en, "called on channels_first and channels_last tensors");
    }
    if (!status)
        note_order(s, en, out->order);
    return status;
}

static int follow_call(struct scope *s, const mr_tree_call *c)
{
    struct tag *in = calloc((size_t)c->inputs + 1, sizeof *in);
    if (!in)
        return no_memory(s->p);
    for (int i = 0; i < c->inputs; i++)
        in[i] = s->tag[c->input[i]];
    int status = change_entry(s, c, in);
    free(in);
    return status;
}

/* An image input of the outermost model, where IN is NULL, is channels_first as the model is. */
static void bind_input(struct scope *s, const mr_tree_call *c, const struct tag *in)
{
    const mr_tree_entry *en = &s->tree->entry[c->entry];
    bool image = json_array_size(json_object_get(en->config, "batch_shape")) == 4;
    struct tag *tag = &s->tag[c->output];
    *tag = in ? in[en->input] : (struct tag){image ? CHW : SAME, NULL};
    if (tag->order == CHW)
        move_shape(s->p, en->config);
}

static int follow_calls(struct scope *s, const struct tag *in)
{
    const mr_tree *t = s->tree;
    int status = 0;
    for (int i = 0; i < t->calls && !status; i++) {
        const mr_tree_call *c = &t->call[t->order[i]];
        if (t->entry[c->entry].input >= 0)
            bind_input(s, c, in);
        else
            status = follow_call(s, c);
    }
    return status;
}

/* What the model gives. The elements of a vector have the original's order there. */
static void collect(struct scope *s, struct tag *out)
{
    for (int i = 0; i < s->tree->outputs; i++) {
        struct tag tag = s->tag[s->tree->output[i]];
        if (out)
            out[i] = tag;
        else if (tag.order == FLAT)
            unfold(s->p, tag.flatten);
    }
}

/* IN, OUT: of a nested model; NULL for the outermost one. */
static int walk_model(struct pass *p, const mr_tree *t, const struct tag *in, struct tag *out, int depth)
{
    struct scope s = {.p = p, .tree = t, .depth = depth};
    s.tag = calloc((size_t)t->tensors + 1, sizeof *s.tag);
    s.change = calloc((size_t)t->entries + 1, sizeof *s.change);
    int status = s.tag && s.change ? follow_calls(&s, in) : no_memory(p);
    if (!status) {
        collect(&s, out);
        status = mr_keras_insert_all(p->d, &s.inserted, t->json);
    }
    mr_keras_insertions_free(&s.inserted);
    free(s.change);
    free(s.tag);
    return status;
}

static bool says_channels_first(const json_t *v, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (mr_json_is(json_object_get(v, "data_format"), "channels_first"))
        return true;
    json_object_foreach ((json_t *)v, key, member)
        if (depth < MR_JSON_MAX_DEPTH && says_channels_first(member, depth + 1))
            return true;
    json_array_foreach (v, i, member)
        if (depth < MR_JSON_MAX_DEPTH && says_channels_first(member, depth + 1))
            return true;
    return false;
}

static int walk_once(struct pass *p, json_t **changed, const json_t *original)
{
    mr_tree *tree = NULL;
    p->again = false;
    json_object_clear(p->notes);
    json_object_clear(p->orders);
    *changed = json_deep_copy(original);
    int status = *changed ? mr_tree_create(&tree, *changed, p->d->e) : no_memory(p);
    if (!status)
        status = walk_model(p, tree, NULL, NULL, 0);
    mr_tree_free(tree);
    return status;
}

int mr_keras_channels_last(mr_dialect *d, json_t **model, json_t *notes, json_t *orders)
{
    enum { MOST_WALKS = 50 };
    struct pass p = {.d = d, .notes = notes, .orders = orders, .unfolded = json_object()};
    json_t *changed = NULL;
    int status = 0;
    if (says_channels_first(*model, 0)) {
        status = walk_once(&p, &changed, *model);
        for (int walks = 1; p.again && !d->failed && walks < MOST_WALKS; walks++) {
            json_decref(changed);
            if (d->e && status != MR_ENOMEM) /* what a walk refused that is repeated does not count */
                mr_error_clear(d->e);
            status = walk_once(&p, &changed, *model);
        }
        if (!status && p.again)
            status = mr_fail(d->e, MR_ELIMIT, "model configuration: channels_first, too many Flatten layers");
        if (!status) {
            json_decref(*model);
            *model = changed;
        } else {
            json_decref(changed);
        }
    }
    json_decref(p.unfolded);
    return status;
}

/* --- the second step: shapes -------------------------------------------------- */

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
