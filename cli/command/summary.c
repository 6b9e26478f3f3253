/* SPDX-License-Identifier: Apache-2.0 */
/* millrace summary */
#include "cli/command/commands.h"
#include "base/json_read.h"
#include "cli/setup/preprocess.h"
#include "cli/setup/provenance.h"
#include "cli/show/table.h"
#include "cli/process/terminal.h"
#include "io/files/held_out.h"
#include "io/model_file/model_file.h"
#include "base/processors.h"
#include "nn/plan/plan.h"
#include "io/model_file/model_task.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    int64_t trainable, frozen;
};

static int64_t params_of(const mr_layer *l, struct totals *t)
{
    int64_t sum = 0;
    for (int i = 0; i < l->params; i++) {
        sum += (int64_t)l->param[i].count;
        *(l->param[i].trainable ? &t->trainable : &t->frozen) += (int64_t)l->param[i].count;
    }
    return sum;
}

/* The calls of layer L: the shape of the first one's output, and what all of them are connected to. */
static const mr_node *calls_of(const mr_graph *g, const mr_layer *l, mr_text *connected)
{
    const mr_node *first = NULL;
    mr_text_clear(connected);
    for (int i = 0; i < g->nodes; i++) {
        const mr_node *n = &g->node[i];
        if (n->layer != l)
            continue;
        first = first ? first : n;
        for (int k = 0; k < n->inputs; k++) {
            int call = 0;
            for (int p = 0; p < n->input[k]; p++)
                call += g->node[p].layer == g->node[n->input[k]].layer;
            mr_text_format(connected, "%s%s[%d][0]", connected->length ? ",\n" : "",
                           g->node[n->input[k]].layer->name, call);
        }
    }
    return first;
}

/* --- memory ------------------------------------------------------------------------- */

enum { BATCH = 32 };

/* Bytes of a plan for batches of BATCH and as many threads as a run would take: all that it allocates
 * (activations, gradients, scratch) beside the weights. Nothing of it is touched. -1: the model cannot be run
 * that way. */
static int64_t plan_memory(mr_graph *g, mr_plan_kind kind)
{
    mr_team *team;
    mr_plan *plan = NULL;
    mr_error unused = {0};
    int64_t bytes = -1;
    if (mr_team_create(&team, mr_usable_processors(), &unused))
        return -1;
    if (!mr_plan_create(&plan, g, team, (mr_plan_options){.kind = kind, .batch = BATCH}, &unused))
        bytes = (int64_t)mr_plan_memory(plan);
    mr_plan_free(plan);
    mr_team_destroy(team);
    return bytes;
}

static void print_memory(mr_graph *g)
{
    static const char *const name[] = {[MR_PLAN_INFERENCE] = "inference", [MR_PLAN_TRAINING] = "training"};
    mr_text line = {0};
    for (int kind = MR_PLAN_INFERENCE; kind <= MR_PLAN_TRAINING; kind++) {
        int64_t bytes = plan_memory(g, (mr_plan_kind)kind);
        if (bytes >= 0)
            mr_text_format(&line, "%s %s %.1f MiB", kind ? "," : "", name[kind], (double)bytes / (1 << 20));
    }
    mr_print_line(stdout, "Peak memory beside the weights, batches of %d:%s (--memory-limit bounds it)", BATCH,
                  mr_text_string(&line));
    mr_text_destroy(&line);
}

static json_t *bytes_json(mr_graph *g, mr_plan_kind kind)
{
    int64_t bytes = plan_memory(g, kind);
    return bytes < 0 ? json_null() : json_integer(bytes);
}

static json_t *memory_json(mr_graph *g)
{
    return json_pack("{s:i, s:o, s:o}", "batch_size", BATCH, "inference", bytes_json(g, MR_PLAN_INFERENCE),
                     "training", bytes_json(g, MR_PLAN_TRAINING));
}

/* --- as a table ----------------------------------------------------------------- */

static int add_layer(mr_table *table, const mr_graph *g, const mr_layer *l, struct totals *t, mr_error *e)
{
    mr_text connected = {0}, name = {0};
    char shape[96] = "-", count[32];
    const mr_node *n = calls_of(g, l, &connected);
    if (n)
        mr_shape_text(&n->shape, true, shape, sizeof shape);
    snprintf(count, sizeof count, "%lld", (long long)params_of(l, t));
    mr_text_format(&name, "%s (%s)", l->name, l->class->name);
    const char *cells[] = {mr_text_string(&name), shape, count,
                           connected.length ? mr_text_string(&connected) : "-"};
    int status = mr_table_add(table, cells, e);
    mr_text_destroy(&connected);
    mr_text_destroy(&name);
    return status;
}

