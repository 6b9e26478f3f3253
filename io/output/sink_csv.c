/* SPDX-License-Identifier: Apache-2.0 */
/* path, predicted, confidence, a column per class (its probability), the top ones, tensors, status. A row
 * without a prediction has empty fields between path and status. */
#include "base/csv.h"
#include "io/output/sink_internal.h"

#include <string.h>

/* What a spreadsheet takes for a formula, or, between quotes, passes over in front of one. The mark itself too, so
 * that it can be taken off again. */
#define FORMULA_STARTS "=+-@\t\r\n'"

/* The writer gathers in OUT: its text is put in for the call and taken out again. */
static mr_csv borrow(mr_text *out)
{
    return (mr_csv){.text = *out};
}

static void append_text(mr_csv *w, const mr_sink_schema *s, const char *text)
{
    mr_text marked = {0};
    if (!s->csv_safe || !*text || !strchr(FORMULA_STARTS, *text)) {
        mr_csv_string(w, text);
        return;
    }
    mr_text_format(&marked, "'%s", text);
    mr_csv_text(w, &marked);
    mr_text_destroy(&marked);
}

static const char *without_mark(const mr_sink_schema *s, const char *text)
{
    return text && s->csv_safe && *text == '\'' ? text + 1 : text;
}

static void tensor_titles(mr_csv *w, const mr_sink_schema *s, const mr_sink_tensor *t)
{
    size_t size = mr_shape_sample(&t->shape);
    mr_text title = {0};
    for (size_t i = 0; i < size; i++) {
        mr_text_clear(&title);
        mr_text_format(&title, "%s_%zu", t->name, i);
        w->text.failed |= title.failed;
        append_text(w, s, mr_text_string(&title));
    }
    mr_text_destroy(&title);
}

static void header(mr_text *out, const mr_sink_schema *s)
{
    mr_csv w = borrow(out);
    mr_text title = {0};
    mr_csv_string(&w, "path");
    mr_csv_string(&w, "predicted");
    mr_csv_string(&w, "confidence");
    for (int i = 0; i < s->classes; i++) {
        mr_text_clear(&title);
        mr_text_format(&title, "probability_%s", s->class_names[i]);
        mr_csv_text(&w, &title);
    }
    for (int i = 1; i <= s->top; i++) {
        mr_text_clear(&title);
        mr_text_format(&title, "top_%d", i);
        mr_csv_text(&w, &title);
        mr_text_append(&title, "_probability");
        mr_csv_text(&w, &title);
    }
    for (int i = 0; i < s->tensors; i++)
        tensor_titles(&w, s, &s->tensor[i]);
    mr_csv_string(&w, "status");
    mr_csv_end_row(&w);
    mr_text_destroy(&title);
    *out = w.text;
}

static void no_prediction(mr_csv *w, const mr_sink_schema *s)
{
    size_t fields = 2 + (size_t)s->classes + 2 * (size_t)s->top;
    for (int i = 0; i < s->tensors; i++)
        fields += mr_shape_sample(&s->tensor[i].shape);
    for (size_t i = 0; i < fields; i++)
        mr_csv_empty(w);
}

static void classes(mr_csv *w, const mr_sink_schema *s, const mr_sink_row *row)
{
    if (row->predicted >= 0)
        append_text(w, s, s->class_names[row->predicted]);
    else
        mr_csv_empty(w);
    if (s->classes && !s->labels)
        mr_csv_float(w, row->confidence);
    else
        mr_csv_empty(w);
    for (int i = 0; i < s->classes; i++)
        mr_csv_float(w, row->probability[i]);
    for (int i = 0; i < s->top; i++) {
        append_text(w, s, s->class_names[row->top[i]]);
        mr_csv_float(w, row->probability[row->top[i]]);
    }
}

static void row(mr_text *out, const mr_sink_schema *s, const mr_sink_row *r)
{
    mr_csv w = borrow(out);
    append_text(&w, s, r->path);
    if (r->error) {
        no_prediction(&w, s);
    } else {
        classes(&w, s, r);
        for (int i = 0; i < s->tensors; i++)
            for (size_t k = 0; k < mr_shape_sample(&s->tensor[i].shape); k++)
                mr_csv_float(&w, r->tensor[i][k]);
    }
    append_text(&w, s, mr_row_status(r));
    mr_csv_end_row(&w);
    *out = w.text;
}

/* --- reading again -------------------------------------------------------------------- */

static size_t measure(const char *bytes, size_t size)
{
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '"')
            quoted = !quoted; /* a doubled quote turns it twice */
        else if (bytes[i] == '\n' && !quoted)
            return i + 1;
    }
    return 0;
}

/* Takes the field at *AT, unquoted in place; *AT moves behind its comma, or becomes NULL behind the last. */
static char *take_field(char **at)
{
    char *field = *at, *to = field, *from = field;
    bool quoted = false;
    for (; *from && (quoted || *from != ','); from++) {
        if (*from != '"') {
            *to++ = *from;
        } else {
            if (!quoted && from > field && from[-1] == '"')
                *to++ = '"';
            quoted = !quoted;
        }
    }
    *at = *from ? from + 1 : NULL;
    *to = '\0';
    return field;
}

static bool parse(char *bytes, size_t size, const mr_sink_schema *s, mr_text *scratch, mr_past_row *out)
{
    (void)scratch;
    if (memchr(bytes, '\0', size))
        return false;
    bytes[size - 1] = '\0';
    char *at = bytes;
    out->path = without_mark(s, take_field(&at));
    const char *predicted = at ? without_mark(s, take_field(&at)) : NULL;
    out->status = NULL;
    while (at)
        out->status = without_mark(s, take_field(&at));
    if (!out->status)
        return false;
    out->failed = mr_status_is_failure(out->status);
    out->predicted = mr_schema_class(s, predicted);
    return true;
}

const mr_row_format mr_rows_csv = {.header = header, .row = row, .measure = measure, .parse = parse};
