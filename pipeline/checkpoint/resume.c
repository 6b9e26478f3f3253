/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/resume.h"

#include "io/model_file/verify.h"

#include <stdio.h>
#include <string.h>

void mr_resumed_free(mr_resumed *r)
{
    mr_model_free(r->model);
    mr_run_state_clear(&r->state);
    *r = (mr_resumed){0};
}

/* --- the graph as it was -------------------------------------------------------- */

/* The file's configuration and training configuration are in words that old Keras reads, too; the run's state
 * has both as they were, to the last bit. So the graph is made anew from that, and the numbers of the file's
 * move into it. */

static bool same_variable(const mr_param *a, const mr_param *b)
{
    return a->count == b->count && !strcmp(a->kind, b->kind) && !strcmp(a->layer->name, b->layer->name);
}

static int move_variables(mr_graph *to, const mr_graph *from, mr_error *e)
{
    bool same = to->params == from->params;
    for (int i = 0; i < to->params && same; i++)
        same = same_variable(to->param[i], from->param[i]);
    if (!same)
        return mr_fail(e, MR_EFORMAT, "its model is not the one that its run was training");
    for (int i = 0; i < to->params; i++) {
        const mr_param *p = to->param[i];
        memcpy(mr_param_value(to, p), mr_param_value(from, from->param[i]), p->count * sizeof *to->state);
    }
    return 0;
}

static const mr_param *counterpart(const mr_graph *to, const mr_graph *from, const mr_param *p)
{
    for (int i = 0; i < from->params; i++)
        if (from->param[i] == p)
            return to->param[i];
    return NULL;
}

/* The slots keep their values and their order; room for them is made behind TO's variables. */
static int move_slots(mr_model *m, mr_graph *to, mr_error *e)
{
    const mr_graph *from = m->graph;
    size_t first = 0, room = from->state_size - from->weights;
    int status = room ? mr_graph_extend_state(to, room, &first, e) : 0;
    for (int i = 0; i < m->slots && !status; i++) {
        mr_slot *s = &m->slot[i];
        size_t count = s->param ? s->param->count : 1, offset = first + (s->offset - from->weights);
        memcpy(to->state + offset, from->state + s->offset, count * sizeof *to->state);
        s->offset = offset;
        s->param = s->param ? counterpart(to, from, s->param) : NULL;
    }
    return status;
}

/* OPEN: the size of an input whose size the architecture leaves open. */
static int restore_graph(mr_resumed *r, const mr_shape *open, mr_error *e)
{
    mr_graph *exact;
    if (!r->state.architecture)
        return 0;
    int status = mr_graph_create(&exact, r->state.architecture, open, e);
    if (status)
        return status;
    status = move_variables(exact, r->model->graph, e);
    if (!status)
        status = move_slots(r->model, exact, e);
    if (!status) {
        mr_graph *old = r->model->graph;
        r->model->graph = exact;
        exact = old;
    }
    mr_graph_free(exact);
    return status;
}

static void take_training(mr_resumed *r)
{
    if (!r->state.training)
        return;
    json_decref(r->model->training);
    r->model->training = json_incref(r->state.training);
}

/* --- one checkpoint --------------------------------------------------------------- */

static int load(mr_resumed *r, mr_error *e)
{
    int status = mr_checkpoint_read_state(&r->state, NULL, r->path, e);
    bool tested;
    const mr_shape *open = r->state.input.rank ? &r->state.input : NULL;
    if (!status)
        status = mr_model_load_sized(&r->model, r->path, open, e);
    if (!status && !r->model->has_optimizer_state)
        status = mr_fail(e, MR_EFORMAT, "the optimizer's state is missing");
    if (!status)
        take_training(r);
    if (!status)
        status = restore_graph(r, open, e);
    return status ? status : mr_verify_self_test(r->path, r->model->graph, &tested, e);
}

/* --- choosing --------------------------------------------------------------------- */

static void tell(const mr_resumed *r, const mr_error *why, bool more, void (*warn)(void *, const char *),
                 void *context)
{
    char text[sizeof r->path + sizeof why->message + 64];
    snprintf(text, sizeof text, "%s cannot be used: %s%s", r->path, why->message,
             more ? "; trying the one before" : "");
    if (warn)
        warn(context, text);
}

int mr_resume_from(mr_resumed *out, const char *path, mr_error *e)
{
    *out = (mr_resumed){0};
    if (strlen(path) >= sizeof out->path)
        return mr_fail(e, MR_ELIMIT, "%s: too long a path", path);
    strcpy(out->path, path);
    return load(out, e);
}

int mr_resume_newest(mr_resumed *out, bool *found, const mr_checkpoint_dir *d,
                     void (*warn)(void *context, const char *text), void *context, mr_error *e)
{
    mr_checkpoint_list list;
    *out = (mr_resumed){0};
    *found = false;
    int status = mr_checkpoint_list_read(&list, d, e);
    for (size_t i = 0; i < list.count && !status && !*found; i++) {
        mr_error why = {0};
        status = mr_checkpoint_path(out->path, sizeof out->path, d, list.number[i], e);
        if (status)
            break;
        *found = load(out, &why) == 0;
        if (*found)
            break;
        tell(out, &why, i + 1 < list.count, warn, context);
        mr_resumed_free(out);
    }
    if (!status && !*found && list.count)
        status = mr_hint(
            e, mr_fail(e, MR_EFORMAT, "none of the %zu checkpoints in %s can be used", list.count, d->path),
            "move them away to start over");
    mr_checkpoint_list_free(&list);
    return status;
}