static int print_table(const mr_graph *g, struct totals *t, mr_error *e)
{
    const mr_table_column columns[] = {{"Layer (type)", MR_ALIGN_LEFT},
                                       {"Output Shape", MR_ALIGN_LEFT},
                                       {"Param #", MR_ALIGN_RIGHT},
                                       {"Connected to", MR_ALIGN_LEFT}};
    mr_table table;
    mr_text text = {0};
    int width = mr_terminal_columns(stdout);
    int status = mr_table_create(&table, columns, 4, e);
    for (int i = 0; i < g->layers && !status; i++)
        status = add_layer(&table, g, g->layer[i], t, e);
    if (!status)
        status = mr_table_text(&text, &table, width,
                               mr_terminal_is_utf8(stdout) ? MR_TABLE_BOX : MR_TABLE_ASCII, e);
    if (!status)
        fwrite(text.data, 1, text.length, stdout);
    mr_text_destroy(&text);
    mr_table_destroy(&table);
    return status;
}

static void print_training(const mr_model *m)
{
    const json_t *optimizer = json_object_get(m->training, "optimizer_config");
    if (!m->training) {
        mr_print_line(stdout, "Training configuration: none");
        return;
    }
    char *loss = json_dumps(json_object_get(m->training, "loss"), JSON_ENCODE_ANY | JSON_COMPACT);
    char *config = json_dumps(json_object_get(optimizer, "config"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(7));
    const char *name = mr_json_text(optimizer, "class_name");
    mr_print_line(stdout, "Training configuration: loss %s, optimizer %s %s", loss ? loss : "none",
                  name ? name : "none", config ? config : "");
    if (m->has_optimizer_state)
        mr_print_line(stdout, "Optimizer state: %d variables, %lld finished updates", m->slots,
                      (long long)m->iterations);
    else
        mr_print_line(stdout, "Optimizer state: none");
    free(loss);
    free(config);
}

static void print_classes(const mr_model *m)
{
    mr_text names = {0};
    for (int i = 0; m->class_names && i < m->classes; i++)
        mr_text_format(&names, " %s", m->class_names[i]);
    if (m->class_names)
        mr_print_line(stdout, "Classes:%s", mr_text_string(&names));
    mr_text_destroy(&names);
}

static void print_provenance(const mr_model *m)
{
    mr_text text = {0};
    mr_cli_provenance_text(&text, m->provenance);
    for (const char *line = mr_text_string(&text); *line; line += strcspn(line, "\n") + 1)
        mr_print_line(stdout, "%.*s", (int)strcspn(line, "\n"), line);
    mr_text_destroy(&text);
}

/* A file of ours says a version of Keras that reads it: MAJOR.MINOR is its format. */
static void print_writer(const mr_model *m)
{
    const char *version = m->keras_version ? m->keras_version : "unknown", *dot = strchr(version, '.');
    size_t minor = dot ? (size_t)(dot - version) + 1 + strcspn(dot + 1, ".") : strlen(version);
    if (m->millrace_version)
        mr_print_line(stdout, "Written by millrace %s, in the format of Keras %.*s", m->millrace_version,
                      (int)minor, version);
    else
        mr_print_line(stdout, "Written by Keras version %s, backend %s", version,
                      m->backend ? m->backend : "unknown");
}

static void print_held_out(const mr_model *m)
{
    size_t i;
    json_t *r;
    json_array_foreach (m->held_out, i, r)
        mr_print_line(stdout, "Held out of training: validation split %g, seed %lld, of %lld images",
                      json_number_value(json_object_get(r, "fraction")),
                      (long long)json_integer_value(json_object_get(r, "seed")),
                      (long long)json_integer_value(json_object_get(r, "images")));
}

static const char *outputs_text(const mr_model *m, char *text, size_t size)
{
    mr_output_task task;
    mr_error unused = {0};
    mr_model_task(&task, m, MR_TARGETS_UNKNOWN, MR_GIVEN_NOTHING, &unused);
    return mr_task_text(&task, text, size);
}

static void print_rest(const mr_model *m, const struct totals *t)
{
    char text[160];
    mr_print_line(stdout, "Total params: %lld (%.2f MiB)", (long long)t->trainable + (long long)t->frozen,
                  (double)(t->trainable + t->frozen) * sizeof(float) / (1 << 20));
    mr_print_line(stdout, "Trainable params: %lld", (long long)t->trainable);
    mr_print_line(stdout, "Non-trainable params: %lld", (long long)t->frozen);
    print_memory(m->graph);
    print_training(m);
    mr_print_line(stdout, "Outputs: %s", outputs_text(m, text, sizeof text));
    mr_print_line(stdout, "Preprocessing: %s",
                  m->has_preprocess ? mr_cli_contract_text(&m->preprocess, text, sizeof text) : "not in the file");
    print_classes(m);
    print_held_out(m);
    print_provenance(m);
    print_writer(m);
}

/* --- as JSON -------------------------------------------------------------------- */

static json_t *shape_json(const mr_shape *s)
{
    json_t *a = json_array();
    json_array_append_new(a, json_null());
    for (int i = 1; i < s->rank; i++)
        json_array_append_new(a, json_integer(s->dim[i]));
    return a;
}

static json_t *layers_json(const mr_graph *g, struct totals *t)
{
    json_t *all = json_array();
    for (int i = 0; i < g->layers; i++) {
        const mr_layer *l = g->layer[i];
        mr_text connected = {0};
        const mr_node *n = calls_of(g, l, &connected);
        json_t *inputs = json_array();
        for (int k = 0; n && k < n->inputs; k++)
            json_array_append_new(inputs, json_string(g->node[n->input[k]].layer->name));
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:o, s:I, s:b, s:o}", "name", l->name, "class_name", l->class->name,
                           "output_shape", n ? shape_json(&n->shape) : json_null(), "params",
                           (json_int_t)params_of(l, t), "trainable", l->trainable, "connected_to", inputs));
        mr_text_destroy(&connected);
    }
    return all;
}

