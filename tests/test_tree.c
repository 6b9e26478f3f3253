/* SPDX-License-Identifier: Apache-2.0 */
/* The typed tree of a model's configuration: entries, references, the order of calls. */
#include "tests/shared.h"
#include "nn/graph/tree.h"

#include <stdio.h>
#include <string.h>

#define INPUT "{'class_name': 'InputLayer', 'name': 'x', 'config': {'batch_shape': [null, 4]}}"
#define LAYER(name, calls) "{'class_name': 'Add', 'name': '" name "', 'config': {}, 'inbound_nodes': [" calls "]}"
#define MODEL(name, layers, outputs)                                                                         \
    "{'class_name': 'Functional', 'name': '" name "', 'config': {'name': '" name "', 'layers': [" layers     \
    "], 'input_layers': [['x', 0, 0]], 'output_layers': [" outputs "]}}"
#define SEQUENCE(name, layers)                                                                               \
    "{'class_name': 'Sequential', 'name': '" name "', 'config': {'name': '" name "', 'layers': [" layers "]}}"

/* TEXT, with ' for ". */
static json_t *parse(const char *text)
{
    char quoted[4000];
    json_error_t why;
    snprintf(quoted, sizeof quoted, "%s", text);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *v = json_loads(quoted, 0, &why);
    if (!v)
        fail_msg("%s: %s", why.text, text);
    return v;
}

static void refused(const char *text, const char *said)
{
    mr_tree *t;
    mr_error e = {0};
    json_t *v = parse(text);
    assert_true(mr_tree_create(&t, v, &e) < 0);
    assert_null(t);
    if (!strstr(e.message, said))
        fail_msg("'%s' does not say '%s'", e.message, said);
    json_decref(v);
}

/* "x0 a0 b0 a1": the entry and the number of each call in the order of the tree. */
static void expect_order(const mr_tree *t, const char *expected)
{
    char text[200] = "";
    for (int i = 0; i < t->calls; i++) {
        const mr_tree_entry *en = &t->entry[t->call[t->order[i]].entry];
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s%d", i ? " " : "", en->name, t->order[i] - en->first_call);
    }
    assert_string_equal(text, expected);
}

static void entries_and_tensors(void **state)
{
    (void)state;
    mr_tree *t;
    mr_error e = {0};
    json_t *v = parse(MODEL("m",
                            INPUT "," SEQUENCE("s", INPUT "," MODEL("two", INPUT, "['x', 0, 0], ['x', 0, 0]")),
                            "['s', 0, 1], ['s', 1, 0]"));
    json_t *layers = mr_tree_layers(v);
    json_object_set_new(json_array_get(layers, 1), "inbound_nodes",
                        json_pack("[[[s,i,i,{s:b}]], [[s,i,i,{}]]]", "x", 0, 0, "training", 0, "x", 0, 0));
    assert_int_equal(mr_tree_create(&t, v, &e), 0);
    const mr_tree_entry *s = mr_tree_find(t, "s");
    assert_string_equal(s->class, "Sequential");
    assert_int_equal(s->calls, 2);
    assert_int_equal(s->outputs, 2);
    assert_int_equal(s->input, -1);
    assert_int_equal(mr_tree_find(t, "x")->input, 0);
    assert_null(mr_tree_find(t, "y"));
    assert_null(mr_tree_find(t, NULL));
    assert_true(t->call[s->first_call].inference);
    assert_false(t->call[s->first_call + 1].inference);
    assert_string_equal(s->model->entry[1].path, "s/two");
    assert_string_equal(s->model->entry[1].model->entry[0].path, "s/two/x");
    assert_int_equal(t->tensors, 5);
    assert_int_equal(t->output[0], t->call[s->first_call].output + 1);
    assert_int_equal(t->output[1], t->call[s->first_call + 1].output);
    mr_tree_free(t);
    json_decref(v);
}

/* Draws of Dropout and its like count calls in this order: a change would change what a checkpoint goes on to. */
static void calls_in_rounds(void **state)
{
    (void)state;
    mr_tree *t;
    mr_error e = {0};
    json_t *v = parse(MODEL("m",
                            LAYER("late", "[['last', 0, 0]]") "," INPUT "," LAYER("b", "[['a', 0, 0]], [['x', 0, 0]]") "," LAYER(
                                "a", "[['x', 0, 0]], [['b', 0, 0]]") "," LAYER("last", "[['a', 1, 0], ['b', 1, 0]]"),
                            "['late', 0, 0]"));
    assert_int_equal(mr_tree_create(&t, v, &e), 0);
    expect_order(t, "x0 a0 b0 b1 a1 last0 late0");
    mr_tree_free(t);
    json_decref(v);
}

static void what_is_refused(void **state)
{
    (void)state;
    refused(MODEL("m", INPUT "," LAYER("a", "[['b', 0, 0]]"), "['a', 0, 0]"), "'a': it refers to a layer or call");
    refused(MODEL("m", INPUT "," LAYER("a", "[['x', 1, 0]]"), "['a', 0, 0]"), "'a': it refers to a layer or call");
    refused(MODEL("m", INPUT "," LAYER("a", "[['x', 0, 1]]"), "['a', 0, 0]"), "'a': it refers to a layer or call");
    refused(MODEL("m", INPUT "," LAYER("a", ""), "['a', 0, 0]"), "an output refers to");
    refused(MODEL("m", INPUT "," LAYER("a", "[]"), "['a', 0, 0]"), "'a': a call without inputs");
    refused(MODEL("m", INPUT "," LAYER("a", "[['a', 0, 0]]"), "['x', 0, 0]"), "depend on its own output");
    refused(MODEL("m", INPUT "," LAYER("a", "[['a', 1, 0]], [['x', 0, 0]]"), "['x', 0, 0]"),
            "depend on its own output");
    refused(MODEL("m", INPUT, ""), "without outputs");
    refused(MODEL("m", LAYER("x", ""), "['x', 0, 0]"), "no InputLayer of this name");
    refused(SEQUENCE("s", INPUT "," INPUT), "in the middle of a Sequential");
    refused(SEQUENCE("s", ""), "no list of layers");
    refused(SEQUENCE("s", INPUT "," SEQUENCE("", INPUT)), "a layer without a name");
    refused(SEQUENCE("s", INPUT "," MODEL("two", INPUT, "['x', 0, 0], ['x', 0, 0]") "," SEQUENCE("t", INPUT)),
            "wrong number of tensors");
    refused("{'class_name': 'Dense'}", "neither a Functional nor a Sequential");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_and_tensors),
        cmocka_unit_test(calls_in_rounds),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
