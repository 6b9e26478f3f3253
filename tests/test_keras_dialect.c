/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations of every era on their own, as text: what they become, and what is refused. */
#include "tests/shared.h"

#include "base/json_read.h"
#include "io/keras/canonical.h"
#include "nn/graph/graph.h"
#include "base/text.h"

/* The canonical form of TEXT, whose apostrophes stand for quotes. */
static json_t *canonical(const char *text, mr_keras_origin *origin)
{
    mr_keras_origin own = {0};
    mr_error e = {0};
    json_t *config;
    char *copy = strdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    int status = mr_keras_parse_config(&config, origin ? origin : &own, copy, strlen(copy), "test", &e);
    if (status)
        print_message("%s\n", e.message);
    assert_int_equal(status, 0);
    mr_keras_origin_clear(&own);
    free(copy);
    return config;
}

/* The message with which TEXT is refused with CODE. */
static const char *refused(const char *text, int code)
{
    static mr_error e;
    mr_keras_origin origin = {0};
    json_t *config;
    char *copy = strdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    mr_error_clear(&e);
    assert_int_equal(mr_keras_parse_config(&config, &origin, copy, strlen(copy), "test", &e), code);
    assert_null(config);
    mr_keras_origin_clear(&origin);
    free(copy);
    return e.message;
}

static const json_t *layer(const json_t *model, size_t i)
{
    return json_array_get(json_object_get(json_object_get(model, "config"), "layers"), i);
}

static const json_t *key(const json_t *l, const char *name)
{
    return json_object_get(json_object_get(l, "config"), name);
}

/* VALUE is the JSON text WANTED (apostrophes for quotes). */
static void assert_json(const json_t *value, const char *wanted)
{
    char *copy = strdup(wanted);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *w = json_loads(copy, JSON_DECODE_ANY, NULL);
    assert_non_null(w);
    char *have = mr_json_dump(value);
    if (!json_equal(w, value))
        fail_msg("%s is not %s", have, wanted);
    free(have);
    json_decref(w);
    free(copy);
}

static void assert_class(const json_t *l, const char *class)
{
    assert_string_equal(mr_json_text(l, "class_name"), class);
}

static const char keras_1[] =
    "{'class_name': 'Sequential', 'config': ["
    "{'class_name': 'Convolution2D', 'config': {'name': 'c', 'trainable': true, 'batch_input_shape': [32, 9, "
    "8, 3], 'input_dtype': 'float32',"
    " 'nb_filter': 6, 'nb_row': 3, 'nb_col': 2, 'init': 'he_normal', 'activation': 'linear', 'border_mode': "
    "'same', 'subsample': [2, 1],"
    " 'dim_ordering': 'tf', 'W_regularizer': {'name': 'WeightRegularizer', 'l1': 0.0, 'l2': 0.5}, "
    "'b_regularizer': null,"
    " 'activity_regularizer': null, 'W_constraint': null, 'b_constraint': null, 'bias': false}},"
    "{'class_name': 'BatchNormalization', 'config': {'name': 'b', 'trainable': false, 'epsilon': 0.001, "
    "'mode': 0, 'axis': -1,"
    " 'gamma_regularizer': null, 'beta_regularizer': null, 'momentum': 0.9}},"
    "{'class_name': 'ZeroPadding2D', 'config': {'name': 'z', 'trainable': true, 'padding': [1, 2, 3, 4], "
    "'dim_ordering': 'tf'}},"
    "{'class_name': 'Dropout', 'config': {'p': 0.25, 'trainable': true, 'name': 'd'}},"
    "{'class_name': 'Flatten', 'config': {'trainable': true, 'name': 'f'}},"
    "{'class_name': 'Dense', 'config': {'name': 'y', 'trainable': true, 'output_dim': 4, 'init': 'uniform', "
    "'activation': 'softmax',"
    " 'W_regularizer': null, 'b_regularizer': null, 'activity_regularizer': null, 'W_constraint': null, "
    "'b_constraint': null,"
    " 'bias': true, 'input_dim': null}}]}";

