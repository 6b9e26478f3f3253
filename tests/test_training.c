/* SPDX-License-Identifier: Apache-2.0 */
/* Training against real Keras: every case of golden/training and golden/tutorial_resnet, step by step. A case is a compiled
 * model, fixed batches with the loss that Keras had in each step, and the model after the last one. */
#include "tests/files.h"

#include "pipeline/trainer/trainer.h"

#include <dirent.h>
#include <math.h>

enum { BATCH = 8 };

struct run {
    mr_model *model, *end;
    mr_team *team;
    mr_trainer *trainer;
    mr_array x, y, loss;
    double class_weight[16];
};

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static void open_trainer(struct run *r, const char *model, int batch, bool weighted)
{
    mr_error e = {0};
    must(mr_model_load(&r->model, model, &e), &e);
    r->class_weight[0] = 1;
    r->class_weight[1] = 3;
    r->class_weight[2] = .5;
    mr_trainer_options o = {.batch_size = batch, .optimizer = json_object_get(r->model->training, "optimizer_config"),
                            .loss = json_object_get(r->model->training, "loss"), .class_weight = weighted ? r->class_weight : NULL,
                            .classes = 3};
    must(mr_trainer_create(&r->trainer, r->model, r->team, &o, &e), &e);
    assert_true(r->trainer->restored || r->trainer->optimizer->slots == 0);
}

static void close_trainer(struct run *r)
{
    mr_trainer_free(r->trainer);
    mr_model_free(r->model);
}

static void open_run(struct run *r, const char *dir, int batch, bool weighted)
{
    char path[1024];
    mr_error e = {0};
    must(mr_team_create(&r->team, 2, &e), &e);
    snprintf(path, sizeof path, "%s/start.h5", dir);
    open_trainer(r, path, batch, weighted);
    snprintf(path, sizeof path, "%s/end.h5", dir);
    must(mr_model_load(&r->end, path, &e), &e);
    snprintf(path, sizeof path, "%s/data.h5", dir);
    must(mr_array_read(&r->x, path, "x", &e), &e);
    must(mr_array_read(&r->y, path, "y", &e), &e);
    must(mr_array_read(&r->loss, path, "loss", &e), &e);
}

static void close_run(struct run *r)
{
    close_trainer(r);
    mr_team_destroy(r->team);
    mr_model_free(r->end);
    mr_array_free(&r->x);
    mr_array_free(&r->y);
    mr_array_free(&r->loss);
}

/* One pass over the data; where TOLERANCE is above 0 each step's loss is held against Keras's. */
static void train(struct run *r, const char *name, int batch, double tolerance)
{
    mr_feed *feed;
    mr_examples ex;
    mr_error e = {0};
    mr_sums sums = {0};
    int step = 0, status;
    must(mr_feed_arrays(&feed, &r->x, 1, &r->y, batch, 1 / 255., 0, (mr_feed_order){.last_epoch = 1}, &e), &e);
    while ((status = mr_feed_next(feed, &ex, &e)) > 0) {
        double loss, expected = (double)r->loss.f32[step++];
        must(mr_trainer_step(r->trainer, &ex, r->model->graph->state, &sums, &loss, &e), &e);
        if (tolerance > 0 && !(fabs(loss - expected) <= tolerance * fabs(expected)))
            fail_msg("%s: the loss of step %d is %.7g, Keras has %.7g", name, step, loss, expected);
    }
    must(status, &e);
    assert_int_equal(step, r->loss.shape.dim[0]);
    mr_feed_close(feed);
}

/* Biases in front of a BatchNormalization: their gradient is rounding alone. */
static bool ill_conditioned(const char *name, const mr_param *p)
{
    return strcmp(name, "tutorial_resnet") && !strcmp(p->kind, "bias") && !strcmp(p->layer->name, "conv2d_1");
}

