/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Keras 3's own layout (see io/keras/store.h). Where groups carry their layer's name, that decides;
 * else the count. */
#include "io/keras/internal.h"
#include "io/keras/store.h"
#include "io/keras/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const containers[] = {"layers", "_layer_checkpoint_dependencies"};

struct load {
    mr_graph *g;
    hid_t root;
    const mr_keras_origin *origin;
    mr_keras_filled filled;
    mr_names read;  /* datasets that found their place */
    char separator; /* '/', or '\\' as Windows joins */
    mr_error *e;
};

/* The layers of one model in the file. */
struct level {
    char *path;    /* of the container: "layers", "layers/functional/layers" */
    bool twice;    /* layers with weights count twice */
    json_t *noted; /* name of a layer → its group, where groups say it */
    json_t *there; /* the groups' paths */
};

static char *join(const struct load *l, const char *a, const char *b)
{
    char *path = NULL;
    if (!*a)
        return strdup(b);
    return asprintf(&path, "%s%c%s", a, l->separator, b) < 0 ? NULL : path;
}

/* "GROUP/vars" holds the arrays, whatever joins the rest. */
static char *vars_of(const char *group)
{
    char *path = NULL;
    return asprintf(&path, "%s/vars", group) < 0 ? NULL : path;
}

/* --- finding groups ------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

/* Whether the root has groups named "layers\…" */
static char find_separator(hid_t root)
{
    mr_names links;
    char separator = '/';
    if (mr_hdf5_links(&links, root, NULL))
        return separator;
    for (size_t i = 0; i < links.count; i++)
        if (strchr(links.name[i], '\\'))
            separator = '\\';
    mr_names_free(&links);
    return separator;
}

/* Groups below the container, by whole path. With backslashes they are links of the root. */
static int list_groups(mr_names *out, const struct load *l, const char *container)
{
    mr_names links;
    hid_t group = l->root;
    memset(out, 0, sizeof *out);
    int status = l->separator == '/' ? mr_hdf5_open_group(&group, l->root, container, l->e) : 0;
    if (status)
        return status;
    status = mr_hdf5_links(&links, group, l->e);
    size_t n = strlen(container);
    for (size_t i = 0; i < links.count && !status; i++) {
        const char *name = links.name[i];
        if (l->separator == '/') {
            char *path = join(l, container, name);
            status = path ? mr_names_add(out, path, l->e) : mr_no_memory(l->e, "a model's configuration or weights");
            free(path);
        } else if (starts_with(name, container) && name[n] == l->separator &&
                   !strchr(name + n + 1, l->separator)) {
            status = mr_names_add(out, name, l->e);
        }
    }
    mr_names_free(&links);
    if (group != l->root)
        mr_hdf5_release(group);
    return status;
}

static bool is_container(const struct load *l, const char *path)
{
    mr_names groups;
    if (l->separator == '/')
        return mr_hdf5_is_group(l->root, path);
    bool some = !list_groups(&groups, l, path) && groups.count > 0;
    mr_names_free(&groups);
    return some;
}

/* The name of the layer that GROUP is of, as newer Keras notes it, or NULL; malloc'ed. */
static int noted_name(char **name, const struct load *l, const char *group)
{
    char *path = vars_of(group);
    hid_t vars = -1;
    *name = NULL;
    if (!path)
        return mr_no_memory(l->e, "a model's configuration or weights");
    int status = mr_hdf5_is_group(l->root, path) ? mr_hdf5_open_group(&vars, l->root, path, l->e) : 0;
    if (!status && vars >= 0)
        status = mr_hdf5_find_text(name, NULL, vars, "name", l->e);
    mr_hdf5_release(vars);
    free(path);
    return status;
}

static void level_close(struct level *v)
{
    free(v->path);
    json_decref(v->noted);
    json_decref(v->there);
}

/* Opens the level below GROUP ("" for the outermost model). */
static int level_open(struct level *v, const struct load *l, const char *group)
{
    mr_names all;
    memset(v, 0, sizeof *v);
    for (int i = 0; i < 2 && !v->path; i++) {
        v->path = join(l, group, containers[i]);
        v->twice = i == 1;
        if (!v->path)
            return mr_no_memory(l->e, "a model's configuration or weights");
        if (!is_container(l, v->path)) {
            free(v->path);
            v->path = NULL;
        }
    }
    if (!v->path)
        return mr_fail(l->e, MR_EFORMAT, "the weights hold no layers below '%s'", *group ? group : "/");
    v->noted = json_object();
    v->there = json_object();
    int status =
        v->noted && v->there ? list_groups(&all, l, v->path) : mr_no_memory(l->e, "a model's configuration or weights");
    if (status)
        return status;
    for (size_t i = 0; i < all.count && !status; i++) {
        char *name;
        status = noted_name(&name, l, all.name[i]);
        json_object_set_new_nocheck(v->there, all.name[i], json_true());
        if (name && !json_object_get(v->noted, name) &&
            json_object_set_new(v->noted, name, json_string(all.name[i])))
            status = mr_fail(l->e, MR_EFORMAT, "weights '%s': its name is not UTF-8", all.name[i]);
        free(name);
    }
    mr_names_free(&all);
    return status;
}

/* --- arrays --------------------------------------------------------------- */

static int read_array(struct load *l, mr_param *p, const char *vars, int number)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%d", vars, number) < 0)
        return mr_no_memory(l->e, "a model's configuration or weights");
    int status = mr_keras_filled_mark(&l->filled, p, path, l->e);
    if (!status && !mr_hdf5_exists(l->root, path))
        status = mr_fail(l->e, MR_EFORMAT, "layer '%s' (%s): the file has no weights for its %s (no '%s')",
                         p->layer->name, p->layer->class->name, p->kind, path);
    if (!status)
        status = mr_keras_read_param(mr_param_value(l->g, p), p, l->root, path, l->origin, l->e);
    if (!status)
        status = mr_names_add(&l->read, path, l->e);
    free(path);
    return status;
}