static void keras_1_keys(void **state)
{
    (void)state;
    mr_keras_origin origin = {0};
    json_t *m = canonical(keras_1, &origin);
    assert_int_equal(origin.era, 1);
    assert_class(layer(m, 0), "InputLayer");
    assert_json(key(layer(m, 0), "batch_shape"), "[null, 9, 8, 3]");
    const json_t *c = layer(m, 1);
    assert_class(c, "Conv2D");
    assert_json(key(c, "filters"), "6");
    assert_json(key(c, "kernel_size"), "[3, 2]");
    assert_json(key(c, "strides"), "[2, 1]");
    assert_json(key(c, "padding"), "'same'");
    assert_json(key(c, "data_format"), "'channels_last'");
    assert_json(key(c, "use_bias"), "false");
    assert_json(key(c, "kernel_initializer"), "{'class_name': 'HeNormal', 'config': {'seed': null}}");
    assert_json(key(c, "kernel_regularizer"), "{'class_name': 'L2', 'config': {'l2': 0.5}}");
    assert_json(key(layer(m, 2), "trainable"), "false");
    assert_null(key(layer(m, 2), "mode"));
    assert_json(key(layer(m, 3), "padding"), "[[1, 2], [3, 4]]");
    assert_json(key(layer(m, 4), "rate"), "0.25");
    assert_json(key(layer(m, 6), "units"), "4");
    assert_json(key(layer(m, 6), "kernel_initializer"), "{'class_name': 'RandomUniform', 'config': {}}");
    json_decref(m);
    mr_keras_origin_clear(&origin);
}

/* An addition with both ways of saying who is called on what. */
static const char keras_2_calls[] =
    "{'class_name': 'Model', 'keras_version': '2.2.4', 'config': {'name': 'm', 'layers': ["
    "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4, 4, 2], 'dtype': "
    "'float32', 'sparse': false, 'name': 'i'}, 'inbound_nodes': []},"
    "{'name': 'a', 'class_name': 'Activation', 'config': {'name': 'a', 'trainable': true, 'activation': "
    "'relu'}, 'inbound_nodes': [[['i', 0, 0, {}]], [['a', 0, 0, {}]]]},"
    "{'name': 's', 'class_name': 'Add', 'config': {'name': 's', 'trainable': true}, 'inbound_nodes': [[['a', "
    "1, 0, {}], ['i', 0, 0, {}]]]}],"
    "'input_layers': [['i', 0, 0]], 'output_layers': [['s', 0, 0]]}}";

#define TENSOR(name, call)                                                                                   \
    "{'class_name': '__keras_tensor__', 'config': {'shape': [null, 4, 4, 2], 'dtype': 'float32', "           \
    "'keras_history': ['" name "', " call ", 0]}}"

static const char keras_3_calls[] =
    "{'module': 'keras.src.models.functional', 'class_name': 'Functional', 'config': {'name': 'm', "
    "'trainable': true, 'layers': ["
    "{'module': 'keras.layers', 'class_name': 'InputLayer', 'config': {'batch_shape': [null, 4, 4, 2], "
    "'dtype': 'float32', 'name': 'i'}, 'name': 'i', 'inbound_nodes': []},"
    "{'module': 'keras.layers', 'class_name': 'Activation', 'config': {'name': 'a', 'trainable': true, "
    "'dtype': {'module': 'keras', 'class_name': 'DTypePolicy',"
    " 'config': {'name': 'float32'}, 'registered_name': null}, 'activation': {'module': 'builtins', "
    "'class_name': 'function', 'config': 'relu',"
    " 'registered_name': 'function'}}, 'registered_name': null, 'name': 'a', 'inbound_nodes': [{'args': "
    "[" TENSOR("i", "0") "], 'kwargs': {'mask': null}},"
                         " {'args': [" TENSOR(
                             "a", "0") "], 'kwargs': {}}]},"
                                       "{'module': 'keras.layers', 'class_name': 'Add', 'config': {'name': "
                                       "'s', 'trainable': true}, 'registered_name': null, 'name': 's',"
                                       " 'inbound_nodes': [{'args': [[" TENSOR("a", "1") ", " TENSOR(
                                           "i", "0") "]], 'kwargs': {}}]}],"
                                                     "'input_layers': ['i', 0, 0], 'output_layers': ['s', 0, "
                                                     "0]}, 'registered_name': 'Functional'}";

