/* SPDX-License-Identifier: Apache-2.0 */
/* Images per second of the network alone, from memory: no files, no decoding.
 *   compute_bench train|infer|train-bf16|infer-bf16 [ARCH [SIZE [BATCH [THREADS [SECONDS]]]]]
 * Prints one line: what it was, and the median over rounds. */
#include "nn/arch/arch.h"
#include "nn/learn/loss.h"
#include "nn/learn/optimizer.h"
#include "nn/plan/plan.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROUNDS = 1000 };

struct bench {
    mr_graph *graph;
    mr_team *team;
    mr_plan *plan;
    mr_optimizer *optimizer;
    mr_loss loss;
    float *x, *target;
    double *scratch;
    int batch, classes;
    bool train, mixed;
};

/* Seconds; with BENCH_CLOCK=core of the process's core time, for machines that others use, too. */
static double now(void)
{
    static const char *clock;
    struct timespec t;
    if (!clock)
        clock = getenv("BENCH_CLOCK") ? getenv("BENCH_CLOCK") : "";
    clock_gettime(strcmp(clock, "core") ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What other processes take does not count. */
static double processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int status, const mr_error *e)
{
    if (status == 0)
        return;
    fprintf(stderr, "compute_bench: %s\n", e->message);
    exit(1);
}

static void make_network(struct bench *b, const char *arch, int size, int threads)
{
    mr_error e = {0};
    mr_arch_options o = mr_arch_options_default();
    const mr_arch *row = mr_arch_find(arch);
    o.height = o.width = size;
    o.classes = b->classes;
    json_t *config = row ? row->config(&o, &e) : NULL;
    must(config ? 0 : mr_fail(&e, MR_EINVAL, "no architecture '%s'", arch), &e);
    must(mr_graph_create(&b->graph, config, NULL, &e), &e);
    must(mr_graph_initialize(b->graph, 1, &e), &e);
    must(mr_team_create(&b->team, threads, &e), &e);
    b->graph->mixed = b->mixed;
    mr_plan_options p = {.kind = b->train ? MR_PLAN_TRAINING : MR_PLAN_INFERENCE,
                         .batch = b->batch,
                         .constant_weights = !b->train};
    must(mr_plan_create(&b->plan, b->graph, b->team, p, &e), &e);
    json_decref(config);
}

static void make_training(struct bench *b)
{
    mr_error e = {0};
    json_t *optimizer =
        json_pack("{s:s, s:{s:f, s:f}}", "class_name", "SGD", "config", "learning_rate", .01, "momentum", .9);
    json_t *loss = json_string("categorical_crossentropy");
    must(mr_optimizer_create(&b->optimizer, optimizer, &e), &e);
    must(mr_optimizer_attach(b->optimizer, b->graph, NULL, 0, NULL, &e), &e);
    must(mr_loss_configure(&b->loss, loss, &e), &e);
    json_decref(optimizer);
    json_decref(loss);
}

static void make_data(struct bench *b)
{
    mr_philox g;
    size_t n = (size_t)b->batch * mr_shape_sample(&b->graph->node[b->graph->input[0]].shape);
    mr_philox_init(&g, 1, MR_DRAW_TEST, 0, 0);
    b->x = malloc(n * sizeof *b->x);
    b->target = calloc((size_t)b->batch * (size_t)b->classes, sizeof *b->target);
    b->scratch = calloc((size_t)b->classes, sizeof *b->scratch);
    for (size_t i = 0; i < n; i++)
        b->x[i] = (float)mr_philox_double(&g);
    for (int i = 0; i < b->batch; i++)
        b->target[i * b->classes + i % b->classes] = 1;
}

static void step(struct bench *b, uint64_t k)
{
    const float *x[] = {b->x};
    mr_plan_forward(b->plan, x, b->batch, k);
    if (!b->train)
        return;
    mr_loss_batch(&b->loss, &b->graph->node[b->graph->output[0]].shape, b->batch, b->target,
                  mr_plan_output(b->plan, 0), NULL, b->scratch, mr_plan_output_gradient(b->plan, 0));
    mr_plan_backward(b->plan);
    mr_optimizer_step(b->optimizer, b->graph, b->team, mr_plan_gradients(b->plan), b->graph->state);
    mr_plan_update_statistics(b->plan, b->graph->state);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *rate, int rounds)
{
    qsort(rate, (size_t)rounds, sizeof *rate, ascending);
    return rate[rounds / 2];
}

/* Images per second, and through *PER_CORE per second of processor time. */
static double measure(struct bench *b, double seconds, double *per_core)
{
    static double rate[MOST_ROUNDS], cost[MOST_ROUNDS];
    int rounds = 0;
    uint64_t k = 0;
    while (k < 4)
        step(b, k++);
    for (double end = now() + seconds; (now() < end || rounds < 3) && rounds < MOST_ROUNDS; rounds++) {
        double start = now(), used = processor_time();
        for (int i = 0; i < 3; i++)
            step(b, k++);
        rate[rounds] = 3 * b->batch / (now() - start);
        cost[rounds] = 3 * b->batch / (processor_time() - used);
    }
    *per_core = median(cost, rounds);
    return median(rate, rounds);
}

int main(int argc, char **argv)
{
    const char *arch = argc > 2 ? argv[2] : "resnet";
    int size = argc > 3 ? atoi(argv[3]) : 64, threads = argc > 5 ? atoi(argv[5]) : mr_processors();
    struct bench b = {.train = argc > 1 && !strncmp(argv[1], "train", 5),
                      .mixed = argc > 1 && strstr(argv[1], "-bf16"),
                      .batch = argc > 4 ? atoi(argv[4]) : 32,
                      .classes = !strcmp(arch, "resnet") ? 2 : 1000};
    make_network(&b, arch, size, threads);
    if (b.train)
        make_training(&b);
    make_data(&b);
    double per_core, rate = measure(&b, argc > 6 ? atof(argv[6]) : 6, &per_core);
    printf("%.1f images/s, %.1f a core's second, %s %s at %dx%d, batch %d, %d threads, %zu MiB of activations\n",
           rate, per_core, argv[1], arch, size, size, b.batch,
           threads, mr_plan_memory(b.plan) >> 20);
    free(b.x);
    free(b.target);
    free(b.scratch);
    mr_optimizer_free(b.optimizer);
    mr_plan_free(b.plan);
    mr_team_destroy(b.team);
    mr_graph_free(b.graph);
    return 0;
}
