/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/learn/task.h"

#include "nn/layers/activation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- the last operation ------------------------------------------------------------------------- */

static bool is_class(const mr_layer *l, const char *const *names)
{
    while (*names && strcmp(l->class->name, *names) != 0)
        names++;
    return *names != NULL;
}

/* Layer L's activation by name; NULL where it has none. */
static const char *activation_of(const mr_layer *l)
{
    mr_activation a;
    if (!strcmp(l->class->name, "Softmax"))
        return "softmax";
    if (json_object_get(l->config, "activation"))
        return mr_config_activation(l, l->config, "activation", &a, NULL) ? NULL : a.name;
    return mr_activation_of_class(l, l->class->name, l->config, &a, NULL) ? NULL : a.name;
}

static mr_last_operation operation_of(const mr_layer *l)
{
    static const char *const weighted[] = {"Dense",           "Conv2D",          "SeparableConv2D",
                                           "DepthwiseConv2D", "Conv2DTranspose", NULL};
    const char *name = activation_of(l);
    if (name && !strcmp(name, "softmax"))
        return MR_LAST_SOFTMAX;
    if (name && (!strcmp(name, "sigmoid") || !strcmp(name, "hard_sigmoid")))
        return MR_LAST_SIGMOID;
    return is_class(l, weighted) && (!name || !strcmp(name, "linear")) ? MR_LAST_LINEAR : MR_LAST_OTHER;
}

/* Values come out as they went in, or as means of them. */
static bool keeps_scale(const mr_layer *l)
{
    static const char *const means[] = {"GlobalAveragePooling2D", "AveragePooling2D", NULL};
    const char *name = strcmp(l->class->name, "Activation") != 0 ? NULL : activation_of(l);
    return l->class->alias || l->class->identity_at_inference || is_class(l, means) ||
           (name && !strcmp(name, "linear"));
}

static int64_t last_dimension(const mr_node *n)
{
    return n->shape.dim[n->shape.rank - 1];
}

/* Of node AT, through layers of one input that keep the scale; *END is where that stops. A softmax whose rows are
 * cut or joined afterwards gives none. */
static mr_last_operation operation_at(const mr_graph *g, int at, int *end)
{
    bool same_rows = true;
    while (g->node[at].inputs == 1 && keeps_scale(g->node[at].layer)) {
        same_rows &= last_dimension(&g->node[at]) == last_dimension(&g->node[g->node[at].input[0]]);
        at = g->node[at].input[0];
    }
    *end = at;
    mr_last_operation last = operation_of(g->node[at].layer);
    return last == MR_LAST_SOFTMAX && !same_rows ? MR_LAST_OTHER : last;
}

mr_last_operation mr_graph_last_operation(const mr_graph *g, int output)
{
    int end, unused;
    mr_last_operation last = operation_at(g, g->output[output], &end);
    const mr_node *n = &g->node[end];
    if (strcmp(n->layer->class->name, "Average") != 0)
        return last;
    last = operation_at(g, n->input[0], &unused); /* an ensemble: what all its members end in */
    for (int i = 1; i < n->inputs; i++)
        if (operation_at(g, n->input[i], &unused) != last)
            return MR_LAST_OTHER;
    return last;
}

/* --- what it means -------------------------------------------------------------------------------- */

int mr_classes_of_width(size_t width)
{
    return width == 1 ? 2 : (int)width;
}

int mr_given_activation_by_name(const char *name)
{
    static const char *const names[] = {
        [MR_GIVEN_SOFTMAX] = "softmax", [MR_GIVEN_SIGMOID] = "sigmoid", [MR_GIVEN_LINEAR] = "linear"};
    for (int i = MR_GIVEN_SOFTMAX; i <= MR_GIVEN_LINEAR; i++)
        if (!strcmp(name, names[i]))
            return i;
    return -1;
}

static const mr_shape *output_shape(const mr_task_facts *f)
{
    return &f->graph->node[f->graph->output[0]].shape;
}

static size_t row_width(const mr_shape *s)
{
    return s->rank > 1 ? (size_t)s->dim[s->rank - 1] : 1;
}

static mr_loss_meaning loss_meaning(const mr_task_facts *f)
{
    return f->loss ? f->loss->class->meaning : MR_LOSS_OF_NUMBERS;
}

/* Does the loss take what the model gives for logits, and is it right? A softmax's output is no logit, whatever the
 * loss was told. */
