/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/internal.h"
#include "io/keras/layout.h"
#include "io/keras/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One array to come. */
struct item {
    const mr_slot *slot; /* NULL: ZEROS of the variable's shape, or a scalar 0 */
    const mr_param *param;
};

struct list {
    mr_optimizer *o;
    const mr_keras_output *out;
    const char *slot[MR_MAX_SLOTS];
    int slots;
    mr_names names; /* of what was written, in order */
    hid_t group;
    mr_error *e;
};

static const mr_slot *find_slot(const mr_model *m, const char *name, const mr_param *p)
{
    for (int i = 0; i < m->slots; i++)
        if (m->slot[i].param == p && !strcmp(m->slot[i].name, name))
            return &m->slot[i];
    return NULL;
}

/* A model holds all slots that its optimizer wants, or its state is not written. */
static bool state_is_whole(const struct list *l)
{
    const mr_model *m = l->out->model;
    for (int i = 0; i < m->graph->params; i++)
        for (int k = 0; k < l->slots && m->graph->param[i]->trainable; k++)
            if (!find_slot(m, l->slot[k], m->graph->param[i]))
                return false;
    return !l->o->class->scalar || find_slot(m, l->o->class->scalar, NULL);
}

static int list_open(struct list *l, const mr_keras_output *out, mr_error *e)
{
    *l = (struct list){.out = out, .group = -1, .e = e};
    int status = out->model->has_optimizer_state ? mr_keras_optimizer(&l->o, out->model, e) : 0;
    if (!l->o)
        return status;
    l->slots = l->o->class->slots(l->o, l->slot);
    if (!state_is_whole(l)) {
        mr_optimizer_free(l->o);
        l->o = NULL;
    }
    return 0;
}

static void list_close(struct list *l)
{
    mr_optimizer_free(l->o);
    mr_names_free(&l->names);
    mr_hdf5_release(l->group);
}

/* --- writing one array ---------------------------------------------------- */

static int write_values(struct list *l, const char *name, const mr_shape *shape, const float *values)
{
    int status = mr_hdf5_write_floats(l->group, name, shape, values, l->e);
    return status ? status : mr_names_add(&l->names, name, l->e);
}

static int write_iterations(struct list *l, const char *name)
{
    int status = mr_hdf5_write_int(l->group, name, l->out->iterations, l->e);
    return status ? status : mr_names_add(&l->names, name, l->e);
}

static int write_state(struct list *l, const char *name, const mr_slot *s)
{
    const mr_shape scalar = {.rank = 0};
    const mr_real *values = l->out->state + s->offset;
    if (!s->param)
        return write_values(l, name, &scalar, values);
    const mr_graph *g = l->out->model->graph;
    int status = mr_keras_write_param(l->group, name, s->param, values, mr_keras_written_layouts(g), l->e);
    return status ? status : mr_names_add(&l->names, name, l->e);
}

static int write_slot(struct list *l, const char *name, const char *slot, const mr_param *p)
{
    return write_state(l, name, find_slot(l->out->model, slot, p));
}

/* COUNT trainable variables in order: calls WRITE for each. */
static int each_trainable(struct list *l,
                          int (*write)(struct list *l, const mr_param *p, int number, int slot), int slot)
{
    const mr_graph *g = l->out->model->graph;
    int status = 0, number = 0;
    for (int i = 0; i < g->params && !status; i++)
        if (g->param[i]->trainable)
            status = write(l, g->param[i], number++, slot);
    return status;
}

/* --- Keras 2.2 and 2.3 ----------------------------------------------------
 * All trainable weights for the first slot, then all for the second. "training/Adam/Variable_7:0": the name
 * says nothing, the place everything. */

static int old_array_name(const struct list *l, char *name, size_t size)
{
    int n = 0;
    for (size_t i = 0; i < l->names.count; i++)
        n += strstr(l->names.name[i], "/Variable") != NULL;
    const char *class = l->o->class->class_name;
    return n ? snprintf(name, size, "training/%s/Variable_%d:0", class, n)
             : snprintf(name, size, "training/%s/Variable:0", class);
}

static int write_old_slot(struct list *l, const mr_param *p, int number, int slot)
{
    char name[128];
    (void)number;
    old_array_name(l, name, sizeof name);
    return write_slot(l, name, l->slot[slot], p);
}

/* SGD keeps a moment for each weight even where momentum is 0. */
static int write_zero_moment(struct list *l, const mr_param *p, int number, int slot)
{
    char name[128];
    (void)number;
    (void)slot;
    old_array_name(l, name, sizeof name);
    float *zeros = calloc(p->count, sizeof *zeros);
    int status = zeros ? write_values(l, name, &p->shape, zeros) : mr_no_memory(l->e, "a model's configuration or weights");
    free(zeros);
    return status;
}

/* Adam without amsgrad keeps one 0 for each weight where amsgrad's maximum would be. */
static int write_placeholder(struct list *l, const mr_param *p, int number, int slot)
{
    static const float zero;
    mr_shape one = {.rank = 1, .dim = {1}};
    char name[128];
    (void)p;
    (void)number;
    (void)slot;
    old_array_name(l, name, sizeof name);
    return write_values(l, name, &one, &zero);
}

