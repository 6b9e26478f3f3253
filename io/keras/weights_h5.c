/* SPDX-License-Identifier: Apache-2.0 */
/* Reading weights of Keras 1, 2, tf.keras and Keras 3's .h5: one group per layer of the outermost model,
 * listed in
 * @layer_names, each with its arrays listed in @weight_names. */
#include "io/keras/internal.h"
#include "io/keras/weights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- names of arrays ------------------------------------------------------ */

/* "block/conv1/kernel:0" → stem "block/conv1", kind "kernel". */
struct parsed {
    char stem[MR_HDF5_MAX_NAME + 1];
    char kind[256];
};

/* What Keras 1 put behind a layer's name, and other names that kinds once had. */
static const struct {
    const char *suffix, *kind;
} old_kinds[] = {
    {"_running_mean", "moving_mean"},
    {"_running_std", "moving_variance"}, /* which holds the variance all the same */
    {"_gamma", "gamma"},
    {"_beta", "beta"},
    {"_alphas", "alpha"},
    {"_W", "kernel"},
    {"_b", "bias"},
};

static void strip_output_number(char *name)
{
    char *colon = strrchr(name, ':');
    if (colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1))
        *colon = '\0';
}

static void parse_name(struct parsed *p, const char *name)
{
    char text[MR_HDF5_MAX_NAME + 1];
    strncpy(text, name, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    strip_output_number(text);
    char *slash = strrchr(text, '/'), *last = slash ? slash + 1 : text;
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < sizeof old_kinds / sizeof *old_kinds && !slash; i++) {
        size_t n = strlen(text), m = strlen(old_kinds[i].suffix);
        if (n > m && !strcmp(text + n - m, old_kinds[i].suffix)) {
            memcpy(p->stem, text, n - m);
            strcpy(p->kind, old_kinds[i].kind);
            return;
        }
    }
    strncpy(p->kind, last, sizeof p->kind - 1);
    if (slash) {
        *slash = '\0';
        strcpy(p->stem, text);
    }
}

/* Keras 3 calls a DepthwiseConv2D's kernel "kernel", those before it "depthwise_kernel". */
static bool same_kind(const mr_param *p, const char *kind)
{
    if (!strcmp(p->kind, kind))
        return true;
    return !strcmp(p->layer->class->name, "DepthwiseConv2D") && strstr(p->kind, "kernel") &&
           (!strcmp(kind, "kernel") || !strcmp(kind, "depthwise_kernel"));
}

/* --- one group ------------------------------------------------------------ */

struct load {
    mr_graph *g;
    const mr_keras_origin *origin;
    mr_keras_filled filled;
    mr_error *e;
};

/* Targets by a name of theirs: those of one name are a chain. */
struct lookup {
    json_t *first;   /* name → number of a target, -1 at the end */
    ptrdiff_t *next; /* [targets.count] */
};

struct group {
    hid_t id;
    const char *name; /* in @layer_names */
    mr_names weights; /* in @weight_names */
    mr_keras_targets targets;
    struct lookup by_path, by_local;
    ptrdiff_t *choice; /* [weights.count] the target of each; -1: none yet */
};

static void lookup_free(struct lookup *l)
{
    json_decref(l->first);
    free(l->next);
}

static void group_close(struct group *gr)
{
    mr_hdf5_release(gr->id);
    mr_names_free(&gr->weights);
    lookup_free(&gr->by_path);
    lookup_free(&gr->by_local);
    mr_keras_targets_free(&gr->targets);
    free(gr->choice);
}

static const char *local_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int lookup_open(struct lookup *l, const mr_keras_targets *t, bool local, mr_error *e)
{
    l->first = json_object();
    l->next = calloc(t->count + 1, sizeof *l->next);
    if (!l->first || !l->next)
        return mr_no_memory(e, "a model's configuration or weights");
    for (size_t i = t->count; i-- > 0;) {
        const char *name = local ? local_name(t->target[i].path) : t->target[i].path;
        const json_t *first = json_object_get(l->first, name);
        l->next[i] = first ? (ptrdiff_t)json_integer_value(first) : -1;
        if (json_object_set_new(l->first, name, json_integer((json_int_t)i)))
            return mr_no_memory(e, "a model's configuration or weights");
    }
    return 0;
}

/* The one target of this NAME and KIND that is not taken; -1 where there is none, -2 where there are two.
 * Taken ones leave the chain. */