static mr_link link_of(const mr_task_facts *f, mr_last_operation last, size_t width)
{
    bool logits = f->loss && f->loss->from_logits;
    if (f->given == MR_GIVEN_LINEAR)
        return MR_LINK_NONE;
    if (last == MR_LAST_SOFTMAX || last == MR_LAST_SIGMOID)
        return MR_LINK_IDENTITY;
    if (f->given != MR_GIVEN_NOTHING)
        return f->given == MR_GIVEN_SOFTMAX ? MR_LINK_SOFTMAX : MR_LINK_SIGMOID;
    if (logits && loss_meaning(f) == MR_LOSS_OF_ONE_CLASS && width > 1)
        return MR_LINK_SOFTMAX;
    return logits && loss_meaning(f) == MR_LOSS_OF_LABELS ? MR_LINK_SIGMOID : MR_LINK_NONE;
}

static mr_task_kind kind_for_labels(const mr_task_facts *f, const mr_output_task *t)
{
    bool each = t->last == MR_LAST_SIGMOID || loss_meaning(f) == MR_LOSS_OF_LABELS || t->link == MR_LINK_SIGMOID;
    return each && t->last != MR_LAST_SOFTMAX ? MR_TASK_LABELS : MR_TASK_NUMBERS;
}

/* Without targets the model and its loss have to say it. A vector that is said to be neither probabilities nor logits
 * may be anything. */
static mr_task_kind kind_by_model(const mr_task_facts *f, const mr_output_task *t)
{
    if (t->link == MR_LINK_NONE || (t->last == MR_LAST_SOFTMAX && t->width == 1))
        return MR_TASK_NUMBERS;
    if (f->named || t->last == MR_LAST_SOFTMAX || t->link == MR_LINK_SOFTMAX)
        return MR_TASK_CLASSES;
    if (f->loss && loss_meaning(f) == MR_LOSS_OF_NUMBERS && f->given == MR_GIVEN_NOTHING)
        return MR_TASK_NUMBERS; /* a number from 0 to 1 */
    return t->width == 1 || loss_meaning(f) == MR_LOSS_OF_ONE_CLASS ? MR_TASK_CLASSES : MR_TASK_LABELS;
}

/* The numbers are no probabilities, yet their order or their sign is what the loss, or the names of the classes, say. */
static bool scores_classes(const mr_task_facts *f, const mr_output_task *t)
{
    mr_loss_meaning loss = loss_meaning(f);
    bool single = t->width == 1 && (loss == MR_LOSS_OF_LABELS || loss == MR_LOSS_OF_A_MARGIN);
    return t->link == MR_LINK_NONE && (f->named || single || (t->width > 1 && loss == MR_LOSS_OF_ONE_CLASS));
}

/* That the samples have one class each does not make a class of what the model gives. */
static mr_task_kind kind_for_classes(const mr_task_facts *f, const mr_output_task *t)
{
    return scores_classes(f, t) ? MR_TASK_CLASSES : kind_by_model(f, t);
}

static mr_task_kind kind_of(const mr_task_facts *f, const mr_output_task *t)
{
    if (f->given == MR_GIVEN_LINEAR)
        return MR_TASK_NUMBERS;
    switch (f->targets) {
    case MR_TARGETS_CLASSES:
    case MR_TARGETS_SHARES: /* the largest share is the class, as in Keras */
        return kind_for_classes(f, t);
    case MR_TARGETS_LABELS:
        return kind_for_labels(f, t);
    case MR_TARGETS_NUMBERS:
        return MR_TASK_NUMBERS;
    case MR_TARGETS_UNKNOWN:
        break;
    }
    return kind_by_model(f, t);
}

mr_output_task mr_task_of(const mr_task_facts *f)
{
    const mr_shape *s = output_shape(f);
    mr_output_task t = {.last = mr_graph_last_operation(f->graph, 0), .vector = s->rank == 2, .width = row_width(s)};
    t.link = link_of(f, t.last, t.width);
    t.kind = kind_of(f, &t);
    if (t.kind == MR_TASK_CLASSES)
        t.classes = mr_classes_of_width(t.width);
    else if (t.kind == MR_TASK_LABELS)
        t.classes = (int)t.width;
    bool zero = t.link == MR_LINK_SIGMOID || (t.link == MR_LINK_NONE && loss_meaning(f) == MR_LOSS_OF_A_MARGIN);
    t.threshold = zero ? 0 : (mr_real).5;
    return t;
}

int mr_task_check_given(const mr_task_facts *f, mr_error *e)
{
    static const char *const names[] = {"", "softmax", "sigmoid", "linear"};
    mr_last_operation last = mr_graph_last_operation(f->graph, 0);
    bool softmax = f->given == MR_GIVEN_SOFTMAX, sigmoid = f->given == MR_GIVEN_SIGMOID;
    if ((sigmoid && last == MR_LAST_SOFTMAX) || (softmax && last == MR_LAST_SIGMOID))
        return mr_fail(e, MR_EUSAGE, "activation %s: the model's last layer already applies %s", names[f->given],
                       softmax ? "sigmoid" : "softmax");
    if (softmax && row_width(output_shape(f)) == 1)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "activation softmax: the model has a single output"),
                       "give sigmoid");
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* Above .5 exactly where X is above 0: rounding decides nothing. */
static mr_real sigmoid(mr_real x)
{
    mr_real p = (mr_real)(1 / (1 + exp(-(double)x)));
    return x > 0 && p <= (mr_real).5 ? (mr_real).5 + (mr_real)1e-7 : p;
}

