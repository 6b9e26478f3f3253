/* SPDX-License-Identifier: Apache-2.0 */
/* A graph's life and its state. How it is made from a configuration: nn/graph/graph_build.c. */
#include "nn/graph/graph.h"

#include "nn/graph/initializer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STATE_ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

mr_real *mr_state_alloc(size_t reals)
{
    size_t bytes = (reals ? reals : 1) * sizeof(mr_real);
    size_t alignment = bytes >= (size_t)4 * HUGE_PAGE ? HUGE_PAGE : STATE_ALIGNMENT;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, bytes);
    if (p && alignment == HUGE_PAGE)
        madvise(p, bytes,
                MADV_HUGEPAGE); /* large states are walked end to end by every update: fewer TLB misses */
    return p;
}

void mr_state_free(mr_real *state)
{
    free(state);
}

static void layer_free(mr_layer *l)
{
    if (!l)
        return;
    if (l->class && l->class->destroy && l->impl)
        l->class->destroy(l);
    free(l->impl);
    json_decref(l->config);
    free(l->name);
    free(l);
}

void mr_graph_free(mr_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->nodes; i++)
        free(g->node[i].input);
    free(g->node);
    for (int i = 0; i < g->layers; i++)
        layer_free(g->layer[i]);
    free(g->layer);
    free(g->input);
    free(g->output);
    free(g->param);
    free(g->name);
    mr_state_free(g->state);
    mr_tree_free(g->tree);
    json_decref(g->index);
    json_decref(g->config);
    free(g);
}

int mr_graph_initialize_layer(mr_graph *g, const mr_layer *l, uint64_t seed, mr_error *e)
{
    int status = 0;
    for (int k = 0; k < l->params && !status; k++) {
        const mr_param *p = &l->param[k];
        mr_philox random;
        mr_philox_init(&random, seed, MR_DRAW_INITIALIZE, (uint32_t)l->number, (uint64_t)k);
        status = mr_initialize(p, &random, mr_param_value(g, p), e);
    }
    return status;
}

int mr_graph_initialize(mr_graph *g, uint64_t seed, mr_error *e)
{
    int status = 0;
    g->seed = seed;
    for (int i = 0; i < g->layers && !status; i++)
        status = mr_graph_initialize_layer(g, g->layer[i], seed, e);
    return status;
}

int mr_graph_extend_state(mr_graph *g, size_t count, size_t *offset, mr_error *e)
{
    size_t padded = (count + 15) / 16 * 16;
    mr_real *larger = mr_state_alloc(g->state_size + padded);
    if (!larger)
        return mr_no_memory(e, "%zu numbers of optimizer state", count);
    memcpy(larger, g->state, g->state_size * sizeof *larger);
    memset(larger + g->state_size, 0, padded * sizeof *larger);
    mr_state_free(g->state);
    g->state = larger;
    *offset = g->state_size;
    g->state_size += padded;
    return 0;
}

mr_layer *mr_graph_layer(const mr_graph *g, const char *name)
{
    const json_t *number = json_object_get(g->index, name);
    return number ? g->layer[json_integer_value(number)] : NULL;
}

void mr_layer_set_trainable(mr_layer *l, bool trainable)
{
    l->trainable = trainable;
    for (int i = 0; i < l->params; i++)
        l->param[i].trainable = trainable && !l->param[i].statistic;
}

int mr_graph_set_mixed(mr_graph *g, bool mixed, mr_error *e)
{
    json_t *config = json_object_get(g->config, "config");
    if (mixed && json_object_set_new(config, "dtype", json_string("mixed_bfloat16")))
        return mr_no_memory(e, "a model's graph");
    if (!mixed)
        json_object_del(config, "dtype");
    g->mixed = mixed;
    return 0;
}

const char *mr_graph_policy(const mr_graph *g, const mr_layer *l)
{
    for (int i = 0; i < g->outputs; i++)
        if (g->node[g->output[i]].layer == l)
            return "float32";
    return g->mixed ? "mixed_bfloat16" : "float32";
}