/* Keras 2.3 has the optimizer, with the parameters that this one has. */
static bool keras_2_has(const mr_optimizer *o)
{
    static const char *const classes[] = {"SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(o->class->class_name, classes[i]))
            return o->weight_decay == 0 && !o->centered &&
                   (strcmp(classes[i], "RMSprop") != 0 || o->momentum == 0);
    return false;
}

static int write_as_keras_2(struct list *l)
{
    const char *class = l->o->class->class_name;
    char name[64];
    snprintf(name, sizeof name, "%s/iterations:0", class);
    int status = write_iterations(l, name);
    if (!status && l->o->class->scalar) {
        snprintf(name, sizeof name, "%s/m_schedule:0", class);
        status = write_slot(l, name, l->o->class->scalar, NULL);
    }
    for (int slot = 0; slot < l->slots && !status; slot++)
        status = each_trainable(l, write_old_slot, slot);
    if (!status && !strcmp(class, "SGD") && l->slots == 0)
        status = each_trainable(l, write_zero_moment, 0);
    if (!status && !strcmp(class, "Adam") && l->slots == 2)
        status = each_trainable(l, write_placeholder, 0);
    return status;
}

/* --- Keras 3 -------------------------------------------------------------- */

/* "adam_w/block_conv1_kernel_momentum"; made unique where two paths give the same. */
static void new_array_name(const struct list *l, char *name, size_t size, const mr_param *p, const char *slot)
{
    const char *own = l->o->class->keras_name;
    int n = snprintf(name, size, "%s/%s_%s_%s", own, p->layer->name, p->kind, slot);
    for (size_t i = strlen(own) + 1; name[i]; i++)
        if (name[i] == '/')
            name[i] = '_';
    for (int again = 1; n > 0 && (size_t)n < size && mr_hdf5_exists(l->group, name); again++)
        snprintf(name + n, size - (size_t)n, "_%d", again);
}

static int write_new_slot(struct list *l, const mr_param *p, int number, int slot)
{
    char name[2400];
    (void)number;
    new_array_name(l, name, sizeof name, p, l->slot[slot]);
    return write_slot(l, name, l->slot[slot], p);
}

static int write_new_pair(struct list *l, const mr_param *p, int number, int slot)
{
    int status = write_new_slot(l, p, number, slot);
    return status ? status : write_new_slot(l, p, number, slot + 1);
}

static int write_rate(struct list *l, const char *name)
{
    mr_shape scalar = {.rank = 0};
    float rate = (float)mr_schedule_rate(l->o->schedule, 0);
    return mr_schedule_is_constant(l->o->schedule) ? write_values(l, name, &scalar, &rate) : 0;
}

static int write_as_keras_3(struct list *l)
{
    const char *own = l->o->class->keras_name;
    char name[64];
    int first = 0;
    snprintf(name, sizeof name, "%s/iteration", own);
    int status = write_iterations(l, name);
    snprintf(name, sizeof name, "%s/learning_rate", own);
    if (!status)
        status = write_rate(l, name);
    if (!status && l->o->class->interleaved && l->slots >= 2) {
        status = each_trainable(l, write_new_pair, 0);
        first = 2;
    }
    for (int slot = first; slot < l->slots && !status; slot++)
        status = each_trainable(l, write_new_slot, slot);
    if (!status && l->o->class->scalar)
        status = write_slot(l, "variable", l->o->class->scalar, NULL);
    return status;
}

int mr_keras_write_slots_h5(hid_t file, const mr_keras_output *out, mr_error *e)
{
    struct list l;
    int status = list_open(&l, out, e);
    if (!status && l.o) {
        status = mr_hdf5_make_group(&l.group, file, "optimizer_weights", e);
        if (!status)
            status = keras_2_has(l.o) ? write_as_keras_2(&l) : write_as_keras_3(&l);
        if (!status)
            status = mr_hdf5_write_names(l.group, "weight_names", &l.names, e);
    }
    list_close(&l);
    return status;
}

/* --- .keras: the same numbers in the same order, named 0, 1, 2 … ---------- */

static const char *next_number(const struct list *l, char *name, size_t size)
{
    snprintf(name, size, "%zu", l->names.count);
    return name;
}

static int write_numbered(struct list *l, const mr_slot *s)
{
    char name[32];
    return write_state(l, next_number(l, name, sizeof name), s);
}

static int number_slot(struct list *l, const mr_param *p, int number, int slot)
{
    (void)number;
    return write_numbered(l, find_slot(l->out->model, l->slot[slot], p));
}

static int number_pair(struct list *l, const mr_param *p, int number, int slot)
{
    int status = number_slot(l, p, number, slot);
    return status ? status : number_slot(l, p, number, slot + 1);
}

static int write_numbers(struct list *l)
{
    char name[32];
    int first = 0;
    int status = write_iterations(l, next_number(l, name, sizeof name));
    if (!status)
        status = write_rate(l, next_number(l, name, sizeof name));
    if (!status && l->o->class->interleaved && l->slots >= 2) {
        status = each_trainable(l, number_pair, 0);
        first = 2;
    }
    for (int slot = first; slot < l->slots && !status; slot++)
        status = each_trainable(l, number_slot, slot);
    if (!status && l->o->class->scalar)
        status = write_numbered(l, find_slot(l->out->model, l->o->class->scalar, NULL));
    return status;
}

int mr_keras_write_slots_zip(hid_t root, const mr_keras_output *out, mr_error *e)
{
    struct list l;
    int status = list_open(&l, out, e);
    if (!status && l.o) {
        status = mr_hdf5_make_group(&l.group, root, "optimizer/vars", e);
        if (!status)
            status = mr_hdf5_write_text(l.group, "name", l.o->class->keras_name, true, e);
        if (!status)
            status = write_numbers(&l);
    }
    list_close(&l);
    return status;
}