static void softmax(const mr_real *x, size_t n, mr_real *p)
{
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = (double)x[i] > most ? (double)x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++)
        p[i] = (mr_real)(exp((double)x[i] - most) / sum);
}

void mr_task_probabilities(const mr_output_task *t, const mr_real *output, mr_real *p)
{
    if (t->link == MR_LINK_SOFTMAX)
        softmax(output, t->width, p);
    else
        for (size_t i = 0; i < t->width; i++)
            p[i] = t->link == MR_LINK_SIGMOID ? sigmoid(output[i]) : output[i];
    if (t->kind == MR_TASK_CLASSES && t->width == 1) {
        p[1] = p[0];
        p[0] = 1 - p[1];
    }
}

static size_t arg_max(const mr_real *v, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (v[i] > v[at])
            at = i;
    return at;
}

int mr_task_class(const mr_output_task *t, const mr_real *output)
{
    return t->width == 1 ? output[0] > t->threshold : (int)arg_max(output, t->width);
}

/* --- batches ---------------------------------------------------------------------------------------- */

static double row_right(const mr_output_task *t, const mr_loss *l, const mr_real *target, const mr_real *p)
{
    if (l->class->sparse)
        return arg_max(p, t->width) == (size_t)target[0];
    if (t->kind == MR_TASK_CLASSES && t->width > 1)
        return arg_max(p, t->width) == arg_max(target, t->width);
    size_t right = 0;
    for (size_t i = 0; i < t->width; i++)
        right += (p[i] > t->threshold) == (target[i] > (mr_real).5);
    return (double)right / (double)t->width;
}

static bool is_in_top(const mr_loss *l, const mr_real *target, const mr_real *p, size_t width, int k)
{
    size_t class = l->class->sparse ? (size_t)target[0] : arg_max(target, width);
    int above = 0;
    for (size_t i = 0; i < width; i++)
        above += p[i] > p[class];
    return above < k && !isnan(p[class]);
}

/* The mean over the rows of each sample, summed over the samples. K 0: what is predicted is right. */
static double right_samples(const mr_output_task *t, const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                            const mr_real *prediction, int k)
{
    size_t rows = mr_shape_sample(out) / t->width, target_width = l->class->sparse ? 1 : t->width;
    double right = 0;
    for (size_t r = 0; r < (size_t)batch * rows; r++) {
        const mr_real *y = target + r * target_width, *p = prediction + r * t->width;
        right += k && t->width > 1 ? is_in_top(l, y, p, t->width, k) : row_right(t, l, y, p);
    }
    return right / (double)rows;
}

double mr_task_right(const mr_output_task *t, const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction)
{
    return t->kind == MR_TASK_NUMBERS ? 0 : right_samples(t, l, out, batch, target, prediction, 0);
}

double mr_task_top_k(const mr_output_task *t, const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction, int k)
{
    return t->kind == MR_TASK_CLASSES ? right_samples(t, l, out, batch, target, prediction, k) : 0;
}

const char *mr_task_metric(const mr_output_task *t)
{
    static const char *const names[] = {
        [MR_TASK_NUMBERS] = NULL, [MR_TASK_CLASSES] = "accuracy", [MR_TASK_LABELS] = "binary_accuracy"};
    return names[t->kind];
}

const char *mr_task_text(const mr_output_task *t, char *text, size_t size)
{
    static const char *const scale[] = {[MR_LINK_NONE] = "scores",
                                        [MR_LINK_IDENTITY] = "probabilities",
                                        [MR_LINK_SIGMOID] = "logits (sigmoid makes them probabilities)",
                                        [MR_LINK_SOFTMAX] = "logits (softmax makes them probabilities)"};
    if (t->kind == MR_TASK_NUMBERS)
        snprintf(text, size, "%zu number%s%s", t->width, t->width == 1 ? "" : "s", t->vector ? "" : " at each place");
    else if (t->kind == MR_TASK_LABELS)
        snprintf(text, size, "%d labels of their own, %s", t->classes, scale[t->link]);
    else
        snprintf(text, size, "one of %d classes%s, %s", t->classes, t->vector ? "" : " at each place", scale[t->link]);
    return text;
}
