/* SPDX-License-Identifier: Apache-2.0 */
/* Images a second of a whole network from memory, compute only: training steps (forward, loss, backward, SGD
 * with momentum, regularizers) or inference. The weights are drawn; the images are random. network_bench [-i]
 * [-p] [-b BATCH] [-j THREADS] [-s SECONDS] [-m MODEL FILE | -c ARCHITECTURE.json] -i: inference; -p: the
 * plain plan, layer by layer. Without a model: the built-in resnet (the tutorial's). */
#include "io/model_file/model_file.h"
#include "nn/arch/arch.h"
#include "nn/learn/loss.h"
#include "nn/learn/optimizer.h"
#include "nn/plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct bench {
    bool inference;
    mr_plan_options options;
    int threads;
    double seconds;
    const char *model_file, *json_file;
    mr_model *model;
    mr_team *team;
    mr_plan *plan;
    mr_optimizer *optimizer;
    mr_loss loss;
    float *x, *target, *spare;
    double *scratch;
};

static int open_model(struct bench *b, mr_error *e)
{
    if (b->model_file)
        return mr_model_load(&b->model, b->model_file, e);
    if (b->json_file)
        return mr_model_from_json_file(&b->model, b->json_file, e);
    mr_arch_options o = mr_arch_options_default();
    json_t *config = mr_arch_find("resnet")->config(&o, e);
    return config ? mr_model_from_config(&b->model, config, e) : e->code;
}

static int set_up_training(struct bench *b, mr_error *e)
{
    json_error_t ignored;
    json_t *sgd = json_loads(
        "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 0.001, \"momentum\": 0.9}}", 0, &ignored);
    mr_graph *g = b->model->graph;
    int status = mr_optimizer_create(&b->optimizer, sgd, e);
    json_decref(sgd);
    if (!status)
        status = mr_optimizer_attach(b->optimizer, g, NULL, 0, NULL, e);
    b->loss = (mr_loss){.class = mr_loss_class_find("categorical_crossentropy")};
    b->spare = mr_state_alloc(g->state_size);
    const mr_shape *out = &g->node[g->output[0]].shape;
    size_t classes = mr_shape_sample(out), count = (size_t)b->options.batch * classes;
    b->scratch = calloc((size_t)out->dim[out->rank - 1], sizeof *b->scratch);
    b->target = calloc(count, sizeof *b->target);
    for (size_t i = 0; i < (size_t)b->options.batch; i++)
        b->target[i * classes + i % classes] = 1;
    return status;
}

static int set_up(struct bench *b, mr_error *e)
{
    int status = open_model(b, e);
    if (!status)
        status = mr_graph_initialize(b->model->graph, 1, e);
    if (!status)
        status = mr_team_create(&b->team, b->threads, e);
    if (!status && !b->inference)
        status = set_up_training(b, e);
    b->options.kind = b->inference ? MR_PLAN_INFERENCE : MR_PLAN_TRAINING;
    b->options.constant_weights = b->inference;
    if (!status)
        status = mr_plan_create(&b->plan, b->model->graph, b->team, b->options, e);
    if (status)
        return status;
    const mr_graph *g = b->model->graph;
    size_t count = (size_t)b->options.batch * mr_shape_sample(&g->node[g->input[0]].shape);
    b->x = mr_state_alloc(count);
    for (size_t i = 0; i < count; i++)
        b->x[i] = (float)rand() / (float)RAND_MAX;
    return 0;
}

static double step(struct bench *b, uint64_t number)
{
    mr_graph *g = b->model->graph;
    const mr_real *x = b->x;
    mr_plan_forward(b->plan, &x, b->options.batch, number);
    if (b->inference)
        return (double)mr_plan_output(b->plan, 0)[0];
    double loss =
        mr_loss_batch(&b->loss, &g->node[g->output[0]].shape, b->options.batch, b->target,
                      mr_plan_output(b->plan, 0), NULL, b->scratch, mr_plan_output_gradient(b->plan, 0));
    mr_plan_backward(b->plan);
    mr_optimizer_step(b->optimizer, g, b->team, mr_plan_gradients(b->plan), b->spare);
    mr_plan_update_statistics(b->plan, b->spare);
    mr_real *old = g->state;
    g->state = b->spare;
    b->spare = old;
    return loss;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct bench *b)
{
    enum { MOST = 10000 };
    static double rate[MOST];
    int n = 0;
    uint64_t number = 0;
    double loss = 0;
    for (int i = 0; i < 3; i++)
        loss = step(b, number++);
    for (double begin = now(); n < MOST && (now() - begin < b->seconds || n < 3); n++) {
        double start = now();
        for (int k = 0; k < 2; k++)
            loss = step(b, number++);
        rate[n] = 2 * b->options.batch / (now() - start);
    }
    qsort(rate, (size_t)n, sizeof *rate, by_value);
    printf("%s%s batch %d, %d threads: median %.1f images/s (min %.1f max %.1f, n=%d), %zu MiB, %s %.6f\n",
           b->inference ? "inference" : "training", b->options.plain ? ", plain," : ",", b->options.batch,
           b->threads, rate[n / 2], rate[0], rate[n - 1], n, mr_plan_memory(b->plan) >> 20,
           b->inference ? "output" : "loss", loss);
}

int main(int argc, char **argv)
{
    struct bench b = {.threads = mr_processors(), .seconds = 4, .options.batch = 32};
    mr_error e = {0};
    int option;
    while ((option = getopt(argc, argv, "ipb:j:s:m:c:")) != -1)
        switch (option) {
        case 'i':
            b.inference = true;
            break;
        case 'p':
            b.options.plain = true;
            break;
        case 'b':
            b.options.batch = atoi(optarg);
            break;
        case 'j':
            b.threads = atoi(optarg);
            break;
        case 's':
            b.seconds = atof(optarg);
            break;
        case 'm':
            b.model_file = optarg;
            break;
        case 'c':
            b.json_file = optarg;
            break;
        default:
            return 2;
        }
    int status = set_up(&b, &e);
    if (status)
        fprintf(stderr, "network_bench: %s\n", e.message);
    else
        measure(&b);
    mr_plan_free(b.plan);
    mr_optimizer_free(b.optimizer);
    mr_team_destroy(b.team);
    mr_model_free(b.model);
    mr_state_free(b.x);
    mr_state_free(b.spare);
    free(b.target);
    free(b.scratch);
    return status ? 1 : 0;
}
