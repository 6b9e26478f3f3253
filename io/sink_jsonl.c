/* SPDX-License-Identifier: Apache-2.0 */
/* An object per line: {"path", "predicted", "confidence", "probabilities": {class: p}, "top": [{class,
 * probability}], each tensor as a flat array under its name, "status"}. A row without a prediction holds path
 * and status alone. */
#include "io/json.h"
#include "io/sink_kind.h"

static void probabilities(mr_json *w, const mr_sink_schema *s, const mr_sink_row *r)
{
    mr_json_key(w, "predicted");
    mr_json_string(w, r->predicted >= 0 ? s->class_names[r->predicted] : NULL);
    mr_json_key(w, "confidence");
    mr_json_float(w, r->confidence);
    mr_json_key(w, "probabilities");
    mr_json_begin_object(w);
    for (int i = 0; i < s->classes; i++) {
        mr_json_key(w, s->class_names[i]);
        mr_json_float(w, r->probability[i]);
    }
    mr_json_end_object(w);
}

static void top(mr_json *w, const mr_sink_schema *s, const mr_sink_row *r)
{
    mr_json_key(w, "top");
    mr_json_begin_array(w);
    for (int i = 0; i < s->top; i++) {
        mr_json_begin_object(w);
        mr_json_key(w, "class");
        mr_json_string(w, s->class_names[r->top[i]]);
        mr_json_key(w, "probability");
        mr_json_float(w, r->probability[r->top[i]]);
        mr_json_end_object(w);
    }
    mr_json_end_array(w);
}

static void tensor(mr_json *w, const mr_sink_tensor *t, const float *values)
{
    mr_json_key(w, t->name);
    mr_json_begin_array(w);
    for (size_t k = 0; k < mr_shape_sample(&t->shape); k++)
        mr_json_float(w, values[k]);
    mr_json_end_array(w);
}

static void row(mr_text *out, const mr_sink_schema *s, const mr_sink_row *r)
{
    mr_json w = {.text = *out};
    mr_json_begin_object(&w);
    mr_json_key(&w, "path");
    mr_json_string(&w, r->path);
    if (!r->error && s->classes)
        probabilities(&w, s, r);
    if (!r->error && s->top)
        top(&w, s, r);
    for (int i = 0; !r->error && i < s->tensors; i++)
        tensor(&w, &s->tensor[i], r->tensor[i]);
    mr_json_key(&w, "status");
    mr_json_string(&w, mr_row_status(r));
    mr_json_end_object(&w);
    mr_json_end_line(&w);
    *out = w.text;
}

const mr_text_kind mr_text_jsonl = {.row = row};
