/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/train/fine_tune.h"

#include "base/json_read.h"
#include "nn/graph/initializer.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* --- finding the head ------------------------------------------------------------------------------ */

static bool is_one_of(const mr_layer *l, const char *const *classes)
{
    for (; *classes; classes++)
        if (!strcmp(l->class->name, *classes))
            return true;
    return false;
}

static const char *const activations[] = {"Activation", "Softmax", NULL};
/* What may stand behind a head without having to know how many classes there are. */
static const char *const passing[] = {
    "Activation", "Softmax", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", NULL};
static const char *const heads[] = {"Dense", "Conv2D", NULL};

struct head {
    int node; /* the call of the layer that classifies */
    const mr_layer *layer;
    const mr_layer *activation; /* the activation layer behind it, or NULL */
};

static int calls_of(const mr_graph *g, const mr_layer *l)
{
    int calls = 0;
    for (int i = 0; i < g->nodes; i++)
        calls += g->node[i].layer == l;
    return calls;
}

static int find_head(struct head *h, const mr_graph *g, mr_error *e)
{
    memset(h, 0, sizeof *h);
    if (g->outputs != 1)
        return mr_fail(e, MR_EUNSUPPORTED, "a new head needs a model with one output; '%s' has %d", g->name,
                       g->outputs);
    int at = g->output[0];
    while (g->node[at].inputs == 1 && is_one_of(g->node[at].layer, passing)) {
        if (is_one_of(g->node[at].layer, activations))
            h->activation = g->node[at].layer;
        at = g->node[at].input[0];
    }
    h->node = at;
    h->layer = g->node[at].layer;
    if (!is_one_of(h->layer, heads))
        return mr_fail(e, MR_EUNSUPPORTED,
                       "the model ends in layer '%s' (%s): a new head can replace a Dense or a Conv2D layer",
                       h->layer->name, h->layer->class->name);
    if (calls_of(g, h->layer) != 1)
        return mr_fail(e, MR_EUNSUPPORTED,
                       "the last layer '%s' is used more than once: it cannot be replaced", h->layer->name);
    return 0;
}

/* --- editing the configuration ----------------------------------------------------------------------- */

static const char *name_of(const json_t *layer)
{
    const char *name = mr_json_text(layer, "name");
    return name ? name : mr_json_text(json_object_get(layer, "config"), "name");
}

/* Calls FOUND for the models on the way to the layer PATH, then for the layer itself; each with its "config".
 * Names may hold '/', so every entry whose name begins what is left is tried. Returns whether the layer is
 * there. */
static bool walk_to(json_t *model, const char *path,
                    void (*found)(void *context, json_t *config, bool is_layer), void *context)
{
    json_t *list = json_object_get(json_object_get(model, "config"), "layers"), *entry;
    size_t i;
    json_array_foreach(list, i, entry)
    {
        const char *name = name_of(entry);
        size_t n = name ? strlen(name) : 0;
        json_t *config = json_object_get(entry, "config");
        if (n == 0 || strncmp(path, name, n) != 0)
            continue;
        bool model_inside = json_is_array(json_object_get(config, "layers"));
        bool here = path[n] == '\0' && !model_inside;
        if (!here && !(path[n] == '/' && model_inside && walk_to(entry, path + n + 1, found, context)))
            continue;
        found(context, config, here);
        return true;
    }
    return false;
}

static void take_config(void *context, json_t *config, bool is_layer)
{
    if (is_layer)
        *(json_t **)context = config;
}

static json_t *config_of(json_t *model, const char *path)
{
    json_t *config = NULL;
    walk_to(model, path, take_config, &config);
    return config;
}

static void make_trainable(void *context, json_t *config, bool is_layer)
{
    (void)context;
    if (is_layer || json_is_false(json_object_get(config, "trainable")))
        json_object_set_new(config, "trainable", json_true());
}

/* The layer PATH, and all models that it is in, the outermost too: readers have written out that the other
 * layers of those are not trainable. */
static void open_path(json_t *model, const char *path)
{
    make_trainable(NULL, json_object_get(model, "config"), false);
    walk_to(model, path, make_trainable, NULL);
}

static bool is_conv(const mr_layer *l)
{
    return !strcmp(l->class->name, "Conv2D");
}

/* The configuration that a channels_first model is written with (io/keras/layout.h), which must follow all
 * changes, or NULL. */
static json_t *original_of(const json_t *model)
{
    return json_object_get(json_object_get(model, "original"), "model");
}

static bool edit_head(json_t *model, const struct head *h, int classes)
{
    json_t *config = config_of(model, h->layer->name);
    if (!config)
        return false;
    json_object_set_new(config, is_conv(h->layer) ? "filters" : "units", json_integer(classes));
    json_object_set_new(config, "activation", json_string(h->activation ? "linear" : "softmax"));
    open_path(model, h->layer->name);
    if (h->activation && !strcmp(h->activation->class->name, "Activation"))
        json_object_set_new(config_of(model, h->activation->name), "activation", json_string("softmax"));
    return true;
}

/* The new configuration: units and activation of the head, and the kind of what follows it. */
static json_t *edited(const mr_graph *g, const struct head *h, int classes)
{
    json_t *model = json_deep_copy(g->config), *original = original_of(model);
    if (model && edit_head(model, h, classes) && (!original || edit_head(original, h, classes)))
        return model;
    json_decref(model);
    return NULL;
}

/* --- the new graph ----------------------------------------------------------------------------------------
 */

/* All variables but those of the head. */
static int move_weights(mr_graph *to, const mr_graph *from, const char *head, mr_error *e)
{
    for (int i = 0; i < to->params; i++) {
        const mr_param *p = to->param[i], *q = i < from->params ? from->param[i] : NULL;
        if (!strcmp(p->layer->name, head))
            continue;
        if (!q || strcmp(q->layer->name, p->layer->name) != 0 || q->count != p->count)
            return mr_fail(e, MR_EUNSUPPORTED, "layer '%s' depends on the number of classes too",
                           p->layer->name);
        memcpy(mr_param_value(to, p), mr_param_value(from, q), p->count * sizeof *to->state);
    }
    return 0;
}

static void forget_training(mr_model *m)
{
    json_decref(m->training);
    m->training = NULL;
    free(m->slot);
    m->slot = NULL;
    m->slots = 0;
    m->has_optimizer_state = false;
    m->iterations = 0;
}

static int make_graph(mr_graph **out, const mr_graph *g, const struct head *h, int classes, mr_error *e)
{
    const mr_shape *input = g->inputs == 1 ? &g->node[g->input[0]].shape : NULL;
    json_t *config = edited(g, h, classes);
    int status = config ? mr_graph_create(out, config, input, e)
                        : mr_no_memory(e, "the new head");
    json_decref(config);
    return status;
}

/* A flat vector of the classes must come out. */
static int check_output(const mr_graph *g, int classes, mr_error *e)
{
    const mr_shape *s = &g->node[g->output[0]].shape;
    char text[96];
    if (s->rank == 2 && s->dim[1] == classes)
        return 0;
    return mr_fail(e, MR_EUNSUPPORTED, "with a new head the model gives %s, not one vector of %d classes",
                   mr_shape_text(s, true, text, sizeof text), classes);
}

int mr_fine_tune_new_head(mr_model *m, int classes, uint64_t seed, mr_layer **head, mr_error *e)
{
    struct head h;
    mr_graph *g = NULL;
    int status = classes < 2 ? mr_fail(e, MR_EINVAL, "a new head needs at least two classes")
                             : find_head(&h, m->graph, e);
    if (!status)
        status = make_graph(&g, m->graph, &h, classes, e);
    if (!status)
        status = check_output(g, classes, e);
    if (!status)
        status = move_weights(g, m->graph, h.layer->name, e);
    mr_layer *made = status ? NULL : mr_graph_layer(g, h.layer->name);
    if (!status)
        status = mr_graph_initialize_layer(g, made, seed, e);
    if (status) {
        mr_graph_free(g);
        return status;
    }
    g->seed = seed;
    forget_training(m);
    mr_graph_free(m->graph);
    m->graph = g;
    if (head)
        *head = made;
    return 0;
}

/* --- freezing ---------------------------------------------------------------------------------------------
 */

bool mr_fine_tune_matches(const char *pattern, const mr_layer *l)
{
    if (!fnmatch(pattern, l->local_name, 0) || !fnmatch(pattern, l->name, 0))
        return true;
    char *path = strdup(l->name);
    bool found = false;
    for (char *slash = path ? strrchr(path, '/') : NULL; slash && !found; slash = strrchr(path, '/')) {
        *slash = '\0'; /* "a/b/c": the models "a/b" and "b", then "a" */
        const char *own = strrchr(path, '/');
        found = !fnmatch(pattern, path, 0) || !fnmatch(pattern, own ? own + 1 : path, 0);
    }
    free(path);
    return found;
}

static void make_frozen(void *context, json_t *config, bool is_layer)
{
    (void)context;
    if (is_layer)
        json_object_set_new(config, "trainable", json_false());
}

static bool is_input(const mr_layer *l)
{
    return !strcmp(l->class->name, "InputLayer");
}

static void set_trainable(mr_graph *g, mr_layer *l, bool trainable)
{
    if (is_input(l)) /* Keras's has no such key */
        return;
    mr_layer_set_trainable(l, trainable);
    json_t *models[] = {g->config, original_of(g->config)};
    for (int i = 0; i < 2 && models[i]; i++) {
        if (trainable)
            open_path(models[i], l->name);
        else
            walk_to(models[i], l->name, make_frozen, NULL);
    }
}

int mr_fine_tune_set_trainable(mr_graph *g, const char *pattern, bool trainable, const mr_layer *keep,
                               mr_error *e)
{
    bool any = false;
    for (int i = 0; i < g->layers; i++) {
        if (!mr_fine_tune_matches(pattern, g->layer[i]))
            continue;
        any = true;
        if (g->layer[i] != keep)
            set_trainable(g, g->layer[i], trainable);
    }
    return any ? 0
               : mr_hint(e, mr_fail(e, MR_ENOTFOUND, "no layer is called '%s'", pattern),
                         "millrace summary MODEL lists them");
}

int mr_fine_tune_freeze_until(mr_graph *g, const char *name, mr_error *e)
{
    int first = -1;
    for (int i = 0; i < g->layers && first < 0; i++)
        if (mr_fine_tune_matches(name, g->layer[i]))
            first = i;
    if (first < 0)
        return mr_hint(e, mr_fail(e, MR_ENOTFOUND, "no layer is called '%s'", name),
                       "millrace summary MODEL lists them");
    for (int i = 0; i < first; i++)
        set_trainable(g, g->layer[i], false);
    return 0;
}
