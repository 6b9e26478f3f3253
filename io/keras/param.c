/* SPDX-License-Identifier: Apache-2.0 */
/* The variables of an entry of a model's layer list, whether all were filled, and how one is read from a file
 * whose writer laid it out differently: kernels (out,in,h,w) of Keras 1's Theano ordering, kernels that Theano
 * flips, rows of a Dense that counts channels before rows and columns. */
#include "io/keras/weights.h"

#include "base/json_read.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

/* --- which variables an entry has --------------------------------------------- */

void mr_keras_targets_free(mr_keras_targets *t)
{
    free(t->target);
    memset(t, 0, sizeof *t);
}

static int add_layer(mr_keras_targets *t, const mr_graph *g, const char *path, const char *below, bool trainable,
                     mr_error *e)
{
    mr_layer *l = mr_graph_layer(g, path);
    if (!l)
        return mr_fail(e, MR_ENOTFOUND, "no layer '%s' in this model", path);
    for (int i = 0; i < l->params; i++) {
        if (l->param[i].trainable != trainable)
            continue;
        if (!mr_list_grow(&t->target, t->count, sizeof *t->target))
            return mr_no_memory(e, "the weights of a model");
        t->target[t->count++] = (mr_keras_target){.param = &l->param[i], .path = below};
    }
    return 0;
}

/* OUTER: bytes of the path of the entry that was asked for. */
static int add_entry(mr_keras_targets *t, const mr_graph *g, const mr_tree_entry *en, size_t outer, bool trainable,
                     mr_error *e)
{
    int status = 0;
    if (!en->model)
        return add_layer(t, g, en->path, en->path + outer + (en->path[outer] == '/'), trainable, e);
    for (int i = 0; i < en->model->entries && !status; i++)
        status = add_entry(t, g, &en->model->entry[i], outer, trainable, e);
    return status;
}

