/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/fine_tune.h"

#include "pipeline/train/fine_tune.h"

static int new_head(mr_model *m, const mr_cli *c, int classes, mr_layer **head, mr_error *e)
{
    if (!c->new_head)
        return 0;
    return mr_fine_tune_new_head(m, classes, (uint64_t)c->seed, head, e);
}

static int each(mr_graph *g, const mr_list *patterns, bool trainable, const mr_layer *keep, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < patterns->count && !status; i++)
        status = mr_fine_tune_set_trainable(g, patterns->item[i], trainable, keep, e);
    return status;
}

int mr_cli_fine_tune(mr_model *m, const mr_cli *c, int classes, mr_error *e)
{
    mr_layer *head = NULL;
    int status = new_head(m, c, classes, &head, e);
    if (!status)
        status = each(m->graph, &c->unfreeze, true, NULL, e);
    if (!status)
        status = each(m->graph, &c->freeze, false, head, e);
    if (!status && c->freeze_until)
        status = mr_fine_tune_freeze_until(m->graph, c->freeze_until, e);
    return status;
}
