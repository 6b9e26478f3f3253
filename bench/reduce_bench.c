/* SPDX-License-Identifier: Apache-2.0 */
/* How much of adding up the gradients backward hides. Under mpirun each rank trains a network on random
 * images; a step's time in four ways, in alternation: `compute` (nothing is added up), `sums` (nothing is
 * computed), `after` (all is added up when backward is done), `during` (pipeline/ranks/reducer.h: buckets start
 * within backward). reduce_bench [-a ARCHITECTURE] [-s SIZE OF IMAGES] [-b IMAGES OF EACH RANK] [-j THREADS]
 * [-n STEPS] [-y] reduce_bench -z Without -a: the tutorial's network. -y: statistics go over all ranks. -z:
 * sums of 1 KB to 16 MB instead. */
#include "io/model_file/model_file.h"
#include "nn/arch/arch.h"
#include "nn/learn/loss.h"
#include "nn/plan/plan.h"
#include "pipeline/ranks/reducer.h"
#include "pipeline/queue/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_STEPS = 1000, WARM_UP = 2, WAYS = 4 };

struct bench {
    const char *arch;
    int size, batch, threads, steps; /* size 0: the architecture's own */
    bool sync, sizes;
    mr_ranks *ranks;
    mr_model *model;
    mr_team *team;
    mr_reducer *reducer;
    mr_plan *alone, *shared; /* without and with peers */
    mr_loss loss;
    float *x, *target;
    double *scratch;
};

static int make_plan(mr_plan **out, struct bench *b, const mr_peers *peers, mr_error *e)
{
    mr_plan_options o = {.kind = MR_PLAN_TRAINING, .batch = b->batch, .peers = peers};
    return mr_plan_create(out, b->model->graph, b->team, o, e);
}

static int fill(struct bench *b, mr_error *e)
{
    const mr_graph *g = b->model->graph;
    const mr_shape *out = &g->node[g->output[0]].shape;
    size_t classes = mr_shape_sample(out), batch = (size_t)b->batch;
    size_t count = batch * mr_shape_sample(&g->node[g->input[0]].shape);
    b->loss = (mr_loss){.class = mr_loss_class_find("categorical_crossentropy")};
    b->x = mr_state_alloc(count);
    b->target = calloc(batch * classes, sizeof *b->target);
    b->scratch = calloc(classes, sizeof *b->scratch);
    if (!b->x || !b->target || !b->scratch)
        return mr_no_memory(e, "a batch");
    for (size_t i = 0; i < count; i++)
        b->x[i] = (float)rand() / (float)RAND_MAX;
    for (size_t i = 0; i < batch; i++)
        b->target[i * classes + i % classes] = 1;
    return 0;
}

static int set_up(struct bench *b, mr_error *e)
{
    mr_arch_options o = mr_arch_options_default();
    const mr_arch *arch = mr_arch_find(b->arch);
    int status = arch ? 0 : mr_fail(e, MR_EUSAGE, "there is no architecture '%s'", b->arch);
    if (!status)
        o.height = o.width = b->size ? b->size : arch->default_size;
    json_t *config = status ? NULL : arch->config(&o, e);
    if (!config)
        return e->code;
    status = mr_model_from_config(&b->model, config, e);
    if (!status)
        status = mr_graph_initialize(b->model->graph, 1, e);
    if (!status)
        status = mr_team_create(&b->team, b->threads ? b->threads : mr_ranks_processors(b->ranks), e);
    if (!status)
        status = mr_reducer_create(&b->reducer, b->ranks, b->model->graph, b->sync, e);
    if (!status)
        status = make_plan(&b->alone, b, NULL, e);
    if (!status)
        status = make_plan(&b->shared, b, mr_reducer_peers(b->reducer), e);
    return status ? status : fill(b, e);
}

static void compute(struct bench *b, mr_plan *p, bool reduces)
{
    const mr_graph *g = b->model->graph;
    const mr_real *x = b->x;
    mr_plan_forward(p, &x, b->batch, 0);
    mr_loss_batch(&b->loss, &g->node[g->output[0]].shape, b->batch, b->target, mr_plan_output(p, 0), NULL,
                  b->scratch, mr_plan_output_gradient(p, 0));
    if (reduces)
        mr_reducer_begin(b->reducer, mr_plan_gradients(p));
    mr_plan_backward(p);
}

static void sum_all(struct bench *b)
{
    mr_ranks_start_sum(b->ranks, mr_plan_gradients(b->alone), b->model->graph->weights);
    mr_ranks_finish_sums(b->ranks);
}

