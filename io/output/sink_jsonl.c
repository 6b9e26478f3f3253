/* SPDX-License-Identifier: Apache-2.0 */
/* An object per line: {"path", "predicted", "confidence", "probabilities": {class: p}, "top": [{class,
 * probability}], "outputs": {name: flat array}, "status"}. A row without a prediction holds path and status
 * alone. A path that is no UTF-8, which JSON cannot say, has its bytes in "path_hex", too. */
#include "base/json_write.h"
#include "base/json_read.h"
#include "io/output/sink_internal.h"
#include "base/number.h"

#include <jansson.h>
#include <stdlib.h>

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

static void tensors(mr_json *w, const mr_sink_schema *s, const float *const *values)
{
    mr_json_key(w, "outputs");
    mr_json_begin_object(w);
    for (int i = 0; i < s->tensors; i++) {
        mr_json_key(w, s->tensor[i].name);
        mr_json_begin_array(w);
        for (size_t k = 0; k < mr_shape_sample(&s->tensor[i].shape); k++)
            mr_json_float(w, values[i][k]);
        mr_json_end_array(w);
    }
    mr_json_end_object(w);
}

static void path(mr_json *w, const char *path)
{
    mr_json_key(w, "path");
    mr_json_string(w, path);
    if (mr_utf8_valid(path))
        return;
    char *hex = mr_hex_encode(path, strlen(path));
    mr_json_key(w, "path_hex");
    mr_json_string(w, hex ? hex : "");
    w->text.failed |= !hex;
    free(hex);
}

static void row(mr_text *out, const mr_sink_schema *s, const mr_sink_row *r)
{
    mr_json w = {.text = *out};
    mr_json_begin_object(&w);
    path(&w, r->path);
    if (!r->error && s->classes)
        probabilities(&w, s, r);
    if (!r->error && s->top)
        top(&w, s, r);
    if (!r->error && s->tensors)
        tensors(&w, s, r->tensor);
    mr_json_key(&w, "status");
    mr_json_string(&w, mr_row_status(r));
    mr_json_end_object(&w);
    mr_json_end_line(&w);
    *out = w.text;
}

/* --- reading again -------------------------------------------------------------------- */

static size_t measure(const char *bytes, size_t size)
{
    const char *end = memchr(bytes, '\n', size);
    return end ? (size_t)(end - bytes) + 1 : 0;
}

static bool append_hex(mr_text *out, const char *hex)
{
    size_t size;
    char *bytes = mr_hex_decode(hex, &size);
    if (bytes)
        mr_text_append_bytes(out, bytes, size);
    free(bytes);
    return bytes != NULL;
}

/* Strings are copied into SCRATCH, since the tree goes. */
static bool take_apart(const json_t *tree, const mr_sink_schema *s, mr_text *scratch, mr_past_row *out)
{
    const char *given = mr_json_text(tree, "path"),
               *hex = mr_json_text(tree, "path_hex"),
               *status = mr_json_text(tree, "status");
    if (!given || !status)
        return false;
    mr_text_clear(scratch);
    if (!hex)
        mr_text_append(scratch, given);
    else if (!append_hex(scratch, hex))
        return false;
    size_t at = scratch->length + 1;
    mr_text_append_char(scratch, '\0');
    mr_text_append(scratch, status);
    if (scratch->failed)
        return false;
    out->path = scratch->data;
    out->status = scratch->data + at;
    out->failed = mr_status_is_failure(status);
    out->predicted = mr_schema_class(s, mr_json_text(tree, "predicted"));
    return true;
}

static bool parse(char *bytes, size_t size, const mr_sink_schema *s, mr_text *scratch, mr_past_row *out)
{
    json_t *tree = json_loadb(bytes, size, 0, NULL);
    bool whole = tree && take_apart(tree, s, scratch, out);
    json_decref(tree);
    return whole;
}

/* --- is it a row of this schema? --------------------------------------------------------- */

/* Have A and B the same names and lengths? Of other values any two are equal. */
static bool same_structure(const json_t *a, const json_t *b)
{
    if (json_is_object(a) != json_is_object(b) || json_is_array(a) != json_is_array(b) ||
        json_object_size(a) != json_object_size(b) || json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!same_structure(json_array_get(a, i), json_array_get(b, i)))
            return false;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)a, key, value) {
        const json_t *other = json_object_get(b, key);
        if (!other || !same_structure(value, other))
            return false;
    }
    return true;
}

/* A row of S whose numbers are all 0; NULL: no memory. */
static json_t *example(const mr_sink_schema *s)
{
    size_t most = (size_t)s->classes;
    for (int i = 0; i < s->tensors; i++)
        if (mr_shape_sample(&s->tensor[i].shape) > most)
            most = mr_shape_sample(&s->tensor[i].shape);
    float *zeros = calloc(most + 1, sizeof *zeros);
    const float **tensor = calloc((size_t)s->tensors + 1, sizeof *tensor);
    int *top_ones = calloc((size_t)s->top + 1, sizeof *top_ones);
    mr_text text = {0};
    for (int i = 0; tensor && i < s->tensors; i++)
        tensor[i] = zeros;
    if (zeros && tensor && top_ones)
        row(&text, s, &(mr_sink_row){.path = "", .probability = zeros, .top = top_ones, .tensor = tensor});
    json_t *tree = text.failed ? NULL : json_loadb(mr_text_string(&text), text.length, 0, NULL);
    mr_text_destroy(&text);
    free(top_ones);
    free(tensor);
    free(zeros);
    return tree;
}

static int fits(const char *bytes, size_t size, const mr_sink_schema *s)
{
    static const char *const parts[] = {"probabilities", "top", "outputs"};
    json_t *tree = json_loadb(bytes, size, 0, NULL), *like = example(s);
    int same = tree && like ? 1 : MR_ENOMEM;
    for (size_t i = 0; same == 1 && i < sizeof parts / sizeof *parts; i++) {
        const json_t *a = json_object_get(tree, parts[i]), *b = json_object_get(like, parts[i]);
        same = a && b ? same_structure(a, b) : a == b;
    }
    json_decref(like);
    json_decref(tree);
    return same;
}

const mr_row_format mr_rows_jsonl = {.row = row, .measure = measure, .parse = parse, .fits = fits};
