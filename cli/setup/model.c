/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/model.h"

#include "cli/option/names.h"
#include "io/hdf5/arrays.h"
#include "io/model_file/model_task.h"
#include "nn/learn/loss.h"

#include <stdlib.h>
#include <string.h>

static bool is_json(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && !strcmp(name + n - 5, ".json");
}

bool mr_cli_json_arch(const mr_cli *c)
{
    return c->arch && !mr_arch_find(c->arch) && is_json(c->arch);
}

const mr_arch *mr_cli_built_in(const mr_cli *c)
{
    return c->from ? NULL : mr_arch_find(c->arch ? c->arch : "resnet");
}

mr_arch_training mr_cli_arch_training(const mr_cli *c)
{
    const mr_arch *arch = mr_cli_built_in(c);
    if (c->new_head)
        return (mr_arch_training){.optimizer = "adam", .learning_rate = .001};
    return (arch ? arch : mr_arch_find("resnet"))->training;
}

/* --- architectures ------------------------------------------------------------ */

static int arch_options(mr_arch_options *o, const mr_cli *c, const mr_preprocess *pre, int classes,
                        mr_error *e)
{
    *o = mr_arch_options_default();
    o->height = pre->height;
    o->width = pre->width;
    o->channels = (int)pre->color_mode;
    o->classes = classes;
    o->regularization = c->regularization;
    o->alpha = c->alpha;
    o->dropout = c->dropout;
    o->stages_given = c->stages != NULL;
    o->filters_given = c->filters != NULL;
    int status =
        c->stages ? mr_parse_ints("stages", c->stages, 1, 1000, o->stages, MR_ARCH_LIST, &o->stage_count, e)
                  : 0;
    if (!status && c->filters)
        status =
            mr_parse_ints("filters", c->filters, 1, 65536, o->filters, MR_ARCH_LIST, &o->filter_count, e);
    return status;
}

static int from_builtin(mr_model **out, const mr_arch *arch, const mr_cli *c, const mr_preprocess *pre,
                        int classes, mr_error *e)
{
    mr_arch_options o;
    int status = arch_options(&o, c, pre, classes, e);
    if (status)
        return status;
    json_t *config = arch->config(&o, e);
    if (!config && e->code == MR_EINVAL) /* its options cannot be meant */
        return e->code = MR_EUSAGE;
    if (!config)
        return e->code ? e->code : mr_no_memory(e, "the architecture");
    return mr_model_from_config(out, config, e);
}

/* What the input will be, for models that leave sizes open (fully convolutional ones): the arrays' shape or
 * --image-size; rank 0 where neither says it. */
static int expected_input(mr_shape *out, const mr_cli *c, mr_error *e)
{
    *out = (mr_shape){0};
    if (c->arrays) {
        bool numbered = false;
        bool predicts = !strcmp(c->command, "predict");
        int status = predicts ? 0 : mr_array_exists(&numbered, c->arrays, "input_0", e);
        return status ? status : mr_array_shape(out, c->arrays, predicts || numbered ? "input_0" : "x", e);
    }
    if (!c->image_size)
        return 0;
    int height, width, status = mr_parse_size("image-size", c->image_size, &height, &width, e);
    bool gray = c->color_mode && mr_color_mode_by_name(c->color_mode) == MR_COLOR_GRAYSCALE;
    *out = (mr_shape){4, {0, height, width, gray ? 1 : 3}};
    return status;
}

static int from_json(mr_model **out, const mr_cli *c, const char *file, mr_error *e)
{
    mr_shape input;
    int status = expected_input(&input, c, e);
    return status ? status : mr_model_from_json_file_sized(out, file, input.rank ? &input : NULL, e);
}

/* --precision, else what the model says. Takes *M back where STATUS, or its own, is an error. */
static int with_precision(mr_model **m, const mr_cli *c, int status, mr_error *e)
{
    bool mixed = c->precision && !strcmp(c->precision, "mixed_bfloat16");
    if (!status && c->precision && !mixed && strcmp(c->precision, "float32") != 0)
        status = mr_fail(e, MR_EUSAGE, "--precision '%s': float32 or mixed_bfloat16", c->precision);
    if (!status && c->precision)
        status = mr_graph_set_mixed((*m)->graph, mixed, e);
    if (status) {
        mr_model_free(*m);
        *m = NULL;
    }
    return status;
}