static void calls_of_both_kinds(void **state)
{
    (void)state;
    json_t *old = canonical(keras_2_calls, NULL), *new = canonical(keras_3_calls, NULL);
    if (!json_equal(old, new))
        fail_msg("%s\n%s", mr_json_dump(old), mr_json_dump(new));
    assert_json(json_object_get(layer(old, 2), "inbound_nodes"), "[[['a', 1, 0, {}], ['i', 0, 0, {}]]]");
    json_decref(old);
    json_decref(new);
}

/* Nested models are counted from 1 before Keras 3. BASE: the number of the first of COUNT calls. */
static json_t *nested(const char *version, int base, bool two)
{
    char text[4096];
    snprintf(text, sizeof text,
             "{'class_name': 'Model', 'keras_version': '%s', 'config': {'name': 'm', 'layers': ["
             "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4], 'name': "
             "'i'}, 'inbound_nodes': []},"
             "{'name': 'n', 'class_name': 'Sequential', 'config': {'name': 'n', 'layers': [{'class_name': "
             "'Dense', 'config': {'name': 'd', 'units': 4,"
             " 'batch_input_shape': [null, 4]}}]}, 'inbound_nodes': [[['i', 0, 0, {}]]%s]},"
             "{'name': 's', 'class_name': 'Add', 'config': {'name': 's'}, 'inbound_nodes': [[['n', %d, 0, "
             "{}], ['%s', %d, 0, {}]]]}],"
             "'input_layers': [['i', 0, 0]], 'output_layers': [['s', 0, 0]]}}",
             version, two ? ", [['i', 0, 0, {}]]" : "", base, two ? "n" : "i", two ? base + 1 : 0);
    return canonical(text, NULL);
}

static void numbers_of_nested_models(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        int base;
    } cases[] = {{"2.2.4", 1}, {"2.4.0", 1}, {"2.4.0", 0}, {"3.3.0", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int two = 0; two < 2; two++) {
            json_t *m = nested(cases[i].version, cases[i].base, two);
            assert_class(layer(m, 1), "Sequential");
            assert_class(layer(layer(m, 1), 0), "InputLayer");
            assert_json(json_object_get(layer(m, 2), "inbound_nodes"),
                        two ? "[[['n', 0, 0, {}], ['n', 1, 0, {}]]]"
                            : "[[['n', 0, 0, {}], ['i', 0, 0, {}]]]");
            json_decref(m);
        }
}

