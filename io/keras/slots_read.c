/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/internal.h"
#include "io/keras/slots.h"
#include "io/keras/training.h"
#include "io/hdf5/seal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNNAMED = MR_MAX_SLOTS };

struct place { /* of a variable in the writer's order */
    const mr_param *param;
    int number;
};

/* What the optimizer wants, and which array of the file is what. */
struct state {
    const mr_optimizer *o;
    const char *slot[MR_MAX_SLOTS];
    int slots;              /* per variable */
    const mr_param **param; /* trainable ones, in the writer's order */
    struct place *place;    /* the same, sorted by address */
    int params;
    const char **array; /* [slots * params] dataset of slot s of variable p at s * params + p */
    const char *iterations, *scalar, *rate;
};

/* --- variables in the writer's order -------------------------------------- */

/* The names by which the oldest Keras sorted its weights. */
struct named {
    const char *name;
    const mr_param *param;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int sort_by_name(struct state *s, const mr_keras_origin *origin, mr_error *e)
{
    struct named *named = calloc((size_t)s->params + 1, sizeof *named);
    if (!named)
        return mr_no_memory(e, "optimizer state");
    for (int i = 0; i < s->params; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.*): state_open filled params of them */
        char *key = mr_tree_path(s->param[i]->layer->name, s->param[i]->kind);
        const char *name = key ? mr_json_text(origin->names, key) : NULL;
        named[i] = (struct named){name ? name : "", s->param[i]};
        free(key);
    }
    qsort(named, (size_t)s->params, sizeof *named, compare_names);
    for (int i = 0; i < s->params; i++)
        s->param[i] = named[i].param;
    free(named);
    return 0;
}

static int state_open(struct state *s, const mr_optimizer *o, const mr_graph *g, mr_error *e)
{
    memset(s, 0, sizeof *s);
    s->o = o;
    s->slots = o->class->slots(o, s->slot);
    s->param = calloc((size_t)g->params + 1, sizeof *s->param);
    s->array = calloc((size_t)g->params * (size_t)s->slots + 1, sizeof *s->array);
    if (!s->param || !s->array)
        return mr_no_memory(e, "optimizer state");
    for (int i = 0; i < g->params; i++)
        if (g->param[i]->trainable)
            s->param[s->params++] = g->param[i];
    return 0;
}

static void state_close(struct state *s)
{
    free(s->param);
    free(s->place);
    free(s->array);
}

/* --- which slot a name means ---------------------------------------------- */

static const struct {
    const char *class, *old, *now; /* class NULL: every optimizer */
} aliases[] = {
    {NULL, "m", "momentum"},
    {"Adamax", "v", "norm"},
    {"Adamax", "u", "norm"},
    {NULL, "v", "velocity"},
    {NULL, "vhat", "velocity_hat"},
    {NULL, "rms", "velocity"},
    {NULL, "mg", "average_gradient"},
    {NULL, "accum_grad", "accumulated_grad"},
    {NULL, "accum_var", "accumulated_delta_var"},
};

static int slot_by_name(const struct state *s, const char *name, size_t length)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), name);
    const char *now = text;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases && now == text; i++)
        if (!strcmp(text, aliases[i].old) &&
            (!aliases[i].class || !strcmp(s->o->class->class_name, aliases[i].class)))
            now = aliases[i].now;
    for (int i = 0; i < s->slots; i++)
        if (!strcmp(now, s->slot[i]))
            return i;
    return -1;
}

/* "…_velocity_hat" → the longest slot name that it ends in. */
static int slot_by_ending(const struct state *s, const char *name, size_t length)
{
    int best = -1;
    size_t best_length = 0;
    for (int i = 0; i < s->slots; i++) {
        size_t n = strlen(s->slot[i]);
        if (n > best_length && length > n && name[length - n - 1] == '_' &&
            !strncmp(name + length - n, s->slot[i], n)) {
            best = i;
            best_length = n;
        }
    }
    return best;
}

/* The name without ":0". */
static size_t bare_length(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon && colon[1] >= '0' && colon[1] <= '9' ? (size_t)(colon - name) : strlen(name);
}

/* Slot of an array, UNNAMED for Keras 2's "Variable_3", -1 where its name says something else. */
static int slot_of(const struct state *s, const char *name)
{
    size_t length = bare_length(name), last = length;
    while (last && name[last - 1] != '/')
        last--;
    if (!strncmp(name + last, "Variable", 8) || !strncmp(name + last, "variable", 8))
        return UNNAMED;
    int slot = slot_by_name(s, name + last, length - last); /* conv1/kernel/m */
    const char *slash = strchr(name, '/');
    const char *second = slash ? strchr(slash + 1, '/') : NULL;
    if (slot < 0 && second)
        slot = slot_by_name(s, slash + 1, (size_t)(second - slash - 1)); /* Adam/m/conv1/kernel */
    return slot >= 0 ? slot : slot_by_ending(s, name + last, length - last);
}