static int from_arch(mr_model **out, const mr_cli *c, const mr_preprocess *pre, int classes, mr_error *e)
{
    const char *name = c->arch ? c->arch : "resnet";
    const mr_arch *arch = mr_arch_find(name);
    if (!arch && !is_json(name))
        return mr_hint(e, mr_cli_unknown_name("arch", name, e), "FILE.json takes what Keras's to_json() writes");
    int status = arch ? from_builtin(out, arch, c, pre, classes, e) : from_json(out, c, name, e);
    if (!status)
        status = mr_graph_initialize((*out)->graph, (uint64_t)c->seed, e);
    if (!status && c->weights)
        status = mr_model_load_weights(*out, c->weights, e);
    if (status) {
        mr_model_free(*out);
        *out = NULL;
    }
    return status;
}

int mr_cli_one_source(const mr_cli *c, mr_error *e)
{
    if (c->from && (c->arch || c->weights))
        return mr_fail(e, MR_EUSAGE,
                       "--from brings architecture and weights: no --arch, no --weights with it");
    return 0;
}

int mr_cli_training_model(mr_model **out, const mr_cli *c, const mr_preprocess *pre, int classes, mr_error *e)
{
    *out = NULL;
    if (!c->from)
        return with_precision(out, c, from_arch(out, c, pre, classes, e), e);
    mr_shape input;
    int status = expected_input(&input, c, e);
    if (!status)
        status = mr_model_load_sized(out, c->from, input.rank ? &input : NULL, e);
    if (!status)
        (*out)->graph->seed = (uint64_t)c->seed;
    return with_precision(out, c, status, e);
}

int mr_cli_trained_model(mr_model **out, const mr_cli *c, mr_error *e)
{
    mr_shape input;
    *out = NULL;
    if (c->model && (c->arch || c->weights))
        return mr_fail(e, MR_EUSAGE,
                       "--model brings architecture and weights: no --arch, no --weights with it");
    if (c->model) {
        int status = expected_input(&input, c, e);
        if (!status)
            status = mr_model_load_sized(out, c->model, input.rank ? &input : NULL, e);
        return with_precision(out, c, status, e);
    }
    if (!c->arch || !c->weights || !is_json(c->arch))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "no model given"),
                       "give --model FILE, or --arch FILE.json --weights FILE");
    return with_precision(out, c, from_arch(out, c, NULL, 0, e), e);
}

/* --- loss --------------------------------------------------------------------- */

/* Does the model leave it to the loss to make probabilities? */
static bool gives_logits(const mr_model *m, mr_given_activation given)
{
    mr_last_operation last = mr_graph_last_operation(m->graph, 0);
    bool made = given == MR_GIVEN_SOFTMAX || given == MR_GIVEN_SIGMOID;
    return last == MR_LAST_LINEAR || (last == MR_LAST_OTHER && made);
}

/* A crossentropy can be had of probabilities and of logits; do the model's last layer, or the user, say it is either? */
static bool crosses_entropy(const mr_model *m, mr_given_activation given)
{
    return given != MR_GIVEN_LINEAR &&
           (given != MR_GIVEN_NOTHING || mr_graph_last_operation(m->graph, 0) != MR_LAST_OTHER);
}

/* The targets have classes or labels, of a model whose outputs are such, too; or they are shares of classes, for a softmax. */
static const char *default_loss(const mr_model *m, mr_given_activation given, mr_targets targets)
{
    const mr_shape *s = &m->graph->node[m->graph->output[0]].shape;
    int64_t width = s->dim[s->rank - 1];
    bool shares = targets == MR_TARGETS_SHARES && mr_graph_last_operation(m->graph, 0) == MR_LAST_SOFTMAX;
    bool one = targets == MR_TARGETS_CLASSES || shares;
    bool each = mr_model_task_with(m, NULL, MR_TARGETS_UNKNOWN, given).kind == MR_TASK_LABELS;
    if (!crosses_entropy(m, given))
        return NULL;
    if (targets == MR_TARGETS_LABELS && mr_graph_last_operation(m->graph, 0) == MR_LAST_SOFTMAX)
        return NULL; /* it cannot give two labels */
    if (targets == MR_TARGETS_LABELS || (one && (width == 1 || each || given == MR_GIVEN_SIGMOID)))
        return "binary_crossentropy";
    if (one && width == 2 && !gives_logits(m, given)) /* the tutorial's */
        return "binary_crossentropy";
    return one ? "categorical_crossentropy" : NULL;
}