static ptrdiff_t find_sole(const struct group *gr, struct lookup *l, const char *name, const char *kind)
{
    json_t *first = json_object_get(l->first, name);
    ptrdiff_t found = -1, before = -1;
    for (ptrdiff_t i = first ? (ptrdiff_t)json_integer_value(first) : -1; i >= 0; i = l->next[i]) {
        if (!gr->targets.target[i].taken) {
            before = i;
            if (same_kind(gr->targets.target[i].param, kind))
                found = found == -1 ? i : -2;
        } else if (before >= 0) {
            l->next[before] = l->next[i];
        } else {
            json_integer_set(first, l->next[i]);
        }
        if (found == -2)
            break;
    }
    return found;
}

/* The target for one array by name: the one whose path it has, or the only one whose layer is called like
 * the last part of that; negative where none or two fit as well. A layer by itself has the path "": its group
 * says who it is. */
static ptrdiff_t find_target(struct group *gr, const struct parsed *name)
{
    bool alone = json_object_get(gr->by_path.first, "") != NULL;
    ptrdiff_t exact = find_sole(gr, &gr->by_path, alone ? "" : name->stem, name->kind);
    return exact >= 0 || alone ? exact : find_sole(gr, &gr->by_local, local_name(name->stem), name->kind);
}

static bool choose_by_name(struct group *gr)
{
    struct parsed name;
    bool all = true;
    for (size_t i = 0; i < gr->weights.count; i++) {
        parse_name(&name, gr->weights.name[i]);
        gr->choice[i] = find_target(gr, &name);
        if (gr->choice[i] >= 0)
            gr->targets.target[gr->choice[i]].taken = true;
        else
            all = false;
    }
    return all;
}

/* Keras's own rule: the i-th array for the i-th variable. */
static void choose_by_order(struct group *gr)
{
    for (size_t i = 0; i < gr->weights.count; i++)
        gr->choice[i] = (ptrdiff_t)i;
}

/* Keras 3 keeps the state of random layers beside the weights; here every draw is a function of the seed. */
static bool is_seed_state(const char *name)
{
    return strstr(name, "seed_generator_state") != NULL;
}

static void drop_seed_states(mr_names *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (is_seed_state(names->name[i]))
            free(names->name[i]);
        else
            names->name[kept++] = names->name[i];
    }
    names->count = kept;
}

static int no_place(const struct load *l, const struct group *gr)
{
    size_t i = 0;
    while (i + 1 < gr->weights.count && gr->choice[i] >= 0)
        i++;
    return mr_fail(
        l->e, MR_EFORMAT,
        "weights '%s' of '%s' match no variable of the model (%zu arrays in the file, %zu variables)",
        gr->weights.name[i], gr->name, gr->weights.count, gr->targets.count);
}

/* Notes what the file calls a variable: the oldest optimizers sorted by that. */
static void note_name(const struct load *l, const mr_param *p, const char *name)
{
    char *key = mr_tree_path(p->layer->name, p->kind);
    if (key && json_is_object(l->origin->names))
        json_object_set_new(l->origin->names, key, json_string(name));
    free(key);
}

static int fill_targets(struct load *l, struct group *gr)
{
    int status = 0;
    for (size_t i = 0; i < gr->weights.count && !status; i++) {
        mr_param *p = gr->targets.target[gr->choice[i]].param;
        status = mr_keras_filled_mark(&l->filled, p, gr->weights.name[i], l->e);
        note_name(l, p, gr->weights.name[i]);
        if (!status)
            status =
                mr_keras_read_param(mr_param_value(l->g, p), p, gr->id, gr->weights.name[i], l->origin, l->e);
    }
    return status;
}

static int load_group(struct load *l, hid_t root, const char *name, const mr_tree_entry *entry)
{
    struct group gr = {.id = -1, .name = name};
    int status = mr_hdf5_open_group(&gr.id, root, name, l->e);
    if (!status)
        status = mr_hdf5_read_names(&gr.weights, gr.id, "weight_names", l->e);
    if (!status)
        status = mr_keras_targets_of(&gr.targets, l->g, entry, l->e);
    drop_seed_states(&gr.weights);
    if (!status)
        status = lookup_open(&gr.by_path, &gr.targets, false, l->e);
    if (!status)
        status = lookup_open(&gr.by_local, &gr.targets, true, l->e);
    if (!status) {
        gr.choice = calloc(gr.weights.count + 1, sizeof *gr.choice);
        status = gr.choice ? 0 : mr_no_memory(l->e, "a model's configuration or weights");
    }
    if (!status && !choose_by_name(&gr)) {
        if (gr.weights.count == gr.targets.count)
            choose_by_order(&gr);
        else
            status = no_place(l, &gr);
    }
    if (!status)
        status = fill_targets(l, &gr);
    group_close(&gr);
    return status;
}

