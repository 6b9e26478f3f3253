/* SPDX-License-Identifier: Apache-2.0 */
/* What all optimizers share: configuration, slots, regularizers, clipping, weight decay, and the walk over
 * the variables.
 *
 * The walk is cut into pieces of at most PIECE elements; the cut depends on the variables alone, and sums
 * over pieces are taken in their order, so an update gives the same bytes for any number of threads. */
#include "nn/learn/optimizer.h"

#include "base/json_read.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 14, MAX_STEP_SLOTS = MR_MAX_SLOTS };

struct piece {
    const mr_param *param;
    size_t first, count; /* elements of the variable */
    const mr_slot *slot[MAX_STEP_SLOTS];
    double squares; /* sum of g² over the piece */
};

struct mr_update_work {
    int pieces;
    struct piece *piece;
    int slots_per_param;
};

/* One step at hand. */
struct step {
    mr_optimizer *o;
    mr_graph *g;
    mr_real *gradients, *out;
    double rate, coefficient[MR_MAX_COEFFICIENTS];
    double scale; /* of all gradients (global_clipnorm) */
};

/* --- configuration
 * ------------------------------------------------------------------------------------------- */

static double number(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    return json_is_number(v) ? json_number_value(v) : 0;
}

/* Keras's keys of every optimizer, and what they must be here (NULL: read elsewhere). */
static const struct common {
    const char *key, *fallback;
} common[] = {
    {"name", NULL},
    {"weight_decay", "null"},
    {"clipnorm", "null"},
    {"global_clipnorm", "null"},
    {"clipvalue", "null"},
    {"use_ema", "false"},
    {"ema_momentum", "0.99"},
    {"ema_overwrite_frequency", "null"},
    {"loss_scale_factor", "null"},
    {"gradient_accumulation_steps", "null"},
};

static bool known_key(const json_t *defaults, const char *key)
{
    static const char *const ignored[] = {"learning_rate", "jit_compile", "is_legacy_optimizer", NULL};
    for (int i = 0; ignored[i]; i++)
        if (!strcmp(ignored[i], key))
            return true;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (!strcmp(common[i].key, key))
            return true;
    return json_object_get(defaults, key) != NULL;
}

static int check_keys(const mr_optimizer_class *class, const json_t *given, const json_t *defaults,
                      mr_error *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)given, key, value)
    {
        if (!known_key(defaults, key))
            return mr_fail(e, MR_EUNSUPPORTED, "optimizer %s: '%s' is not a parameter of it",
                           class->class_name, key);
        bool off = json_is_null(value) || json_is_false(value);
        if (!off && (!strcmp(key, "use_ema") || !strcmp(key, "gradient_accumulation_steps") ||
                     !strcmp(key, "loss_scale_factor")))
            return mr_fail(e, MR_EUNSUPPORTED, "optimizer %s: %s is not supported", class->class_name, key);
        json_t *usual = json_object_get(defaults, key);
        if (usual && !json_is_null(value) && json_is_boolean(usual) != json_is_boolean(value))
            return mr_fail(e, MR_EINVAL, "optimizer %s: '%s' has a value of the wrong type",
                           class->class_name, key);
    }
    return 0;
}

/* All of Keras 3's keys in its order: the common ones, then the class's own. */
static json_t *complete(const mr_optimizer_class *class, const json_t *given, const json_t *defaults)
{
    json_t *all = json_object(), *value;
    const char *key;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        json_t *v = json_object_get(given, common[i].key);
        if (v)
            json_object_set(all, common[i].key, v);
        else if (!common[i].fallback)
            json_object_set_new(all, common[i].key, json_string(class->keras_name));
        else if (!strcmp(common[i].key, "weight_decay") && class->weight_decay > 0)
            json_object_set_new(all, common[i].key, json_real(class->weight_decay));
        else
            json_object_set_new(all, common[i].key, json_loads(common[i].fallback, JSON_DECODE_ANY, NULL));
    }
    json_object_foreach((json_t *)defaults, key, value)
    {
        json_t *v = json_object_get(given, key);
        json_object_set(all, key, v && !json_is_null(v) ? v : value);
    }
    return all;
}

static int read_numbers(mr_optimizer *o, mr_error *e)
{
    const json_t *c = o->config;
    o->weight_decay = number(c, "weight_decay");
    o->clipnorm = number(c, "clipnorm");
    o->global_clipnorm = number(c, "global_clipnorm");
    o->clipvalue = number(c, "clipvalue");
    o->momentum = number(c, "momentum");
    o->beta_1 = number(c, "beta_1");
    o->beta_2 = number(c, "beta_2");
    o->rho = number(c, "rho");
    o->epsilon = number(c, "epsilon");
    o->initial_accumulator = number(c, "initial_accumulator_value");
    o->nesterov = json_is_true(json_object_get(c, "nesterov"));
    o->amsgrad = json_is_true(json_object_get(c, "amsgrad"));
    o->centered = json_is_true(json_object_get(c, "centered"));
    const double shares[] = {o->momentum, o->beta_1, o->beta_2, o->rho};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (!(shares[i] >= 0 && shares[i] <= 1))
            return mr_fail(e, MR_EINVAL, "optimizer %s: momentum, betas and rho lie between 0 and 1",
                           o->class->class_name);
    return 0;
}