/* Where a Sequential's input shape can stand besides. */
static void input_shapes(void **state)
{
    (void)state;
    static const char *const models[] = {
        "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'Sequential', "
        "'config': {'name': 'n', 'batch_input_shape': [null, 7],"
        " 'layers': [{'class_name': 'Dense', 'config': {'name': 'd', 'units': 2}}]}}]}}",
        "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'Sequential', "
        "'config': {'name': 'n', 'layers': ["
        "{'class_name': 'Dense', 'config': {'name': 'd', 'units': 2, 'batch_input_shape': [null, 7]}}]}}]}}",
        "{'class_name': 'Sequential', 'config': {'name': 's', 'build_input_shape': [null, 7], 'layers': "
        "[{'class_name': 'Dense', 'config': {'name': 'd', 'units': 2}}]}}",
        "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'InputLayer', "
        "'config': {'name': 'x', 'batch_shape': [null, 7]}},"
        "{'class_name': 'Dense', 'config': {'name': 'd', 'units': 2, 'batch_input_shape': [null, 1, 2, 3, "
        "4]}}]}}",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        json_t *m = canonical(models[i], NULL);
        mr_error e = {0};
        mr_graph *g;
        assert_json(key(layer(m, 0), "batch_shape"), "[null, 7]");
        assert_int_equal(mr_graph_create(&g, m, NULL, &e), 0);
        assert_int_equal(g->node[g->output[0]].shape.dim[1], 2);
        mr_graph_free(g);
        json_decref(m);
    }
    assert_non_null(strstr(refused("{'class_name': 'Sequential', 'config': [{'class_name': 'Dense', "
                                   "'config': {'name': 'd', 'units': 2}}]}",
                                   MR_EUNSUPPORTED),
                           "'d'"));
}

static const char hard_sigmoid[] =
    "{'class_name': 'Model', 'keras_version': '%s', 'config': {'name': 'm', 'layers': ["
    "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 3], 'name': 'i'}, "
    "'inbound_nodes': []},"
    "{'name': 'd', 'class_name': 'Dense', 'config': {'name': 'd', 'units': 2, 'activation': 'hard_sigmoid'}, "
    "'inbound_nodes': [[['i', 0, 0, {}]]]}],"
    "'input_layers': [['i', 0, 0]], 'output_layers': [['d', 0, 0]]}}";

/* clip(0.2 x + 0.5, 0, 1) is relu6(1.2 x + 3) / 6. */
static void hard_sigmoid_by_era(void **state)
{
    (void)state;
    char text[1024];
    snprintf(text, sizeof text, hard_sigmoid, "2.3.1");
    json_t *m = canonical(text, NULL);
    assert_json(key(layer(m, 1), "activation"), "'linear'");
    assert_class(layer(m, 2), "Rescaling");
    assert_json(key(layer(m, 2), "scale"), "1.2");
    assert_class(layer(m, 3), "Activation");
    assert_json(key(layer(m, 3), "activation"), "'hard_sigmoid'");
    assert_json(json_object_get(json_object_get(m, "config"), "output_layers"), "[['d_hard_sigmoid', 0, 0]]");
    json_decref(m);
    snprintf(text, sizeof text, hard_sigmoid, "3.3.0");
    m = canonical(text, NULL);
    assert_json(key(layer(m, 1), "activation"), "'hard_sigmoid'");
    assert_null(layer(m, 2));
    json_decref(m);
}

/* Theano pads 'same' by half the kernel on both sides. */
static void theano_padding(void **state)
{
    (void)state;
    json_t *m =
        canonical("{'class_name': 'Sequential', 'backend': 'theano', 'keras_version': '2.1.0', 'config': ["
                  "{'class_name': 'Conv2D', 'config': {'name': 'c', 'batch_input_shape': [null, 8, 8, 3], "
                  "'filters': 2, 'kernel_size': [3, 4],"
                  " 'strides': [2, 1], 'padding': 'same', 'data_format': 'channels_last'}},"
                  "{'class_name': 'Conv2D', 'config': {'name': 'e', 'filters': 2, 'kernel_size': [3, 3], "
                  "'padding': 'same'}}]}",
                  NULL);
    assert_class(layer(m, 1), "ZeroPadding2D");
    assert_json(key(layer(m, 1), "padding"), "[[1, 1], [2, 1]]");
    assert_json(key(layer(m, 2), "padding"), "'valid'");
    assert_json(key(layer(m, 3), "padding"), "'same'");
    json_decref(m);
}