static void only_compute(struct bench *b)
{
    compute(b, b->alone, false);
}
static void only_sums(struct bench *b)
{
    sum_all(b);
}
static void sums_after(struct bench *b)
{
    compute(b, b->alone, false);
    sum_all(b);
}
static void sums_during(struct bench *b)
{
    compute(b, b->shared, true);
    mr_reducer_finish(b->reducer);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const struct way {
    const char *name;
    void (*step)(struct bench *);
} ways[WAYS] = {
    {"compute", only_compute}, {"sums", only_sums}, {"after", sums_after}, {"during", sums_during}};

/* All ranks begin at once: seconds of this one. */
static double timed(struct bench *b, const struct way *w)
{
    double together = 0;
    mr_ranks_sum(b->ranks, &together, 1);
    double start = mr_now();
    w->step(b);
    return mr_now() - start;
}

static double print_quartiles(const char *name, double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, by_value);
    printf("%-8s median %9.3f ms (quartiles %.3f %.3f, n=%d)\n", name, 1e3 * seconds[n / 2],
           1e3 * seconds[n / 4], 1e3 * seconds[3 * n / 4], n);
    return seconds[n / 2];
}

static void measure_steps(struct bench *b)
{
    static double time[WAYS][MOST_STEPS], saved[MOST_STEPS];
    double median[WAYS];
    bool first = mr_ranks_rank(b->ranks) == 0;
    if (first)
        printf("%s, %d ranks, %d images each, %.1f MB of gradients\n", b->arch, mr_ranks_count(b->ranks),
               b->batch, (double)b->model->graph->weights * sizeof(float) / 1e6);
    for (int i = -WARM_UP; i < b->steps; i++)
        for (int k = 0; k < WAYS; k++) {
            int w = (k + i + WARM_UP) % WAYS;
            double seconds = timed(b, &ways[w]);
            if (i >= 0)
                time[w][i] = seconds;
        }
    mr_reducer_times t = mr_reducer_times_of(b->reducer);
    if (!first)
        return;
    for (int i = 0; i < b->steps; i++)
        saved[i] = time[2][i] - time[3][i];
    for (int w = 0; w < WAYS; w++)
        median[w] = print_quartiles(ways[w].name, time[w], b->steps);
    double hidden = print_quartiles("saved", saved, b->steps);
    printf("hidden: %.0f%% of the sums' time; %.1f buckets a step; waited %.2f ms a step\n",
           100 * hidden / median[1], (double)t.buckets / (double)t.steps, 1e3 * t.waited / (double)t.steps);
}

/* Rounds over all sizes in turn; medians. */
static int measure_sizes(struct bench *b, mr_error *e)
{
    enum { SIZES = 8, LARGEST = 1 << 22 };
    static double time[SIZES][MOST_STEPS];
    mr_real *values = mr_state_alloc(LARGEST);
    double together = 0;
    if (!values)
        return mr_no_memory(e, "the values");
    for (int i = -WARM_UP; i < b->steps; i++)
        for (int s = 0; s < SIZES; s++) {
            mr_ranks_sum(b->ranks, &together, 1);
            double start = mr_now();
            mr_ranks_start_sum(b->ranks, values, (size_t)LARGEST >> 2 * (SIZES - 1 - s));
            mr_ranks_finish_sums(b->ranks);
            if (i >= 0)
                time[s][i] = mr_now() - start;
        }
    for (int s = 0; s < SIZES && mr_ranks_rank(b->ranks) == 0; s++) {
        qsort(time[s], (size_t)b->steps, sizeof **time, by_value);
        printf("sum ranks=%d bytes=%zu seconds=%.6f\n", mr_ranks_count(b->ranks),
               ((size_t)LARGEST >> 2 * (SIZES - 1 - s)) * sizeof *values, time[s][b->steps / 2]);
    }
    mr_state_free(values);
    return 0;
}

static int run(struct bench *b, mr_error *e)
{
    int status = mr_ranks_join(&b->ranks, e);
    if (!status && b->sizes)
        return measure_sizes(b, e);
    if (!status)
        status = set_up(b, e);
    if (!status)
        measure_steps(b);
    return status;
}

int main(int argc, char **argv)
{
    struct bench b = {.arch = "resnet", .batch = 16, .steps = 20};
    mr_error e = {0};
    int option;
    while ((option = getopt(argc, argv, "a:s:b:j:n:yz")) != -1)
        if (option == 'a')
            b.arch = optarg;
        else if (option == 's')
            b.size = atoi(optarg);
        else if (option == 'z')
            b.sizes = true;
        else if (option == 'b')
            b.batch = atoi(optarg);
        else if (option == 'j')
            b.threads = atoi(optarg);
        else if (option == 'n')
            b.steps = atoi(optarg) < MOST_STEPS ? atoi(optarg) : MOST_STEPS;
        else if (option == 'y')
            b.sync = true;
        else
            return 2;
    int status = run(&b, &e);
    if (status)
        fprintf(stderr, "reduce_bench: %s\n", e.message);
    mr_plan_free(b.alone);
    mr_plan_free(b.shared);
    mr_reducer_free(b.reducer);
    mr_team_destroy(b.team);
    mr_model_free(b.model);
    mr_state_free(b.x);
    free(b.target);
    free(b.scratch);
    if (status)
        mr_ranks_abort(b.ranks, 1);
    mr_ranks_leave(b.ranks);
    return status ? 1 : 0;
}