static double difference(const mr_real *a, const mr_real *b, size_t n)
{
    double most = 0, size = 1e-30;
    for (size_t i = 0; i < n; i++) {
        most = fabs((double)a[i] - (double)b[i]) > most ? fabs((double)a[i] - (double)b[i]) : most;
        size = fabs((double)b[i]) > size ? fabs((double)b[i]) : size;
    }
    return most / size;
}

/* BETA: tolerance for the offsets of BatchNormalizations. */
static void compare_weights(const struct run *r, const char *name, double tolerance, double beta)
{
    const mr_graph *a = r->model->graph, *b = r->end->graph;
    assert_int_equal(a->params, b->params);
    for (int i = 0; i < a->params; i++) {
        double d = difference(mr_param_value(a, a->param[i]), mr_param_value(b, b->param[i]), a->param[i]->count);
        if (d > (strcmp(a->param[i]->kind, "beta") ? tolerance : beta) && !ill_conditioned(name, a->param[i]))
            fail_msg("%s: %s/%s differs by %.2g of its largest", name, a->param[i]->layer->name, a->param[i]->kind, d);
    }
}

static void compare_slots(const struct run *r, const char *name, double tolerance)
{
    const mr_optimizer *o = r->trainer->optimizer;
    assert_int_equal(o->slots, r->end->slots);
    assert_int_equal(o->iterations, r->end->iterations);
    for (int i = 0; i < o->slots; i++) {
        const mr_slot *a = &o->slot[i];
        for (int k = 0; k < r->end->slots; k++) {
            const mr_slot *b = &r->end->slot[k];
            bool same = !strcmp(a->name, b->name) && !a->param == !b->param &&
                        (!a->param || (!strcmp(a->param->kind, b->param->kind) && !strcmp(a->param->layer->name, b->param->layer->name)));
            if (!same || (a->param && ill_conditioned(name, a->param)))
                continue;
            double d = difference(r->model->graph->state + a->offset, r->end->graph->state + b->offset, a->param ? a->param->count : 1);
            if (d > tolerance)
                fail_msg("%s: slot %s of %s/%s differs by %.2g of its largest", name, a->name, a->param ? a->param->layer->name : "",
                         a->param ? a->param->kind : "", d);
        }
    }
}

static bool adaptive(const char *name)
{
    return strstr(name, "ada") || strstr(name, "rmsprop") || strstr(name, "binary_one");
}

/* The thread sanitizer sees the same threads in each of them. */
#ifdef __SANITIZE_THREAD__
enum { EACH = 4 };
#else
enum { EACH = 1 };
#endif