/* --- sorting the arrays --------------------------------------------------- */

struct arrays {
    hid_t group;
    const mr_names *names;
    int next[MR_MAX_SLOTS]; /* variables that have this slot already */
    int unnamed;
};

static bool is_counter(const char *name, size_t position)
{
    return strstr(name, "iter") || (position == 0 && (strstr(name, "Variable") || strstr(name, "variable")));
}

/* The last counter is the right one: a LossScaleOptimizer has one of its own, which stays 0, before that of
 * the optimizer inside. */
static void take_scalar(struct state *s, const char *name, size_t position)
{
    if (strstr(name, "learning_rate"))
        s->rate = name;
    else if (is_counter(name, position))
        s->iterations = name;
    else if (s->o->class->scalar && !s->scalar)
        s->scalar = name; /* m_schedule, momentum_cache, u_product, "variable" */
}

/* Keras 2's amsgrad places: arrays of one 0 where there is none. */
static bool is_placeholder(const mr_shape *shape, const struct state *s, const struct arrays *a)
{
    return shape->rank == 1 && shape->dim[0] == 1 && a->unnamed >= s->slots * s->params;
}

static bool take_array(struct state *s, struct arrays *a, const char *name, const mr_shape *shape)
{
    int slot = slot_of(s, name), number;
    if (slot == UNNAMED) {
        if (is_placeholder(shape, s, a) || s->slots == 0)
            return true; /* nothing that we keep */
        slot = a->unnamed / (s->params ? s->params : 1);
        number = a->unnamed % (s->params ? s->params : 1);
        a->unnamed++;
    } else if (slot < 0) {
        return s->slots == 0;
    } else {
        number = a->next[slot]++;
    }
    if (slot >= s->slots || number >= s->params)
        return false;
    s->array[slot * s->params + number] = name;
    return true;
}

/* Every slot of every variable has its array. */
static bool complete(const struct state *s)
{
    for (int i = 0; i < s->slots * s->params; i++)
        if (!s->array[i])
            return false;
    return !s->o->class->scalar || s->scalar;
}

static bool sort_arrays(struct state *s, hid_t group, const mr_names *names)
{
    struct arrays a = {.group = group, .names = names};
    for (size_t i = 0; i < names->count; i++) {
        mr_shape shape;
        if (mr_hdf5_shape(&shape, group, names->name[i], NULL))
            return false;
        if (shape.rank == 0)
            take_scalar(s, names->name[i], i);
        else if (!take_array(s, &a, names->name[i], &shape))
            return false;
    }
    return complete(s);
}

/* --- reading -------------------------------------------------------------- */

static int slot_number(const struct state *s, const char *name)
{
    int i = 0;
    while (i + 1 < s->slots && strcmp(s->slot[i], name) != 0)
        i++;
    return i;
}

static int compare_places(const void *a, const void *b)
{
    uintptr_t p = (uintptr_t)((const struct place *)a)->param,
              q = (uintptr_t)((const struct place *)b)->param;
    return p < q ? -1 : p > q;
}

static int sort_places(struct state *s, mr_error *e)
{
    s->place = calloc((size_t)s->params + 1, sizeof *s->place);
    if (!s->place)
        return mr_no_memory(e, "optimizer state");
    for (int i = 0; i < s->params; i++)
        s->place[i] = (struct place){s->param[i], i};
    qsort(s->place, (size_t)s->params, sizeof *s->place, compare_places);
    return 0;
}

static const char *array_of(const struct state *s, const mr_slot *slot)
{
    const struct place key = {slot->param, 0}, *found;
    if (!slot->param)
        return s->scalar;
    found = bsearch(&key, s->place, (size_t)s->params, sizeof key, compare_places);
    return found ? s->array[slot_number(s, slot->name) * s->params + found->number] : NULL;
}

static int read_slot(const struct state *s, mr_graph *g, const mr_slot *slot, hid_t group,
                     const mr_keras_origin *origin, mr_error *e)
{
    const char *array = array_of(s, slot);
    if (!array)
        return MR_ENOTFOUND;
    if (slot->param)
        return mr_keras_read_param(g->state + slot->offset, slot->param, group, array, origin, e);
    return mr_hdf5_read_floats(g->state + slot->offset, 1, group, array, e);
}