/* --- all of them ---------------------------------------------------------- */

static bool has_weights(hid_t root, const char *name)
{
    mr_names names = {0};
    hid_t group = -1;
    bool some = !mr_hdf5_open_group(&group, root, name, NULL) &&
                !mr_hdf5_read_names(&names, group, "weight_names", NULL) && names.count;
    mr_names_free(&names);
    mr_hdf5_release(group);
    return some;
}

/* The next entry from *AT on that has variables, or NULL. */
static const mr_tree_entry *next_weighted(const struct load *l, int *at)
{
    while (*at < l->g->tree->entries) {
        mr_keras_targets t;
        const mr_tree_entry *entry = &l->g->tree->entry[(*at)++];
        bool some = !mr_keras_targets_of(&t, l->g, entry, NULL) && t.count;
        mr_keras_targets_free(&t);
        if (some)
            return entry;
    }
    return NULL;
}

static int load_by_name(struct load *l, hid_t root, const mr_names *layers)
{
    int status = 0;
    for (size_t i = 0; i < layers->count && !status; i++) {
        const mr_tree_entry *entry = mr_tree_find(l->g->tree, layers->name[i]);
        if (!has_weights(root, layers->name[i]))
            continue;
        status = entry ? load_group(l, root, layers->name[i], entry)
                       : mr_fail(l->e, MR_EFORMAT, "weights of '%s': no layer of this name in the model",
                                 layers->name[i]);
    }
    return status;
}

static int load_by_order(struct load *l, hid_t root, const mr_names *layers)
{
    int at = 0, status = 0;
    for (size_t i = 0; i < layers->count && !status; i++) {
        if (!has_weights(root, layers->name[i]))
            continue;
        const mr_tree_entry *entry = next_weighted(l, &at);
        status = entry ? load_group(l, root, layers->name[i], entry)
                       : mr_fail(l->e, MR_EFORMAT,
                                 "weights of '%s': the model has fewer layers with weights than the file",
                                 layers->name[i]);
    }
    return status;
}

static bool all_known(const struct load *l, hid_t root, const mr_names *layers)
{
    for (size_t i = 0; i < layers->count; i++)
        if (!mr_tree_find(l->g->tree, layers->name[i]) && has_weights(root, layers->name[i]))
            return false;
    return true;
}

/* Variables that belong to the model itself and to none of its layers; none of ours does. */
static int check_top_level(struct load *l, hid_t root)
{
    if (!has_weights(root, "top_level_model_weights"))
        return 0;
    return mr_fail(l->e, MR_EUNSUPPORTED,
                   "the model has weights of its own, outside of its layers (top_level_model_weights)");
}

int mr_keras_read_weights_h5(mr_graph *g, hid_t group, const mr_keras_origin *origin, bool by_order_too,
                             mr_error *e)
{
    struct load l = {.g = g, .origin = origin, .e = e};
    mr_names layers = {0};
    int status = mr_hdf5_read_names(&layers, group, "layer_names", e);
    if (!status)
        status = mr_keras_filled_open(&l.filled, g, e);
    if (!status)
        status = check_top_level(&l, group);
    if (!status)
        status = by_order_too && !all_known(&l, group, &layers) ? load_by_order(&l, group, &layers)
                                                                : load_by_name(&l, group, &layers);
    if (!status)
        status = mr_keras_filled_check(&l.filled, e);
    mr_keras_filled_close(&l.filled);
    mr_names_free(&layers);
    return status;
}

/* 1 where the first of the names of weights below GROUP has no ":0". */
static int first_without_number(hid_t group, mr_error *e)
{
    mr_names layers, weights = {0};
    int without = 0, status = mr_hdf5_read_names(&layers, group, "layer_names", e);
    for (size_t i = 0; !status && i < layers.count && weights.count == 0; i++) {
        hid_t layer = -1;
        status = mr_hdf5_open_group(&layer, group, layers.name[i], e);
        if (!status)
            status = mr_hdf5_read_names(&weights, layer, "weight_names", e);
        if (!status && weights.count)
            without = !strchr(weights.name[0], ':');
        mr_hdf5_release(layer);
    }
    mr_names_free(&layers);
    mr_names_free(&weights);
    return status ? status : without;
}

int mr_keras_weights_by_theano(hid_t group, int era, mr_error *e)
{
    char *backend = NULL;
    int status = mr_hdf5_find_text(&backend, NULL, group, "backend", e);
    int theano = backend               ? !strcmp(backend, "theano")
                 : !status && era == 1 ? first_without_number(group, e)
                                       : 0;
    free(backend);
    return status ? status : theano;
}