/* Calls ONE for each case: NAME, and the folder DIR of its files. */
static void for_every_case(void (*one)(const char *name, const char *dir))
{
    const char *root = shared_or_skip("golden/training");
    DIR *d = opendir(root);
    struct dirent *entry;
    int cases = 0;
    assert_non_null(d);
    while ((entry = readdir(d))) {
        char dir[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(dir, sizeof dir, "%s/%s", root, entry->d_name);
        if (cases++ % EACH == 0)
            one(entry->d_name, dir);
    }
    closedir(d);
    assert_true(cases >= 24);
}

static void as_keras(const char *name, const char *dir)
{
    struct run r = {0};
    open_run(&r, dir, BATCH, !strcmp(name, "class_weight"));
    train(&r, name, BATCH, 1e-4);
    double tolerance = adaptive(name) ? 1e-3 : 1e-4;
    compare_weights(&r, name, tolerance, tolerance);
    compare_slots(&r, name, tolerance);
    close_run(&r);
}

static void every_case(void **state)
{
    (void)state;
    for_every_case(as_keras);
}

/* --- going on from a file -------------------------------------------------------------------------------- */

static void save(struct run *r, const char *path)
{
    mr_error e = {0};
    must(mr_trainer_store(r->trainer, &e), &e);
    must(mr_model_save(r->model, path, NULL, &e), &e);
}

static void assert_same_state(const struct run *a, const struct run *b, const char *name)
{
    const mr_graph *g = a->model->graph, *h = b->model->graph;
    const mr_optimizer *o = a->trainer->optimizer, *p = b->trainer->optimizer;
    assert_int_equal(o->iterations, p->iterations);
    assert_int_equal(o->slots, p->slots);
    for (int i = 0; i < g->params; i++)
        if (memcmp(mr_param_value(g, g->param[i]), mr_param_value(h, h->param[i]), g->param[i]->count * sizeof(mr_real)) != 0)
            fail_msg("%s: %s/%s is not the same", name, g->param[i]->layer->name, g->param[i]->kind);
    for (int i = 0; i < o->slots; i++) {
        size_t count = o->slot[i].param ? o->slot[i].param->count : 1;
        assert_string_equal(o->slot[i].name, p->slot[i].name);
        if (memcmp(g->state + o->slot[i].offset, h->state + p->slot[i].offset, count * sizeof(mr_real)) != 0)
            fail_msg("%s: slot %d (%s) is not the same", name, i, o->slot[i].name);
    }
}

/* Two passes on end; a pass, a file written and read, another pass: the same bits, whichever kind of file. */
static void goes_on(const char *name, const char *dir)
{
    static const char *const files[] = {"half.h5", "half.keras"};
    struct run whole = {0};
    const char *folder = temporary_folder();
    bool weighted = !strcmp(name, "class_weight");
    open_run(&whole, dir, BATCH, weighted);
    train(&whole, name, BATCH, 0);
    for (int i = 0; i < 2; i++)
        save(&whole, below(folder, files[i]));
    train(&whole, name, BATCH, 0);
    for (int i = 0; i < 2; i++) {
        struct run half = whole;
        open_trainer(&half, below(folder, files[i]), BATCH, weighted);
        train(&half, name, BATCH, 0);
        assert_same_state(&whole, &half, name);
        close_trainer(&half);
    }
    remove_folder(folder);
    close_run(&whole);
}

static void continuing_equals_not_having_stopped(void **state)
{
    (void)state;
    for_every_case(goes_on);
}

/* The same from Keras's own end.h5: close to what our own steps lead to. */
static void goes_on_from_keras(const char *name, const char *dir)
{
    struct run own = {0}, keras = {0};
    char path[1100];
    open_run(&own, dir, BATCH, !strcmp(name, "class_weight"));
    train(&own, name, BATCH, 0);
    train(&own, name, BATCH, 0);
    keras = own;
    snprintf(path, sizeof path, "%s/end.h5", dir);
    open_trainer(&keras, path, BATCH, !strcmp(name, "class_weight"));
    train(&keras, name, BATCH, 0);
    assert_int_equal(own.trainer->optimizer->iterations, keras.trainer->optimizer->iterations);
    mr_model *end = own.end;
    own.end = keras.model;
    compare_weights(&own, name, 5e-3, 5e-3);
    own.end = end;
    close_trainer(&keras);
    close_run(&own);
}

static void continuing_what_keras_began(void **state)
{
    (void)state;
    for_every_case(goes_on_from_keras);
}

/* The betas of this network, zero at the start and 1e-5 … 1e-4 after the four steps, are ill-conditioned: the same steps in
 * double (libnn_double), our float32 and Keras's float32 are 2e-2 … 1.2e-1 of the largest apart from one another, each from
 * each. All other weights agree to 1e-4. */
static void tutorial_resnet(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its threads do what those of the cases above do; it is here for its numbers */
#endif
    struct run r = {0};
    open_run(&r, shared_or_skip("golden/tutorial_resnet"), 32, false);
    train(&r, "tutorial_resnet", 32, 2e-4);
    compare_weights(&r, "tutorial_resnet", 1e-3, .2);
    close_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(continuing_equals_not_having_stopped),
        cmocka_unit_test(continuing_what_keras_began),
        cmocka_unit_test(tutorial_resnet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