static void merges_of_keras_1(void **state)
{
    (void)state;
    json_t *m =
        canonical("{'class_name': 'Model', 'keras_version': '1.2.2', 'config': {'name': 'm', 'layers': ["
                  "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4, 4, "
                  "2], 'name': 'i'}, 'inbound_nodes': []},"
                  "{'name': 'a', 'class_name': 'Activation', 'config': {'name': 'a', 'activation': 'relu'}, "
                  "'inbound_nodes': [[['i', 0, 0]]]},"
                  "{'name': 'g', 'class_name': 'Merge', 'config': {'name': 'g', 'mode': 'concat', "
                  "'mode_type': 'raw', 'concat_axis': 3, 'dot_axes': -1,"
                  " 'output_shape': null, 'arguments': {}}, 'inbound_nodes': [[['a', 0, 0], ['i', 0, 0]]]}],"
                  "'input_layers': [['i', 0, 0]], 'output_layers': [['g', 0, 0]]}}",
                  NULL);
    assert_class(layer(m, 2), "Concatenate");
    assert_json(key(layer(m, 2), "axis"), "3");
    assert_null(key(layer(m, 2), "mode_type"));
    json_decref(m);
}

/* Layers are put into Keras's order: the branch that is longer from the outputs' side first. */
static void layers_are_sorted(void **state)
{
    (void)state;
    json_t *m =
        canonical("{'class_name': 'Model', 'keras_version': '2.2.4', 'config': {'name': 'm', 'layers': ["
                  "{'name': 's', 'class_name': 'Activation', 'config': {'name': 's', 'activation': 'tanh'}, "
                  "'inbound_nodes': [[['i', 0, 0, {}]]]},"
                  "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4], "
                  "'name': 'i'}, 'inbound_nodes': []},"
                  "{'name': 'y', 'class_name': 'Add', 'config': {'name': 'y'}, 'inbound_nodes': [[['b', 0, "
                  "0, {}], ['s', 0, 0, {}]]]},"
                  "{'name': 'b', 'class_name': 'Activation', 'config': {'name': 'b', 'activation': 'relu'}, "
                  "'inbound_nodes': [[['a', 0, 0, {}]]]},"
                  "{'name': 'a', 'class_name': 'Activation', 'config': {'name': 'a', 'activation': 'relu'}, "
                  "'inbound_nodes': [[['i', 0, 0, {}]]]}],"
                  "'input_layers': [['i', 0, 0]], 'output_layers': [['y', 0, 0]]}}",
                  NULL);
    static const char *const order[] = {"i", "a", "b", "s", "y"};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(mr_json_text(layer(m, i), "name"), order[i]);
    json_decref(m);
}