static int read_layer(struct load *l, const char *name, const char *group)
{
    mr_layer *layer = mr_graph_layer(l->g, name);
    char *vars = vars_of(group);
    int status = vars ? 0 : mr_no_memory(l->e, "a model's configuration or weights");
    if (!status && !layer)
        status = mr_fail(l->e, MR_ENOTFOUND, "no layer '%s' in this model", name);
    for (int i = 0; !status && i < layer->params; i++)
        status = read_array(l, &layer->param[i], vars, i);
    free(vars);
    return status;
}

/* --- layers --------------------------------------------------------------- */

static int read_model(struct load *l, const mr_tree *model, const char *group);

/* Whether Keras counts ENTRY twice in the old layout: it has weights. */
static bool has_weights(const struct load *l, const mr_tree_entry *entry)
{
    mr_keras_targets t;
    bool some = !mr_keras_targets_of(&t, l->g, entry, NULL) && t.count;
    mr_keras_targets_free(&t);
    return some;
}

/* Whether tf.keras up to 2.13.1 wrote the old layout, which counts layers with weights twice, and not 2.14 or
 * 2.15, which count all once: then every group that it would have is there. */
static int counts_twice(bool *twice, const struct load *l, const struct level *v, const mr_tree *model)
{
    mr_keras_counter counter = {0};
    char counted[120];
    int status = 0;
    *twice = true;
    for (int i = model->sequential; i < model->entries && !status; i++) {
        const mr_tree_entry *entry = &model->entry[i];
        bool weights = has_weights(l, entry);
        int number = mr_keras_counter_next(&counter, entry->class, weights ? 2 : 1, counted, sizeof counted);
        char *path = number < 0 ? NULL : join(l, v->path, counted);
        if (!path)
            status = mr_no_memory(l->e, "a model's configuration or weights");
        else if (weights && !json_object_get(v->there, path))
            *twice = false;
        free(path);
    }
    mr_keras_counter_free(&counter);
    return status;
}

/* The group of ENTRY, by its noted name or by count; malloc'ed. */
static char *group_of(const struct load *l, const struct level *v, mr_keras_counter *c, const mr_tree_entry *entry)
{
    char counted[120];
    int step = v->twice && has_weights(l, entry) ? 2 : 1;
    if (mr_keras_counter_next(c, entry->class, step, counted, sizeof counted) < 0)
        return NULL;
    const char *noted = mr_json_text(v->noted, entry->name);
    return noted ? strdup(noted) : join(l, v->path, counted);
}

static int read_entry(struct load *l, const struct level *v, mr_keras_counter *c, const mr_tree_entry *entry)
{
    char *group = group_of(l, v, c, entry);
    int status = group ? 0 : mr_no_memory(l->e, "a model's configuration or weights");
    if (!status && entry->model)
        status = has_weights(l, entry) ? read_model(l, entry->model, group) : 0;
    else if (!status)
        status = read_layer(l, entry->path, group);
    free(group);
    return status;
}

/* Keras does not count the InputLayer among a Sequential's layers. */
static int read_model(struct load *l, const mr_tree *model, const char *group)
{
    mr_keras_counter counter = {0};
    struct level v;
    int status = level_open(&v, l, group);
    if (!status && v.twice)
        status = counts_twice(&v.twice, l, &v, model);
    for (int i = model->sequential; i < model->entries && !status; i++)
        status = read_entry(l, &v, &counter, &model->entry[i]);
    mr_keras_counter_free(&counter);
    level_close(&v);
    return status;
}

/* --- what is left over ---------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every dataset of the layers must have been read. The state of random layers has no place here: draws follow
 * the seed. */
static int visit(void *context, hid_t object, H5I_type_t type, const char *name, mr_error *e)
{
    const struct load *l = context;
    (void)object;
    bool ours = starts_with(name, containers[0]) || starts_with(name, containers[1]);
    if (type != H5I_DATASET || !ours || strstr(name, "seed_generator"))
        return 0;
    if (bsearch(&name, l->read.name, l->read.count, sizeof name, compare_names))
        return 0;
    return mr_fail(e, MR_EFORMAT, "weights '%s' match no variable of the model", name);
}

static int check_leftovers(struct load *l)
{
    if (l->read.count)
        qsort(l->read.name, l->read.count, sizeof *l->read.name, compare_names);
    return mr_hdf5_visit(l->root, visit, l, l->e);
}

int mr_keras_read_weights_zip(mr_graph *g, hid_t root, const mr_keras_origin *origin, mr_error *e)
{
    struct load l = {.g = g, .root = root, .origin = origin, .separator = find_separator(root), .e = e};
    int status = mr_keras_filled_open(&l.filled, g, e);
    if (!status && (g->params || is_container(&l, containers[0])))
        status = read_model(&l, g->tree, "");
    if (!status)
        status = mr_keras_filled_check(&l.filled, e);
    if (!status)
        status = check_leftovers(&l);
    mr_keras_filled_close(&l.filled);
    mr_names_free(&l.read);
    return status;
}

int mr_keras_has_store(hid_t root, mr_error *e)
{
    struct load l = {.root = root, .separator = find_separator(root)};
    int listed = mr_hdf5_has_names(root, "layer_names", e);
    if (listed)
        return listed < 0 ? listed : 0;
    return is_container(&l, containers[0]) || is_container(&l, containers[1]);
}