/* Slots that make no sense: another writer's are left out, but a file of ours, which is sealed, is damaged.
 * What memory or the disk keep us from reading is never left out. */
static int leave_out(hid_t group, const mr_error *why, mr_error *e)
{
    hid_t file = H5Iget_file_id(group);
    int ours = mr_seal_exists(file, e);
    mr_hdf5_release(file);
    if (ours < 0)
        return ours;
    bool fault = why->code == MR_ENOMEM || why->code == MR_EIO || (ours && why->code);
    return fault ? mr_fail_as(e, why) : 0;
}

/* Takes the slots that O has been given in the graph's state as the model's. */
static int keep_slots(mr_model *m, mr_optimizer *o, mr_error *e)
{
    m->slot = calloc((size_t)o->slots + 1, sizeof *m->slot);
    if (!m->slot)
        return mr_no_memory(e, "optimizer state");
    if (o->slots)
        memcpy(m->slot, o->slot, (size_t)o->slots * sizeof *m->slot);
    m->slots = o->slots;
    m->has_optimizer_state = true;
    return 0;
}

/* Every array has the shape of its variable. */
static bool shapes_fit(const struct state *s, hid_t group, const mr_keras_origin *origin)
{
    for (int k = 0; k < s->slots; k++)
        for (int p = 0; p < s->params; p++)
            if (!mr_keras_param_fits(s->param[p], group, s->array[k * s->params + p], origin))
                return false;
    return true;
}

static int read_values(struct state *s, mr_model *m, mr_optimizer *o, hid_t group,
                       const mr_keras_origin *origin, mr_error *e)
{
    int status = sort_places(s, e);
    mr_error why = {0};
    if (!status)
        status = mr_optimizer_attach(o, m->graph, NULL, 0, NULL, e);
    for (int i = 0; !status && i < o->slots; i++)
        if (read_slot(s, m->graph, &o->slot[i], group, origin, &why))
            return leave_out(group, &why, e);
    if (!status && s->iterations && mr_hdf5_read_int(&m->iterations, group, s->iterations, &why))
        return leave_out(group, &why, e);
    if (m->iterations < 0)
        m->iterations = 0;
    return status ? status : keep_slots(m, o, e);
}

/* A learning rate among the variables is the one to continue with, whatever the configuration
 * says ("adam" alone, often); a schedule has none there. */
static void take_rate(mr_model *m, hid_t group, const char *name)
{
    double rate;
    if (name && !mr_hdf5_read_double(&rate, group, name, NULL))
        mr_keras_training_set_rate(m->training, rate);
}

/* Where the variables' order is in doubt, the shapes decide. */
static int read_arrays(mr_model *m, mr_optimizer *o, hid_t group, const mr_names *names,
                       const mr_keras_origin *origin, mr_error *e)
{
    struct state s;
    int status = state_open(&s, o, m->graph, e);
    if (!status && origin->sorted)
        status = sort_by_name(&s, origin, e);
    bool whole = !status && sort_arrays(&s, group, names) && shapes_fit(&s, group, origin);
    if (!status)
        take_rate(m, group, s.rate);
    if (whole)
        status = read_values(&s, m, o, group, origin, e);
    state_close(&s);
    return status;
}

int mr_keras_optimizer(mr_optimizer **out, const mr_model *m, mr_error *e)
{
    mr_error why = {0};
    const json_t *config = json_object_get(m->training, "optimizer_config");
    *out = NULL;
    if (config && mr_optimizer_create(out, config, &why) == MR_ENOMEM)
        return mr_fail_as(e, &why);
    return 0;
}

static bool is_scalar(hid_t group, const char *name)
{
    mr_shape shape;
    return !mr_hdf5_shape(&shape, group, name, NULL) && shape.rank == 0;
}

static bool is_integer(hid_t group, const char *name)
{
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT), type = set < 0 ? -1 : H5Dget_type(set);
    bool integer = type >= 0 && H5Tget_class(type) == H5T_INTEGER;
    mr_hdf5_release(type);
    mr_hdf5_release(set);
    return integer;
}

/* State that M did not take is lost, unless nothing was trained yet: the last counter among NAMES is 0. */
static void note_dropped(mr_model *m, hid_t group, const mr_names *names)
{
    int64_t count = 0;
    bool counted = false;
    for (size_t i = 0; i < names->count && !m->has_optimizer_state; i++)
        if (is_scalar(group, names->name[i]) && is_integer(group, names->name[i]) &&
            !strstr(names->name[i], "step"))
            counted = !mr_hdf5_read_int(&count, group, names->name[i], NULL);
    m->dropped_state = !m->has_optimizer_state && (count > 0 || (!counted && names->count > 2));
}

