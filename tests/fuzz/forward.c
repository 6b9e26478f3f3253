/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include "nn/plan/plan.h"

#include <stdlib.h>

/* Activations and weights of a network that is worth running here: a fuzzer wants thousands of runs a second.
 */
enum { MAX_NUMBERS = 1 << 16, MEMORY = 64 << 20 };

static size_t numbers_of(const mr_graph *g)
{
    size_t sum = g->weights;
    for (int i = 0; i < g->nodes && sum < MAX_NUMBERS; i++)
        sum += mr_shape_sample(&g->node[i].shape);
    return sum;
}

static mr_team *team(void)
{
    static mr_team *t;
    mr_error e = {0};
    if (!t && mr_team_create(&t, 1, &e))
        fuzz_fail("no team");
    return t;
}

static void run(mr_plan *p, const mr_graph *g)
{
    const mr_real **x = calloc((size_t)g->inputs + 1, sizeof *x);
    mr_real **block = calloc((size_t)g->inputs + 1, sizeof *block);
    for (int i = 0; x && block && i < g->inputs; i++)
        x[i] = block[i] = calloc(mr_shape_sample(&g->node[g->input[i]].shape), sizeof **block);
    mr_plan_forward(p, x, 1, 0);
    for (int i = 0; i < g->inputs; i++)
        free(block[i]);
    free(block);
    free(x);
}

void fuzz_forward(mr_graph *g)
{
    mr_plan *p = NULL;
    mr_error e = {0};
    if (numbers_of(g) >= MAX_NUMBERS)
        return;
    int status = mr_plan_create(
        &p, g, team(), (mr_plan_options){.kind = MR_PLAN_INFERENCE, .batch = 1, .memory_limit = MEMORY}, &e);
    fuzz_judge(status, &e);
    if (!status)
        run(p, g);
    mr_plan_free(p);
}