int mr_keras_targets_of(mr_keras_targets *out, const mr_graph *g, const mr_tree_entry *entry, mr_error *e)
{
    int status = 0;
    memset(out, 0, sizeof *out);
    for (int trainable = 1; trainable >= 0 && !status; trainable--)
        status = add_entry(out, g, entry, strlen(entry->path), trainable, e);
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
        return mr_fail(e, MR_EFORMAT, "weights '%s': %s of layer '%s' is assigned twice", dataset,
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

/* --- how one lies in the file -------------------------------------------------- */

/* How file and variable differ: the file's numbers, seen as an array of shape VIEW, are transposed so that
 * the variable's axis i is the view's axis PERM[i]; then the first two axes are turned round. */
struct layout {
    mr_shape file; /* what the dataset's shape must be */
    mr_shape view;
    int perm[MR_MAX_RANK];
    bool moved, flipped;
};

/* {"kernel": {"shape": […], "view": […], "perm": […], "how"}} of the layer, as io/keras/layout.c leaves it. A
 * Dense may have got other units meanwhile. */
static void read_layout(struct layout *l, const mr_param *p, const json_t *note)
{
    const json_t *shape = json_object_get(note, "shape"), *view = json_object_get(note, "view"),
                 *perm = json_object_get(note, "perm");
    l->moved = true;
    l->file.rank = (int)json_array_size(shape);
    l->view.rank = (int)json_array_size(view);
    for (int i = 0; i < l->file.rank; i++)
        l->file.dim[i] = json_integer_value(json_array_get(shape, (size_t)i));
    for (int i = 0; i < l->view.rank; i++) {
        l->view.dim[i] = json_integer_value(json_array_get(view, (size_t)i));
        l->perm[i] = (int)json_integer_value(json_array_get(perm, (size_t)i));
    }
    if (mr_json_is(json_object_get(note, "how"), "rows") && l->file.rank == 2)
        l->file.dim[1] = l->view.dim[l->view.rank - 1] = p->shape.dim[1];
}

static bool is_flipped_kernel(const mr_param *p)
{
    static const char *const classes[] = {"Conv1D", "Conv2D", "Conv2DTranspose"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(p->layer->class->name, classes[i]))
            return !strcmp(p->kind, "kernel");
    return false;
}

/* The shape that the view's axes PERM give the variable: VIEW from the variable's own. */
static void permute_axes(struct layout *l, const mr_param *p, const int perm[4])
{
    l->moved = true;
    l->view.rank = 4;
    for (int i = 0; i < 4; i++) {
        l->perm[i] = perm[i];
        l->view.dim[perm[i]] = p->shape.dim[i];
    }
    l->file = l->view;
}

/* Keras 1 had (h,w,in,out) for transposed convolutions too, where all others have (h,w,out,in). */
static void old_transposed(struct layout *l, const mr_param *p)
{
    static const int swap[4] = {0, 1, 3, 2};
    if (!strcmp(p->layer->class->name, "Conv2DTranspose") && !strcmp(p->kind, "kernel") &&
        p->shape.rank == 4 && !l->moved)
        permute_axes(l, p, swap);
}

static struct layout layout_of(const mr_param *p, const mr_keras_origin *origin)
{
    struct layout l = {.file = p->shape, .view = p->shape};
    const json_t *note = json_object_get(json_object_get(origin->layouts, p->layer->name), p->kind);
    for (int i = 0; i < MR_MAX_RANK; i++)
        l.perm[i] = i;
    if (note)
        read_layout(&l, p, note);
    if (origin->era == 1)
        old_transposed(&l, p);
    l.flipped = origin->theano && is_flipped_kernel(p);
    return l;
}

/* OUT in the variable's order; where each number lies in FROM, the file's, follows from the view's strides.
 * BACK: from the variable's order to the file's. */
static void transpose(float *out, const float *from, const struct layout *l, bool back)
{
    size_t stride[MR_MAX_RANK], step[MR_MAX_RANK], count = 1;
    int64_t at[MR_MAX_RANK] = {0}, dim[MR_MAX_RANK];
    int rank = l->view.rank;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = count;
        count *= (size_t)l->view.dim[i];
    }
    for (int i = 0; i < rank; i++) {
        step[i] = stride[l->perm[i]]; /* cppcheck-suppress uninitvar; of rank numbers all are set */
        dim[i] = l->view.dim[l->perm[i]];
    }
    size_t source = 0;
    for (size_t n = 0; n < count; n++) {
        if (back)
            out[source] = from[n];
        else
            out[n] = from[source];
        for (int i = rank - 1; i >= 0; i--) {
            source += step[i];
            if (++at[i] < dim[i])
                break;
            source -= step[i] * (size_t)dim[i];
            at[i] = 0;
        }
    }
}

/* Turns a kernel (h,w,a,b) by 180 degrees: its h*w blocks in reverse order. */
static void flip(float *kernel, const mr_shape *s)
{
    size_t block = (size_t)(s->dim[s->rank - 2] * s->dim[s->rank - 1]), blocks = 1;
    for (int i = 0; i < s->rank - 2; i++)
        blocks *= (size_t)s->dim[i];
    for (size_t i = 0; i < blocks / 2; i++)
        for (size_t k = 0; k < block; k++) {
            float *a = &kernel[i * block + k], *b = &kernel[(blocks - 1 - i) * block + k], t = *a;
            *a = *b;
            *b = t;
        }
}

static int check_shape(const mr_param *p, const struct layout *l, hid_t at, const char *path, mr_error *e)
{
    mr_shape found;
    char wanted_text[128], found_text[128];
    int status = mr_hdf5_shape(&found, at, path, e);
    if (status || mr_shape_equal(&found, &l->file))
        return status;
    return mr_fail(e, MR_EFORMAT, "weights '%s': %s of layer '%s' (%s) expected shape %s, found %s", path,
                   p->kind, p->layer->name, p->layer->class->name,
                   mr_shape_text(&l->file, false, wanted_text, sizeof wanted_text),
                   mr_shape_text(&found, false, found_text, sizeof found_text));
}

bool mr_keras_param_fits(const mr_param *p, hid_t at, const char *path, const mr_keras_origin *origin)
{
    struct layout l = layout_of(p, origin);
    return check_shape(p, &l, at, path, NULL) == 0;
}

int mr_keras_read_param(float *values, const mr_param *p, hid_t at, const char *path,
                        const mr_keras_origin *origin, mr_error *e)
{
    struct layout l = layout_of(p, origin);
    float *scratch = NULL;
    int status = check_shape(p, &l, at, path, e);
    if (!status && l.moved) {
        scratch = malloc(p->count * sizeof *scratch);
        status = scratch ? 0 : mr_no_memory(e, "weights '%s'", path);
    }
    if (!status)
        status = mr_hdf5_read_floats(scratch ? scratch : values, p->count, at, path, e);
    if (!status && scratch)
        transpose(values, scratch, &l, false);
    if (!status && l.flipped)
        flip(values, &p->shape);
    free(scratch);
    return status;
}

int mr_keras_write_param(hid_t at, const char *path, const mr_param *p, const float *values,
                         const json_t *layouts, mr_error *e)
{
    const json_t *note = json_object_get(json_object_get(layouts, p->layer->name), p->kind);
    if (!note)
        return mr_hdf5_write_floats(at, path, &p->shape, values, e);
    mr_keras_origin origin = {.era = 3, .layouts = (json_t *)layouts};
    struct layout l = layout_of(p, &origin);
    float *turned = malloc(p->count * sizeof *turned);
    int status = turned ? 0 : mr_no_memory(e, "weights '%s'", path);
    if (!status) {
        transpose(turned, values, &l, true);
        status = mr_hdf5_write_floats(at, path, &l.file, turned, e);
    }
    free(turned);
    return status;
}
