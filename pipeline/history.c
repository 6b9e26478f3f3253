/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/history.h"

#include "nn/text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a record under their names in the checkpoint; one more column is one more row here. */
static const struct field {
    const char *name;
    size_t at;
    bool of_top; /* shown under another name, where it is wanted */
} fields[] = {
    {"loss", offsetof(mr_epoch_record, loss), false},
    {"accuracy", offsetof(mr_epoch_record, accuracy), false},
    {"val_loss", offsetof(mr_epoch_record, val_loss), false},
    {"val_accuracy", offsetof(mr_epoch_record, val_accuracy), false},
    {"learning_rate", offsetof(mr_epoch_record, learning_rate), false},
    {"seconds", offsetof(mr_epoch_record, seconds), false},
    {"images_per_second", offsetof(mr_epoch_record, images_per_second), false},
    {"top", offsetof(mr_epoch_record, top), true},
    {"val_top", offsetof(mr_epoch_record, val_top), true},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static int reserve(mr_history *h, int capacity, mr_error *e)
{
    mr_epoch_record *larger = realloc(h->record, (size_t)capacity * sizeof *larger);
    if (!larger)
        return mr_fail(e, MR_ENOMEM, "out of memory for the history");
    h->record = larger;
    h->capacity = capacity;
    return 0;
}

static int own_classes(mr_epoch_record *r, mr_error *e)
{
    const mr_class_tally *theirs = r->of_class;
    size_t size = (size_t)r->classes * sizeof *theirs;
    r->of_class = theirs ? malloc(size + 1) : NULL;
    if (r->of_class)
        memcpy(r->of_class, theirs, size);
    return theirs && !r->of_class ? mr_fail(e, MR_ENOMEM, "out of memory for the history") : 0;
}

int mr_history_append(mr_history *h, const mr_epoch_record *r, mr_error *e)
{
    mr_epoch_record copy = *r;
    int status = h->count < h->capacity ? 0 : reserve(h, h->capacity ? 2 * h->capacity : 32, e);
    if (!status)
        status = own_classes(&copy, e);
    if (!status)
        h->record[h->count++] = copy;
    return status;
}

int mr_history_copy(mr_history *to, const mr_history *from, mr_error *e)
{
    *to = (mr_history){0};
    int status = from->count ? reserve(to, from->count, e) : 0;
    for (int i = 0; i < from->count && !status; i++)
        status = mr_history_append(to, &from->record[i], e);
    if (status)
        mr_history_free(to);
    return status;
}

void mr_history_free(mr_history *h)
{
    for (int i = 0; i < h->count; i++)
        free(h->record[i].of_class);
    free(h->record);
    *h = (mr_history){0};
}

/* --- numbers ------------------------------------------------------------------ */

json_t *mr_number_json(double v)
{
    if (isnan(v))
        return json_null();
    return isinf(v) ? json_string(v > 0 ? "inf" : "-inf") : json_real(v);
}

double mr_number_from_json(const json_t *v)
{
    const char *text = json_string_value(v);
    if (text && !strcmp(text, "inf"))
        return INFINITY;
    if (text && !strcmp(text, "-inf"))
        return -INFINITY;
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* --- records ------------------------------------------------------------------ */

static double *field_of(mr_epoch_record *r, int i)
{
    return (double *)((char *)r + fields[i].at);
}

static json_t *classes_json(const mr_epoch_record *r)
{
    json_t *list = json_array();
    for (int i = 0; list && i < r->classes; i++) {
        const mr_class_tally *c = &r->of_class[i];
        json_array_append_new(
            list, json_pack("[I,I,I]", (json_int_t)c->truth, (json_int_t)c->predicted, (json_int_t)c->right));
    }
    return list;
}

static json_t *record_json(mr_epoch_record r)
{
    json_t *v = json_pack("{s:i}", "epoch", r.epoch);
    for (int i = 0; v && i < FIELDS; i++)
        json_object_set_new(v, fields[i].name, mr_number_json(*field_of(&r, i)));
    if (v && r.of_class)
        json_object_set_new(v, "classes", classes_json(&r));
    return v;
}

json_t *mr_history_json(const mr_history *h)
{
    json_t *list = json_array();
    for (int i = 0; i < h->count; i++)
        json_array_append_new(list, record_json(h->record[i]));
    return list;
}

/* Owned by R. Checkpoints of runs without it have none. */
static int classes_from_json(mr_epoch_record *r, const json_t *list, mr_error *e)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > MR_HISTORY_CLASSES)
        return n ? mr_fail(e, MR_EFORMAT, "the history is of %zu classes", n) : 0;
    r->of_class = calloc(n, sizeof *r->of_class);
    if (!r->of_class)
        return mr_fail(e, MR_ENOMEM, "out of memory for the history");
    r->classes = (int)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);
        r->of_class[i] = (mr_class_tally){json_integer_value(json_array_get(row, 0)),
                                          json_integer_value(json_array_get(row, 1)),
                                          json_integer_value(json_array_get(row, 2))};
    }
    return 0;
}

int mr_history_from_json(mr_history *out, const json_t *v, mr_error *e)
{
    const json_t *row;
    size_t i;
    int status = 0;
    *out = (mr_history){0};
    json_array_foreach ((json_t *)v, i, row) {
        mr_epoch_record r = {.epoch = (int)json_integer_value(json_object_get(row, "epoch"))};
        for (int k = 0; k < FIELDS; k++)
            *field_of(&r, k) = mr_number_from_json(json_object_get(row, fields[k].name));
        status = r.epoch == (int)i + 1
                     ? classes_from_json(&r, json_object_get(row, "classes"), e)
                     : mr_fail(e, MR_EFORMAT, "the history's row %zu is of epoch %d", i + 1, r.epoch);
        if (!status)
            status = mr_history_append(out, &r, e);
        free(r.of_class);
        if (status)
            break;
    }
    if (status)
        mr_history_free(out);
    return status;
}

/* --- columns ------------------------------------------------------------------ */

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0; /* as scikit-learn's report has it */
}

static void visit_class(const char *class_name, const mr_class_tally *t,
                        void (*visit)(void *context, const char *name, double value), void *context)
{
    static const char *const names[] = {"val_precision/", "val_recall/", "val_f1/"};
    double v[3] = {NAN, NAN, NAN};
    if (t) {
        v[0] = ratio((double)t->right, (double)t->predicted);
        v[1] = ratio((double)t->right, (double)t->truth);
        v[2] = ratio(2 * (double)t->right, (double)(t->predicted + t->truth));
    }
    for (int i = 0; i < 3; i++) {
        mr_text name = {0};
        mr_text_append(&name, names[i]);
        mr_text_append(&name, class_name);
        visit(context, mr_text_string(&name), v[i]);
        mr_text_destroy(&name);
    }
}

void mr_history_visit(const mr_history_columns *c, const mr_epoch_record *r,
                      void (*visit)(void *context, const char *name, double value), void *context)
{
    char name[64];
    for (int i = 0; i < FIELDS; i++) {
        if (fields[i].of_top && !c->top)
            continue;
        snprintf(name, sizeof name, fields[i].of_top ? "%s_%d_accuracy" : "%s", fields[i].name, c->top);
        visit(context, name, r ? *field_of((mr_epoch_record *)r, i) : NAN);
    }
    for (int i = 0; i < c->classes; i++) {
        snprintf(name, sizeof name, "%d", i);
        visit_class(c->class_names ? c->class_names[i] : name,
                    r && r->of_class && i < r->classes ? &r->of_class[i] : NULL, visit, context);
    }
}