static int read_rate(mr_optimizer *o, const json_t *given, mr_error *e)
{
    json_t *rate = json_object_get(given, "learning_rate"), *usual = json_real(o->class->learning_rate);
    int status = mr_schedule_create(&o->schedule, rate && !json_is_null(rate) ? rate : usual, e);
    json_decref(usual);
    return status;
}

int mr_optimizer_create(mr_optimizer **out, const json_t *config, mr_error *e)
{
    *out = NULL;
    const char *name = mr_json_text(config, "class_name");
    const json_t *given = json_object_get(config, "config");
    const mr_optimizer_class *class = name ? mr_optimizer_class_find(name) : NULL;
    if (!class)
        return mr_hint(e, mr_fail(e, MR_EUNSUPPORTED, "optimizer '%s' is not known", name ? name : "(none)"),
                       "--optimizer sgd|adam|adamw|rmsprop|adagrad|adadelta|adamax|nadam");
    mr_optimizer *o = calloc(1, sizeof *o);
    json_t *defaults = json_loads(class->defaults, 0, NULL);
    if (!o || !defaults) {
        free(o);
        json_decref(defaults);
        return mr_no_memory(e, "the optimizer");
    }
    o->class = class;
    int status = check_keys(class, given, defaults, e);
    if (!status) {
        o->config = complete(class, given, defaults);
        status = read_numbers(o, e);
    }
    if (!status)
        status = read_rate(o, given, e);
    json_decref(defaults);
    if (status) {
        mr_optimizer_free(o);
        return status;
    }
    *out = o;
    return 0;
}

void mr_optimizer_free(mr_optimizer *o)
{
    if (!o)
        return;
    if (o->work)
        free(o->work->piece);
    free(o->work);
    free(o->slot);
    mr_schedule_free(o->schedule);
    json_decref(o->config);
    free(o);
}

json_t *mr_optimizer_config(const mr_optimizer *o)
{
    json_t *all = json_object(), *value;
    const char *key;
    json_object_foreach(o->config, key, value)
    {
        json_object_set_new(all, key, json_deep_copy(value));
        if (!strcmp(key, "name")) /* where Keras has it */
            json_object_set_new(all, "learning_rate", mr_schedule_config(o->schedule));
    }
    return json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.optimizers", "class_name", o->class->class_name,
                     "config", all, "registered_name");
}

double mr_optimizer_rate(const mr_optimizer *o)
{
    return mr_schedule_rate(o->schedule, o->iterations);
}

/* --- slots
 * --------------------------------------------------------------------------------------------------- */

/* Slots by variable and name. */
struct slot_index {
    const mr_slot **slot; /* sorted */
    int count;
};

static int compare_slots(const void *a, const void *b)
{
    const mr_slot *s = *(const mr_slot *const *)a, *t = *(const mr_slot *const *)b;
    uintptr_t p = (uintptr_t)s->param, q = (uintptr_t)t->param;
    return p != q ? (p < q ? -1 : 1) : strcmp(s->name, t->name);
}

static int index_slots(struct slot_index *x, const mr_slot *slot, int count, mr_error *e)
{
    *x = (struct slot_index){calloc((size_t)count + 1, sizeof *x->slot), count};
    if (!x->slot)
        return mr_no_memory(e, "the optimizer");
    for (int i = 0; i < count; i++)
        x->slot[i] = &slot[i];
    qsort(x->slot, (size_t)count, sizeof *x->slot, compare_slots);
    return 0;
}

static const mr_slot *find_slot(const struct slot_index *x, const char *name, const mr_param *param)
{
    const mr_slot key = {.name = name, .param = param}, *wanted = &key;
    const mr_slot *const *found = bsearch(&wanted, x->slot, (size_t)x->count, sizeof *x->slot, compare_slots);
    return found ? *found : NULL;
}

/* Keras 3's order of files: the first two slots variable by variable where interleaved, the others slot by
 * slot. */