#define SEQUENTIAL(layers) "{'class_name': 'Sequential', 'config': [" layers "]}"
#define FIRST                                                                                                \
    "{'class_name': 'Activation', 'config': {'name': 'first', 'activation': 'relu', 'batch_input_shape': "   \
    "[null, 4, 4, 3]}}"

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *said;
    } cases[] = {
        {SEQUENTIAL(FIRST ", {'class_name': 'Lambda', 'config': {'name': 'l', 'function': "
                          "['4wEAAAA\\u0000\\n', null, null]}}"),
         MR_EUNSUPPORTED, "'l' (Lambda)"},
        {SEQUENTIAL(FIRST ", {'class_name': 'LSTM', 'config': {'name': 'r', 'units': 3}}"), MR_EUNSUPPORTED,
         "'r' (LSTM)"},
        {SEQUENTIAL(FIRST ", {'class_name': 'Conv3D', 'config': {'name': 'v', 'filters': 3}}"),
         MR_EUNSUPPORTED, "'v' (Conv3D)"},
        {SEQUENTIAL(
             FIRST
             ", {'class_name': 'TFOpLambda', 'config': {'name': 'tf.math.add', 'function': 'math.add'}}"),
         MR_EUNSUPPORTED, "'tf.math.add' (TFOpLambda)"},
        {SEQUENTIAL(FIRST ", {'class_name': 'Dense', 'module': 'x', 'registered_name': 'Mine>Dense', "
                          "'config': {'name': 'd', 'units': 3}}"),
         MR_EUNSUPPORTED, "'d' (Mine>Dense)"},
        {SEQUENTIAL(FIRST ", {'class_name': 'BatchNormalization', 'config': {'name': 'b', 'mode': 2}}"),
         MR_EUNSUPPORTED, "'b' (BatchNormalization)"},
        {SEQUENTIAL(FIRST ", {'class_name': 'Merge', 'config': {'name': 'g', 'mode': 'cos'}}"),
         MR_EUNSUPPORTED, "'g' (Merge)"},
        {"{'class_name': 'MyModel', 'registered_name': 'Custom>MyModel', 'config': {'name': 'mine'}}",
         MR_EUNSUPPORTED, "'mine' (MyModel)"},
        {SEQUENTIAL(""), MR_EFORMAT, "without layers"},
        {"{'class_name': 'Sequential', 'config': {'layers': [3]}}", MR_EFORMAT, ""},
        {"[1, 2]", MR_EFORMAT, "class_name"},
        {"{'class_name': 'Sequential', 'config': [", MR_EFORMAT, "not JSON"},
        {"", MR_EFORMAT, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!strstr(refused(cases[i].text, cases[i].code), cases[i].said))
            fail_msg("case %zu: %s", i, refused(cases[i].text, cases[i].code));
}

/* Broken references, circles, and calls that would do something else. */
static void refused_calls(void **state)
{
    (void)state;
    static const char form[] =
        "{'class_name': 'Model', 'keras_version': '2.2.4', 'config': {'name': 'm', 'layers': ["
        "{'name': 'i', 'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4], 'name': 'i'}, "
        "'inbound_nodes': []},"
        "{'name': 'd', 'class_name': 'Dropout', 'config': {'name': 'd', 'rate': 0.5}, 'inbound_nodes': %s},"
        "{'name': 'a', 'class_name': 'Activation', 'config': {'name': 'a', 'activation': 'relu'}, "
        "'inbound_nodes': [[['d', 0, 0, {}]]]}],"
        "'input_layers': [['i', 0, 0]], 'output_layers': [['a', 0, 0]]}}";
    static const struct {
        const char *calls;
        int code;
        const char *said;
    } cases[] = {
        {"[[['a', 0, 0, {}]]]", MR_EFORMAT, "depend on its own output"},
        {"[[['nobody', 0, 0, {}]]]", MR_EFORMAT, "'d'"},
        {"[[['i', 0, 0, {'training': true}]]]", MR_EUNSUPPORTED, "'d' (Dropout): called with training=True"},
        {"[[['i', 0, 0, {'noise': 3}]]]", MR_EUNSUPPORTED, "noise"},
        {"[[[0, 0, 0, {}]]]", MR_EFORMAT, "'d'"},
        {"[{'args': [3], 'kwargs': {}}]", MR_EUNSUPPORTED, "'d'"},
    };
    char text[2048];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, form, cases[i].calls);
        if (!strstr(refused(text, cases[i].code), cases[i].said))
            fail_msg("case %zu: %s", i, refused(text, cases[i].code));
    }
    snprintf(text, sizeof text, form, "[[['i', 0, 0, {'training': false}]]]");
    json_t *m = canonical(text, NULL);
    assert_json(json_object_get(layer(m, 1), "inbound_nodes"), "[[['i', 0, 0, {'training': false}]]]");
    json_decref(m);
}

/* A Functional model: an input and COUNT activations behind one another; the last one, where ADDS is not 0,
 * is followed by an Add of it, that often. */