static json_t *contract_json(const mr_model *m)
{
    const mr_preprocess *p = &m->preprocess;
    if (!m->has_preprocess)
        return json_null();
    return json_pack("{s:[i,i], s:s, s:s, s:f, s:f, s:b}", "image_size", p->height, p->width, "color_mode",
                     mr_color_mode_name(p->color_mode), "interpolation",
                     mr_interpolation_name(p->interpolation), "rescale", p->rescale, "offset", p->offset,
                     "dct_scaling", p->dct_scaling);
}

static int print_json(const mr_model *m, struct totals *t, mr_error *e)
{
    json_t *layers = layers_json(m->graph, t), *classes = json_array(), *held_out = json_array(), *record;
    size_t k;
    for (int i = 0; m->class_names && i < m->classes; i++)
        json_array_append_new(classes, json_string(m->class_names[i]));
    json_array_foreach (m->held_out, k, record)
        json_array_append_new(held_out, mr_held_out_facts(record));
    json_t *all = json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:o, s:O?, s:b, s:I, s:o, s:o, s:o, s:s?, s:s?, s:s?, s:O?}", "name",
        m->graph->name, "layers", layers, "total_params", (json_int_t)t->trainable + (json_int_t)t->frozen,
        "trainable_params", (json_int_t)t->trainable, "non_trainable_params", (json_int_t)t->frozen,
        "peak_memory", memory_json(m->graph), "training_config", m->training, "optimizer_state",
        m->has_optimizer_state, "iterations", (json_int_t)m->iterations, "preprocessing", contract_json(m),
        "class_names", classes, "held_out", held_out, "keras_version", m->keras_version, "backend", m->backend, "millrace_version",
        m->millrace_version, "provenance", m->provenance);
    int status = all && !json_dumpf(all, stdout, JSON_INDENT(1))
                     ? 0
                     : mr_fail(e, MR_EIO, "the summary cannot be written as JSON");
    printf("\n");
    json_decref(all);
    return status;
}

static int run(mr_cli *c, mr_error *e)
{
    mr_model *m;
    struct totals t = {0};
    int status = mr_model_load(&m, c->operand[0], e);
    if (status)
        return mr_exit_status(status);
    if (c->json) {
        status = print_json(m, &t, e);
    } else {
        mr_print_line(stdout, "Model: \"%s\"", m->graph->name);
        status = print_table(m->graph, &t, e);
        print_rest(m, &t);
    }
    if (!status && fflush(stdout))
        status = mr_fail(e, MR_EIO, "standard output cannot be written");
    mr_model_free(m);
    return status ? mr_exit_status(status) : MR_EXIT_DONE;
}

const mr_command mr_command_summary = {
    .name = "summary",
    .options = MR_FOR_SUMMARY,
    .operands = "MODEL",
    .least = 1,
    .most = 1,
    .description =
        "layers, shapes, parameter counts, preprocessing contract and optimizer state of a model file",
    .details = "\n  millrace summary cells.h5\n",
    .run = run,
};