static int smoothed(json_t **loss, const mr_cli *c, mr_error *e)
{
    mr_loss parsed;
    int status = mr_loss_configure(&parsed, *loss, e);
    if (status)
        return status;
    if (parsed.class->sparse)
        return mr_fail(e, MR_EUSAGE, "--label-smoothing cannot be used with %s", parsed.class->name);
    parsed.label_smoothing = c->label_smoothing;
    json_decref(*loss);
    *loss = mr_loss_config(&parsed);
    return 0;
}

/* A crossentropy of what has gone through no activation is one of logits. */
static int named_loss(json_t **out, const char *name, const mr_model *m, mr_given_activation given, mr_error *e)
{
    mr_loss parsed;
    if (!mr_loss_class_find(name))
        return mr_cli_unknown_name("loss", name, e);
    *out = json_string(name);
    int status = mr_loss_configure(&parsed, *out, e);
    if (status)
        return e->code = MR_EUSAGE;
    if (!strstr(parsed.class->name, "crossentropy") || !gives_logits(m, given))
        return 0;
    parsed.from_logits = true;
    json_decref(*out);
    *out = mr_loss_config(&parsed);
    return *out ? 0 : mr_no_memory(e, "the loss");
}

int mr_cli_given_activation(mr_given_activation *out, const mr_cli *c, mr_error *e)
{
    int given = c->activation ? mr_given_activation_by_name(c->activation) : (int)MR_GIVEN_NOTHING;
    *out = given < 0 ? MR_GIVEN_NOTHING : (mr_given_activation)given;
    return given < 0 ? mr_fail(e, MR_EUSAGE, "--activation: expected softmax, sigmoid or linear, got '%s'", c->activation)
                     : 0;
}

static int no_default_loss(const mr_model *m, mr_given_activation given, mr_targets targets, mr_error *e)
{
    if (targets == MR_TARGETS_LABELS && crosses_entropy(m, given))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the targets are several labels, but the model ends in softmax, which gives one class"),
                       "use a model that ends in sigmoid, or give --loss NAME");
    if (targets == MR_TARGETS_NUMBERS || crosses_entropy(m, given))
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the targets are not class labels"),
                       "give --loss mse, mae, huber or another one for numbers");
    return mr_hint(e,
                   mr_fail(e, MR_EUSAGE, given == MR_GIVEN_LINEAR
                                             ? "plain numbers have no loss of their own"
                                             : "the model's last layer gives neither probabilities nor logits"),
                   "give --loss NAME (mse for numbers)");
}

int mr_cli_loss(json_t **out, const mr_cli *c, const mr_model *m, bool counts, mr_targets targets, mr_error *e)
{
    mr_given_activation given;
    json_t *own = counts ? json_object_get(m->training, "loss") : NULL;
    *out = NULL;
    int status = mr_cli_given_activation(&given, c, e);
    const char *name = c->loss ? c->loss : default_loss(m, given, targets);
    if (!status && !c->loss && own && !json_is_null(own))
        *out = json_incref(own);
    else if (!status && !name)
        status = no_default_loss(m, given, targets, e);
    else if (!status)
        status = named_loss(out, name, m, given, e);
    if (!status && mr_cli_given(c, "label-smoothing"))
        status = smoothed(out, c, e);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

/* --- classes ------------------------------------------------------------------ */

int mr_cli_set_classes(mr_model *m, char *const *class_names, int classes, mr_error *e)
{
    char **names = calloc((size_t)classes + 1, sizeof *names);
    bool complete = names != NULL;
    for (int i = 0; complete && i < classes; i++)
        complete = (names[i] = strdup(class_names[i])) != NULL;
    if (!complete) {
        for (int i = 0; names && i < classes; i++)
            free(names[i]);
        free(names);
        return mr_no_memory(e, "the class names");
    }
    for (int i = 0; m->class_names && i < m->classes; i++)
        free(m->class_names[i]);
    free(m->class_names);
    m->class_names = names;
    m->classes = classes;
    return 0;
}