static char *chain(int count, int adds)
{
    mr_text t = {0};
    mr_text_append(&t, "{'class_name': 'Model', 'config': {'name': 'm', 'layers': [{'class_name': "
                       "'InputLayer', 'name': 'a0', "
                       "'config': {'name': 'a0', 'batch_input_shape': [null, 2]}, 'inbound_nodes': []}");
    for (int i = 1; i <= count; i++)
        mr_text_format(
            &t,
            ", {'class_name': 'Activation', 'name': 'a%d', 'config': {'name': 'a%d', 'activation': 'relu'}, "
            "'inbound_nodes': [[['a%d', 0, 0, {}]]]}",
            i, i, i - 1);
    if (adds)
        mr_text_append(
            &t, ", {'class_name': 'Add', 'name': 'sum', 'config': {'name': 'sum'}, 'inbound_nodes': [[");
    for (int i = 0; i < adds; i++)
        mr_text_format(&t, "%s['a%d', 0, 0, {}]", i ? ", " : "", count);
    mr_text_append(&t, adds ? "]]}]" : "]");
    mr_text_format(&t, ", 'input_layers': [['a0', 0, 0]], 'output_layers': [['%s%.0d', 0, 0]]}}",
                   adds ? "sum" : "a", adds ? 0 : count);
    assert_false(t.failed);
    return t.data;
}

/* json.dump(model.to_json()): a string of JSON that holds JSON. */
static void json_in_a_string(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_keras_origin origin = {0};
    char *text = chain(2, 0);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *string = json_string(text), *config;
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    assert_int_equal(mr_keras_parse_config(&config, &origin, quoted, strlen(quoted), "test", &e), 0);
    assert_string_equal(mr_json_text(layer(config, 2), "name"), "a2");
    mr_keras_origin_clear(&origin);
    json_decref(config);
    json_decref(string);
    free(quoted);
    free(text);
}

static void limits_come_first(void **state)
{
    (void)state;
    char *text = chain(MR_MAX_LAYERS, 0);
    assert_non_null(strstr(refused(text, MR_ELIMIT), "more than 20000 layers"));
    free(text);
    text = chain(9000, 0); /* takes minutes where layers are looked for one after the other */
    mr_graph *g;
    mr_error e = {0};
    json_t *config = canonical(text, NULL);
    assert_int_equal(mr_graph_create(&g, config, NULL, &e), 0);
    assert_int_equal(g->nodes, 9001);
    assert_string_equal(mr_graph_layer(g, "a4321")->name, "a4321");
    mr_graph_free(g);
    json_decref(config);
    free(text);
}

static void sums_of_very_many(void **state)
{
    (void)state;
    mr_graph *g;
    mr_error e = {0};
    char *text = chain(1, 1025);
    json_t *config = canonical(text, NULL);
    assert_int_equal(mr_graph_create(&g, config, NULL, &e), MR_EUNSUPPORTED);
    assert_string_equal(e.message,
                        "layer 'sum' (Add): called on 1025 tensors, more than 1024 are not supported");
    json_decref(config);
    free(text);
}

/* A nested model without calls inside, called very often: work that makes no node. */
static void calls_that_make_nothing(void **state)
{
    (void)state;
    mr_graph *g;
    mr_error e = {0};
    mr_text t = {0};
    mr_text_append(
        &t, "{'class_name': 'Model', 'config': {'name': 'm', 'layers': [{'class_name': 'InputLayer', 'name': "
            "'x', "
            "'config': {'name': 'x', 'batch_input_shape': [null, 2]}, 'inbound_nodes': []}, {'class_name': "
            "'Model', 'name': 'n', 'config': {'name': 'n', 'layers': [{'class_name': 'InputLayer', 'name': "
            "'y', 'config': {'name': 'y', 'batch_input_shape': [null, 2]}, 'inbound_nodes': []}");
    for (int i = 0; i < 5000; i++)
        mr_text_format(
            &t,
            ", {'class_name': 'Activation', 'name': 'a%d', 'config': {'name': 'a%d', 'activation': "
            "'relu'}, 'inbound_nodes': []}",
            i, i);
    mr_text_append(&t,
                   "], 'input_layers': [['y', 0, 0]], 'output_layers': [['y', 0, 0]]}, 'inbound_nodes': [");
    for (int i = 0; i < 20000; i++)
        mr_text_format(&t, "%s[['x', 0, 0, {}]]", i ? ", " : "");
    mr_text_append(&t, "]}], 'input_layers': [['x', 0, 0]], 'output_layers': [['n', 0, 0]]}}");
    json_t *config = canonical(t.data, NULL);
    assert_int_equal(mr_graph_create(&g, config, NULL, &e), MR_ELIMIT);
    json_decref(config);
    mr_text_destroy(&t);
}

