/* SPDX-License-Identifier: Apache-2.0 */
#include "io/model_file/model_task.h"

#include <math.h>

/* Of a row's sum: probabilities that were rounded to half precision. */
static const double share_tolerance = 2e-3;

/* --- the loss of the first output ------------------------------------------------------------------- */

/* A list of losses, or an object of them by the names of the outputs. */
static const json_t *first_loss(const json_t *loss, const mr_graph *g)
{
    const char *name = g->node[g->output[0]].layer->name;
    if (json_is_array(loss))
        return json_array_get(loss, 0);
    if (!json_is_object(loss) || json_object_get(loss, "class_name"))
        return loss;
    const json_t *own = json_object_get(loss, name);
    bool single = json_object_size(loss) == 1;
    return own || !single ? own : json_object_iter_value(json_object_iter((json_t *)loss));
}

bool mr_model_loss(mr_loss *out, const mr_model *m)
{
    const json_t *loss = first_loss(json_object_get(m->training, "loss"), m->graph);
    return loss && !json_is_null(loss) && mr_loss_configure(out, loss, NULL) == 0;
}

/* --- the task ------------------------------------------------------------------------------------------ */

static mr_task_facts facts_of(const mr_model *m, const mr_loss *loss, mr_targets targets, mr_given_activation given)
{
    const mr_shape *s = &m->graph->node[m->graph->output[0]].shape;
    int classes = s->rank > 1 ? mr_classes_of_width((size_t)s->dim[s->rank - 1]) : 0;
    return (mr_task_facts){.graph = m->graph,
                           .loss = loss,
                           .targets = targets,
                           .named = m->class_names && m->classes == classes,
                           .given = given};
}

mr_output_task mr_model_task_with(const mr_model *m, const mr_loss *loss, mr_targets targets, mr_given_activation given)
{
    mr_task_facts f = facts_of(m, loss, targets, given);
    return mr_task_of(&f);
}

int mr_model_task(mr_output_task *out, const mr_model *m, mr_targets targets, mr_given_activation given, mr_error *e)
{
    mr_loss loss;
    mr_task_facts f = facts_of(m, mr_model_loss(&loss, m) ? &loss : NULL, targets, given);
    *out = mr_task_of(&f);
    return mr_task_check_given(&f, e);
}

/* --- targets --------------------------------------------------------------------------------------------- */

static double value_at(const mr_array *y, size_t i)
{
    return y->bytes ? (double)y->u8[i] : (double)y->f32[i];
}

/* Whole numbers below LIMIT. */
static bool are_indices(const mr_array *y, double limit)
{
    for (size_t i = 0; i < mr_shape_count(&y->shape); i++) {
        double v = value_at(y, i);
        if (!(v >= 0 && v < limit) || v != (double)(int64_t)v)
            return false;
    }
    return true;
}

/* Rows of WIDTH: what all of them are. One that is one-hot may stand among probabilities as well as among labels. */
static mr_targets rows_of(const mr_array *y, size_t width)
{
    bool single = true, bits = true, shares = true;
    for (size_t i = 0; i < mr_shape_count(&y->shape); i += width) {
        double sum = 0;
        size_t ones = 0, noughts = 0;
        for (size_t k = 0; k < width; k++) {
            double v = value_at(y, i + k);
            sum += v;
            ones += v == 1;
            noughts += v == 0;
            shares &= v >= 0;
        }
        bits &= ones + noughts == width;
        single &= ones == 1 && noughts + 1 == width;
        shares &= fabs(sum - 1) <= share_tolerance;
    }
    return single ? MR_TARGETS_CLASSES : bits ? MR_TARGETS_LABELS : shares ? MR_TARGETS_SHARES : MR_TARGETS_NUMBERS;
}

mr_targets mr_targets_of(const mr_array *y, const mr_shape *output)
{
    size_t width = output->rank > 1 ? (size_t)output->dim[output->rank - 1] : 1;
    size_t given = mr_shape_sample(&y->shape), whole = mr_shape_sample(output);
    if (width == 1 || given != whole) /* one too large for the output is told by its number, later; class indices, or of two classes whether it is the second */
        return are_indices(y, width == 1 ? 2 : HUGE_VAL) ? MR_TARGETS_CLASSES : MR_TARGETS_NUMBERS;
    return rows_of(y, width);
}

mr_targets mr_targets_of_both(mr_targets a, mr_targets b)
{
    bool shares = a == MR_TARGETS_SHARES || b == MR_TARGETS_SHARES, labels = a == MR_TARGETS_LABELS || b == MR_TARGETS_LABELS;
    return shares && labels ? MR_TARGETS_NUMBERS : a > b ? a : b;
}