int mr_keras_read_slots_h5(mr_model *m, hid_t file, const mr_keras_origin *origin, mr_error *e)
{
    mr_names names = {0};
    hid_t group = -1;
    mr_optimizer *o = NULL;
    bool there = mr_hdf5_is_group(file, "optimizer_weights");
    int status = there ? mr_keras_optimizer(&o, m, e) : 0;
    if (!there || status)
        return status;
    status = mr_hdf5_open_group(&group, file, "optimizer_weights", e);
    if (!status)
        status = mr_hdf5_read_names(&names, group, "weight_names", o ? e : NULL);
    if (!status && names.count && o)
        status = read_arrays(m, o, group, &names, origin, e);
    if (!status)
        note_dropped(m, group, &names);
    else if (!o)
        status = 0;
    mr_names_free(&names);
    mr_hdf5_release(group);
    mr_optimizer_free(o);
    return status;
}

/* --- .keras: numbered arrays in Keras 3's order --------------------------- */

/* The datasets 0, 1, 2 … of the group. */
static int list_numbers(mr_names *out, hid_t group, mr_error *e)
{
    char name[32];
    int status = 0;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; !status; i++) {
        snprintf(name, sizeof name, "%zu", i);
        if (!mr_hdf5_exists(group, name))
            break;
        status = mr_names_add(out, name, e);
    }
    return status;
}

/* Number of the iterations among the scalars in front, of which there are COUNT: the last integer. A
 * LossScaleOptimizer's own come before those of the optimizer inside. */
static size_t counter_among(hid_t group, const mr_names *names, size_t count)
{
    while (count > 1 && !is_integer(group, names->name[count - 1]))
        count--;
    return count ? count - 1 : 0;
}

/* The numbers in front: iteration and learning_rate (unless it is a schedule, and not in every version). */
struct front {
    size_t count, iterations;
    const char *rate;
};

static struct front front_of(hid_t group, const mr_names *names)
{
    enum { MOST = 8 };
    struct front f = {0};
    while (f.count < names->count && f.count < MOST && is_scalar(group, names->name[f.count]))
        f.count++;
    f.iterations = counter_among(group, names, f.count);
    if (f.count > f.iterations + 1)
        f.rate = names->name[f.iterations + 1];
    return f;
}

/* What is in front, then the slots; the last scalar is the optimizer's own. */
static int read_numbers(mr_model *m, mr_optimizer *o, hid_t group, const mr_names *names,
                        const mr_keras_origin *origin, mr_error *e)
{
    mr_error why = {0};
    struct front front = front_of(group, names);
    size_t slots = (size_t)o->slots, at = names->count >= slots ? names->count - slots : 0;
    take_rate(m, group, front.rate);
    if (at == 0 || at > front.count)
        return 0;
    if (mr_hdf5_read_int(&m->iterations, group, names->name[front.iterations], &why))
        return leave_out(group, &why, e);
    for (int i = 0; i < o->slots; i++) {
        const mr_slot *s = &o->slot[i];
        const char *name = names->name[at + (size_t)i];
        float *to = m->graph->state + s->offset;
        if (s->param ? mr_keras_read_param(to, s->param, group, name, origin, &why)
                     : mr_hdf5_read_floats(to, 1, group, name, &why))
            return leave_out(group, &why, e);
    }
    return keep_slots(m, o, e);
}

int mr_keras_read_slots_zip(mr_model *m, hid_t root, const mr_keras_origin *origin, mr_error *e)
{
    mr_names names = {0};
    hid_t group = -1;
    mr_optimizer *o = NULL;
    bool there = mr_hdf5_is_group(root, "optimizer/vars");
    int status = there ? mr_keras_optimizer(&o, m, e) : 0;
    if (!there || status)
        return status;
    status = mr_hdf5_open_group(&group, root, "optimizer/vars", e);
    if (!status)
        status = list_numbers(&names, group, e);
    if (!status && names.count && o)
        status = mr_optimizer_attach(o, m->graph, NULL, 0, NULL, e);
    if (!status && names.count && o)
        status = read_numbers(m, o, group, &names, origin, e);
    if (!status)
        note_dropped(m, group, &names);
    if (!m->has_optimizer_state)
        m->iterations = 0;
    mr_names_free(&names);
    mr_hdf5_release(group);
    mr_optimizer_free(o);
    return status;
}