static void order_slots(mr_optimizer *o, const mr_graph *g, int per_param, const char *const *name)
{
    int together = o->class->interleaved && per_param >= 2 ? 2 : 1;
    o->slots = 0;
    for (int first = 0; first < per_param; first += together, together = 1)
        for (int i = 0; i < g->params; i++)
            for (int k = first; g->param[i]->trainable && k < first + together; k++)
                o->slot[o->slots++] = (mr_slot){name[k], g->param[i], 0};
    if (o->class->scalar)
        o->slot[o->slots++] = (mr_slot){o->class->scalar, NULL, 0};
}

static size_t slot_size(const mr_slot *s)
{
    return s->param ? (s->param->count + 15) / 16 * 16 : 16;
}

static void initialise_slot(const mr_optimizer *o, mr_graph *g, const mr_slot *s, const char *const *name,
                            int per_param)
{
    mr_real value = s->param ? 0 : 1;
    for (int k = 0; s->param && o->class->slot_initial && k < per_param; k++)
        if (name[k] == s->name)
            value = (mr_real)o->class->slot_initial(o, k);
    for (size_t i = 0; i < (s->param ? s->param->count : 1); i++)
        g->state[s->offset + i] = value;
}

static int place_slots(mr_optimizer *o, mr_graph *g, const struct slot_index *found, const char *const *name,
                       int per_param, bool *restored, mr_error *e)
{
    size_t missing = 0, offset = 0;
    for (int i = 0; i < o->slots; i++)
        if (!find_slot(found, o->slot[i].name, o->slot[i].param))
            missing += slot_size(&o->slot[i]);
    if (restored)
        *restored = missing == 0;
    int status = missing ? mr_graph_extend_state(g, missing, &offset, e) : 0;
    for (int i = 0; i < o->slots && !status; i++) {
        mr_slot *s = &o->slot[i];
        const mr_slot *old = find_slot(found, s->name, s->param);
        s->offset = old ? old->offset : offset;
        if (old)
            continue;
        offset += slot_size(s);
        initialise_slot(o, g, s, name, per_param);
    }
    return status;
}

static int cut_pieces(mr_optimizer *o, const mr_graph *g, int per_param, const char *const *name, mr_error *e)
{
    struct slot_index slots;
    struct mr_update_work *w = o->work = calloc(1, sizeof *w);
    if (!w)
        return mr_no_memory(e, "the optimizer");
    int count = 0;
    for (int i = 0; i < g->params; i++)
        count += (int)((g->param[i]->count + PIECE - 1) / PIECE);
    w->piece = calloc((size_t)count + 1, sizeof *w->piece);
    if (!w->piece)
        return mr_no_memory(e, "the optimizer");
    int status = index_slots(&slots, o->slot, o->slots, e);
    w->slots_per_param = per_param;
    for (int i = 0; i < g->params && !status; i++)
        for (size_t first = 0; first < g->param[i]->count; first += PIECE) {
            struct piece *p = &w->piece[w->pieces++];
            size_t rest = g->param[i]->count - first;
            p->param = g->param[i];
            p->first = first;
            p->count = rest < PIECE ? rest : PIECE;
            for (int k = 0; p->param->trainable && k < per_param; k++)
                p->slot[k] = find_slot(&slots, name[k], p->param);
        }
    free(slots.slot);
    return status;
}

int mr_optimizer_attach(mr_optimizer *o, mr_graph *g, const mr_slot *found, int count, bool *restored,
                        mr_error *e)
{
    const char *name[MR_MAX_SLOTS];
    int per_param = o->class->slots(o, name);
    o->slot = calloc((size_t)g->params * (size_t)per_param + 2, sizeof *o->slot);
    if (!o->slot)
        return mr_no_memory(e, "the optimizer");
    order_slots(o, g, per_param, name);
    struct slot_index there;
    int status = index_slots(&there, found, count, e);
    if (!status)
        status = place_slots(o, g, &there, name, per_param, restored, e);
    free(there.slot);
    return status ? status : cut_pieces(o, g, per_param, name, e);
}

/* --- a step
 * -------------------------------------------------------------------------------------------------- */

/* d/dw (l1*|w| + l2*w²), added to the gradient; clipvalue is applied later, as Keras clips what it
 * differentiated. */
static void regularize(const mr_param *p, const mr_real *w, mr_real *g, size_t count)
{
    const mr_real l1 = (mr_real)p->l1, twice_l2 = (mr_real)(2 * p->l2);
    if (twice_l2 != 0)
        for (size_t i = 0; i < count; i++)
            g[i] += twice_l2 * w[i];
    if (l1 != 0)
        for (size_t i = 0; i < count; i++)
            g[i] += w[i] > 0 ? l1 : w[i] < 0 ? -l1 : 0;
}