static const char two_calls[] =
    "{'class_name': 'Model', 'config': {'name': 'm', 'layers': ["
    "{'class_name': 'InputLayer', 'name': 'x', 'config': {'name': 'x', 'batch_input_shape': [null, 2, 4, "
    "4]}, "
    "'inbound_nodes': []},"
    "{'class_name': 'Activation', 'name': 'shared', 'config': {'name': 'shared', 'activation': 'relu'}, "
    "'inbound_nodes': [[['%s', 0, 0, {}]], [['%s', 0, 0, {}]]]},"
    "{'class_name': 'MaxPooling2D', 'name': 'pool', 'config': {'name': 'pool', 'pool_size': [2, 2], "
    "'data_format': 'channels_first'}, 'inbound_nodes': [[['shared', %d, 0, {}]]]},"
    "{'class_name': 'Flatten', 'name': 'f', 'config': {'name': 'f'}, 'inbound_nodes': [[['shared', 0, 0, "
    "{}]]]},"
    "{'class_name': 'Flatten', 'name': 'g', 'config': {'name': 'g'}, 'inbound_nodes': [[['shared', 1, 0, "
    "{}]]]},"
    "{'class_name': 'Reshape', 'name': 'r', 'config': {'name': 'r', 'target_shape': [2, 16]}, "
    "'inbound_nodes': "
    "[[['f', 0, 0, {}]]]}"
    "], 'input_layers': [['x', 0, 0]], 'output_layers': [['r', 0, 0], ['g', 0, 0]]}}";

/* channels_first, with two Flattens whose order is seen; and a layer whose second call comes before its first
 * one, which no Keras writes. */
static void calls_of_a_shared_layer(void **state)
{
    (void)state;
    mr_graph *g;
    mr_error e = {0};
    char text[2000];
    snprintf(text, sizeof text, two_calls, "x", "pool", 0);
    json_t *config = canonical(text, NULL);
    if (mr_graph_create(&g, config, NULL, &e))
        fail_msg("%s", e.message);
    assert_non_null(mr_graph_layer(g, "f_channels_first"));
    assert_non_null(mr_graph_layer(g, "g_channels_first"));
    mr_graph_free(g);
    json_decref(config);
    snprintf(text, sizeof text, two_calls, "pool", "x", 1);
    assert_non_null(strstr(refused(text, MR_EFORMAT), "depend on its own output"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keras_1_keys),
        cmocka_unit_test(calls_of_both_kinds),
        cmocka_unit_test(numbers_of_nested_models),
        cmocka_unit_test(input_shapes),
        cmocka_unit_test(hard_sigmoid_by_era),
        cmocka_unit_test(theano_padding),
        cmocka_unit_test(merges_of_keras_1),
        cmocka_unit_test(layers_are_sorted),
        cmocka_unit_test(refusals),
        cmocka_unit_test(refused_calls),
        cmocka_unit_test(json_in_a_string),
        cmocka_unit_test(limits_come_first),
        cmocka_unit_test(sums_of_very_many),
        cmocka_unit_test(calls_that_make_nothing),
        cmocka_unit_test(calls_of_a_shared_layer),
    };
    return cmocka_run_group_tests_name("keras dialects", tests, NULL, NULL);
}
