/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/learn/activity.h"

#include "nn/graph/config.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 14, MOST_PIECES = 1 << 12 };

static int term_of(mr_activity_term *out, const mr_layer *l, mr_error *e)
{
    *out = (mr_activity_term){0};
    if (strcmp(l->class->name, "ActivityRegularization") != 0)
        return mr_config_regularizer(l, "activity_regularizer", &out->l1, &out->l2, e);
    int status = mr_config_real(l, l->config, "l1", 0, &out->l1, e);
    return status ? status : mr_config_real(l, l->config, "l2", 0, &out->l2, e);
}

int mr_activity_find(mr_activity *out, const mr_graph *g, mr_error *e)
{
    size_t most = (size_t)g->nodes + 1;
    *out = (mr_activity){.term = calloc(most, sizeof *out->term),
                         .node = calloc(most, sizeof *out->node),
                         .partial = calloc(MOST_PIECES, sizeof *out->partial)};
    int status = out->term && out->node && out->partial
                     ? 0
                     : mr_no_memory(e, "the activity regularizers");
    for (int i = 0; i < g->nodes && !status; i++) {
        mr_activity_term *t = &out->term[out->terms];
        status = term_of(t, g->node[i].layer, e);
        if (!status && g->node[i].inputs && (t->l1 != 0 || t->l2 != 0))
            out->node[out->terms++] = i;
    }
    return status;
}

void mr_activity_clear(mr_activity *a)
{
    free(a->term);
    free(a->node);
    free(a->partial);
    *a = (mr_activity){0};
}

struct pass {
    mr_activity_term term;
    const mr_real *y;
    mr_real *dy; /* NULL: not wanted */
    size_t count, piece;
    double *partial;
};

static void penalise(void *argument, int task, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    size_t first = (size_t)task * p->piece, end = first + p->piece < p->count ? first + p->piece : p->count;
    double absolute = 0, square = 0;
    for (size_t i = first; i < end; i++) {
        double y = (double)p->y[i];
        absolute += fabs(y);
        square += y * y;
        if (p->dy)
            p->dy[i] += (mr_real)(p->term.l1 * ((y > 0) - (y < 0)) + 2 * p->term.l2 * y);
    }
    p->partial[task] = p->term.l1 * absolute + p->term.l2 * square;
}

static double term_loss(const mr_activity *a, int i, const mr_real *y, mr_real *dy, size_t count,
                        mr_team *team)
{
    size_t piece = count / MOST_PIECES + 1;
    struct pass p = {a->term[i], y, dy, count, piece > PIECE ? piece : PIECE, a->partial};
    int pieces = (int)((count + p.piece - 1) / p.piece);
    double sum = 0;
    mr_team_run(team, pieces, penalise, &p);
    for (int k = 0; k < pieces; k++)
        sum += a->partial[k];
    return sum;
}

/* Gradients that begin with nothing: of extras that are not the model's output under another name. */
static void clear_gradients(const mr_activity *a, const mr_graph *g, mr_plan *p, int batch)
{
    for (int i = 0; i < a->terms; i++) {
        mr_real *dy = mr_plan_output_gradient(p, g->outputs + i);
        bool own = dy != NULL;
        for (int k = 0; k < g->outputs; k++)
            own = own && dy != mr_plan_output_gradient(p, k);
        if (own)
            memset(dy, 0, (size_t)batch * mr_shape_sample(&g->node[a->node[i]].shape) * sizeof *dy);
    }
}

double mr_activity_loss(const mr_activity *a, const mr_graph *g, mr_plan *p, mr_team *team, int batch,
                        bool gradients)
{
    double loss = 0;
    if (gradients)
        clear_gradients(a, g, p, batch);
    for (int i = 0; i < a->terms; i++) {
        size_t count = (size_t)batch * mr_shape_sample(&g->node[a->node[i]].shape);
        mr_real *dy = gradients ? mr_plan_output_gradient(p, g->outputs + i) : NULL;
        loss += term_loss(a, i, mr_plan_output(p, g->outputs + i), dy, count, team);
    }
    return loss;
}