static void regularize_piece(void *argument, int task, int thread)
{
    (void)thread;
    const struct step *s = argument;
    struct piece *p = &s->o->work->piece[task];
    if (!p->param->trainable)
        return;
    mr_real *g = s->gradients + p->param->offset + p->first;
    regularize(p->param, mr_param_value(s->g, p->param) + p->first, g, p->count);
    p->squares = 0;
    if (s->o->clipnorm > 0 || s->o->global_clipnorm > 0)
        for (size_t i = 0; i < p->count; i++)
            p->squares += (double)g[i] * (double)g[i];
}

/* Keras: clipnorm wins over global_clipnorm, that over clipvalue. */
static double piece_scale(const struct step *s, int piece)
{
    const struct mr_update_work *w = s->o->work;
    if (s->o->clipnorm <= 0)
        return s->scale;
    double squares = 0;
    int first = piece;
    while (first > 0 && w->piece[first - 1].param == w->piece[piece].param)
        first--;
    for (int i = first; i < w->pieces && w->piece[i].param == w->piece[piece].param; i++)
        squares += w->piece[i].squares;
    double norm = sqrt(squares);
    return norm > s->o->clipnorm ? s->o->clipnorm / norm : 1;
}

static void clip(const struct step *s, int piece, mr_real *g, size_t count)
{
    double scale = piece_scale(s, piece);
    if (scale != 1)
        for (size_t i = 0; i < count; i++)
            g[i] *= (mr_real)scale;
    if (s->o->clipvalue > 0 && s->o->clipnorm <= 0 && s->o->global_clipnorm <= 0) {
        const mr_real most = (mr_real)s->o->clipvalue;
        for (size_t i = 0; i < count; i++)
            g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];
    }
}

static void update_piece(void *argument, int task, int thread)
{
    (void)thread;
    const struct step *s = argument;
    const struct piece *p = &s->o->work->piece[task];
    const mr_real *in = s->g->state;
    size_t at = p->param->offset + p->first;
    if (!p->param->trainable) {
        if (s->out != in)
            memcpy(s->out + at, in + at, p->count * sizeof *in);
        return;
    }
    clip(s, task, s->gradients + at, p->count);
    mr_update u = {.count = p->count,
                   .w = in + at,
                   .g = s->gradients + at,
                   .w_out = s->out + at,
                   .rate = s->rate,
                   .coefficient = s->coefficient};
    for (int k = 0; k < s->o->work->slots_per_param; k++) {
        u.slot[k] = in + p->slot[k]->offset + p->first;
        u.slot_out[k] = s->out + p->slot[k]->offset + p->first;
    }
    if (s->o->weight_decay > 0) { /* decoupled: before the update, on the variable itself */
        const mr_real keep = (mr_real)(s->rate * s->o->weight_decay);
        for (size_t i = 0; i < p->count; i++)
            u.w_out[i] = u.w[i] - u.w[i] * keep;
        u.w = u.w_out;
    }
    s->o->class->update(s->o, &u);
}

static void prepare(struct step *s)
{
    mr_optimizer *o = s->o;
    double scalar = 1;
    const mr_slot *slot = o->class->scalar ? &o->slot[o->slots - 1] : NULL;
    if (slot)
        scalar = (double)s->g->state[slot->offset];
    s->rate = mr_optimizer_rate(o);
    if (o->class->prepare)
        o->class->prepare(o, o->iterations, s->rate, &scalar, s->coefficient);
    if (slot)
        s->out[slot->offset] = (mr_real)scalar;
    s->scale = 1;
    if (o->global_clipnorm > 0 && o->clipnorm <= 0) {
        double squares = 0;
        for (int i = 0; i < o->work->pieces; i++)
            if (o->work->piece[i].param->trainable)
                squares += o->work->piece[i].squares;
        if (sqrt(squares) > o->global_clipnorm)
            s->scale = o->global_clipnorm / sqrt(squares);
    }
}

void mr_optimizer_step(mr_optimizer *o, mr_graph *g, mr_team *team, mr_real *gradients, mr_real *state_out)
{
    struct step s = {.o = o, .g = g, .gradients = gradients, .out = state_out};
    mr_team_run(team, o->work->pieces, regularize_piece, &s);
    prepare(&s);
    mr_team_run(team, o->work->pieces, update_piece, &s);
    o->iterations++;
}

double mr_regularization(const mr_graph *g)
{
    double sum = 0;
    for (int i = 0; i < g->params; i++) {
        const mr_param *p = g->param[i];
        const mr_real *w = mr_param_value(g, p);
        double absolute = 0, squares = 0;
        if (!p->trainable || (p->l1 == 0 && p->l2 == 0)) /* Keras counts what can be trained */
            continue;
        for (size_t k = 0; k < p->count; k++) {
            absolute += fabs((double)w[k]);
            squares += (double)w[k] * (double)w[k];
        }
        sum += p->l1 * absolute + p->l2 * squares;
    }
    return sum;
}
