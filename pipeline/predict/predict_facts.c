/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predict_facts.h"

#include "base/checksum.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_SHOWN = 4 };

typedef struct asked { /* what the values are made from */
    const mr_model *model;
    const mr_predict_options *options;
    const mr_sink_schema *schema;
} asked;

/* --- one function for each fact, which appends its value ------------------------------------ */

static void precision(mr_text *out, const asked *a)
{
    mr_text_append(out, a->model->graph->mixed ? "mixed_bfloat16" : "float32");
}

static void weights(mr_text *out, const asked *a)
{
    const mr_graph *g = a->model->graph;
    mr_text_format(out, "%016llx", (unsigned long long)mr_checksum(g->state, g->weights * sizeof *g->state));
}

static void architecture(mr_text *out, const asked *a)
{
    char *text = json_dumps(a->model->graph->config, JSON_SORT_KEYS | JSON_COMPACT);
    out->failed |= !text;
    if (text)
        mr_text_format(out, "%016llx", (unsigned long long)mr_checksum(text, strlen(text)));
    free(text);
}

static void classes(mr_text *out, const asked *a)
{
    mr_text all = {0};
    for (int i = 0; i < a->schema->classes; i++) {
        mr_text_append_bytes(&all, a->schema->class_names[i], strlen(a->schema->class_names[i]) + 1);
        if (i < CLASSES_SHOWN)
            mr_text_format(out, "%s%s", i ? ", " : "", a->schema->class_names[i]);
    }
    out->failed |= all.failed;
    if (a->schema->classes > CLASSES_SHOWN)
        mr_text_format(out, ", … (%d of them, %016llx)", a->schema->classes,
                       (unsigned long long)mr_checksum(mr_text_string(&all), all.length));
    mr_text_destroy(&all);
}

static const mr_preprocess *pre(const asked *a)
{
    return &a->options->predictor.loader.preprocess;
}

static void image_size(mr_text *out, const asked *a)
{
    mr_text_format(out, "%dx%d", pre(a)->height, pre(a)->width);
}

static void color_mode(mr_text *out, const asked *a)
{
    mr_text_append(out, mr_color_mode_name(pre(a)->color_mode));
}

static void number(mr_text *out, double value)
{
    char text[MR_NUMBER_SIZE];
    mr_format_double(text, value);
    mr_text_append(out, text);
}

static void rescale(mr_text *out, const asked *a)
{
    number(out, pre(a)->rescale);
}

static void offset(mr_text *out, const asked *a)
{
    number(out, pre(a)->offset);
}

static void interpolation(mr_text *out, const asked *a)
{
    mr_text_append(out, mr_interpolation_name(pre(a)->interpolation));
}

static void dct_scaling(mr_text *out, const asked *a)
{
    mr_text_append(out, pre(a)->dct_scaling ? "on" : "off");
}

/* "", where none was given, and "0.5 A=0.9". */
static void threshold(mr_text *out, const asked *a)
{
    const mr_thresholds *t = &a->options->thresholds;
    char text[MR_NUMBER_SIZE];
    mr_format_float(text, t->least);
    if (t->least > 0)
        mr_text_append(out, text);
    for (int i = 0; t->of_class && i < a->schema->classes; i++) {
        mr_format_float(text, t->of_class[i]);
        if (!isnan(t->of_class[i]))
            mr_text_format(out, "%s%s=%s", out->length ? " " : "", a->schema->class_names[i], text);
    }
}

static void outputs(mr_text *out, const asked *a)
{
    char text[128];
    mr_text_append(out, mr_task_text(&a->options->task, text, sizeof text));
}

static void top(mr_text *out, const asked *a)
{
    if (a->schema->top)
        mr_text_format(out, "%d", a->schema->top);
}

static void layers(mr_text *out, const asked *a)
{
    for (int i = 0; i < a->options->predictor.nodes; i++)
        mr_text_format(out, "%s%s", i ? " " : "", a->model->graph->node[a->options->predictor.node[i]].layer->name);
}

static void csv_safe(mr_text *out, const asked *a)
{
    mr_text_append(out, a->schema->csv_safe ? "on" : "off");
}

static void ranks(mr_text *out, const asked *a)
{
    mr_text_format(out, "%d", a->options->ranks);
    if (a->options->ranks) /* parts are dealt out in batches */
        mr_text_format(out, " with --batch-size %d", a->options->predictor.loader.batch_size);
}

/* --- all of them ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*value)(mr_text *out, const asked *a);
} table[] = {{"classes", classes},
             {"--activation", outputs},
             {"--precision", precision},
             {"model architecture", architecture},
             {"model weights", weights},
             {"--image-size", image_size},
             {"--color-mode", color_mode},
             {"--rescale", rescale},
             {"--offset", offset},
             {"--interpolation", interpolation},
             {"--dct-scaling", dct_scaling},
             {"--threshold", threshold},
             {"--top", top},
             {"--layer", layers},
             {"--csv-safe", csv_safe},
             {"mpirun ranks", ranks}};
enum { COUNT = sizeof table / sizeof *table };
_Static_assert(sizeof table / sizeof *table <= (size_t)MR_PREDICT_FACTS, "room for all facts");

int mr_predict_facts(mr_fact *fact, const mr_model *m, const mr_predict_options *o, const mr_sink_schema *s, mr_error *e)
{
    const asked a = {m, o, s};
    memset(fact, 0, MR_PREDICT_FACTS * sizeof *fact);
    for (int i = 0; i < COUNT; i++) {
        mr_text value = {0};
        table[i].value(&value, &a);
        fact[i] = (mr_fact){.name = table[i].name, .value = strdup(mr_text_string(&value))};
        int status = fact[i].value ? mr_text_check(&value, "a run's facts", e)
                                   : mr_no_memory(e, "a run's facts");
        mr_text_destroy(&value);
        if (status)
            return status;
    }
    return COUNT;
}

void mr_predict_facts_free(mr_fact *fact)
{
    for (int i = 0; i < MR_PREDICT_FACTS; i++)
        free(fact[i].value);
}
