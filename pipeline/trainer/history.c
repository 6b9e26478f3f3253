/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/trainer/history.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a record under their names in the checkpoint; one more column is one more row here. */
static const struct field {
    const char *name;
    size_t at;
    bool of_top;      /* shown under another name, where it is wanted */
    bool is_accuracy; /* perhaps under another name */
} fields[] = {
    {"loss", offsetof(mr_epoch_record, loss), false, false},
    {"accuracy", offsetof(mr_epoch_record, accuracy), false, true},
    {"val_loss", offsetof(mr_epoch_record, val_loss), false, false},
    {"val_accuracy", offsetof(mr_epoch_record, val_accuracy), false, true},
    {"learning_rate", offsetof(mr_epoch_record, learning_rate), false, false},
    {"seconds", offsetof(mr_epoch_record, seconds), false, false},
    {"images_per_second", offsetof(mr_epoch_record, images_per_second), false, false},
    {"top", offsetof(mr_epoch_record, top), true, false},
    {"val_top", offsetof(mr_epoch_record, val_top), true, false},
};
enum { FIELDS = sizeof fields / sizeof *fields, TALLY = 3 /* numbers of a class */ };
enum { LONGEST_NAME = 4096 + 32 }; /* of a column: a class is a folder, or a line of a model file */

static int out_of_memory(mr_error *e)
{
    return mr_no_memory(e, "the history");
}

static int reserve(mr_history *h, int capacity, mr_error *e)
{
    mr_epoch_record *larger = realloc(h->record, (size_t)capacity * sizeof *larger);
    if (!larger)
        return out_of_memory(e);
    h->record = larger;
    size_t tallies = (size_t)capacity * (size_t)h->classes;
    mr_class_tally *tally = tallies ? realloc(h->tally, tallies * sizeof *tally) : NULL;
    if (tallies && !tally)
        return out_of_memory(e);
    h->tally = tally;
    h->capacity = capacity;
    for (int i = 0; i < h->count; i++)
        if (h->record[i].of_class)
            h->record[i].of_class = tally + (size_t)i * (size_t)h->classes;
    return 0;
}

/* R's tallies into their place. */
static int own_classes(mr_history *h, mr_epoch_record *r, mr_error *e)
{
    if (!r->of_class || !r->classes) {
        r->of_class = NULL;
        return 0;
    }
    if (h->tally && h->classes != r->classes)
        return mr_fail(e, MR_EINVAL, "the history is of %d classes, then of %d", h->classes, r->classes);
    size_t classes = (size_t)r->classes;
    if (!h->tally)
        h->tally = malloc((size_t)h->capacity * classes * sizeof *h->tally);
    if (!h->tally)
        return out_of_memory(e);
    h->classes = r->classes;
    r->of_class = memcpy(h->tally + (size_t)h->count * classes, r->of_class, classes * sizeof *h->tally);
    return 0;
}

int mr_history_append(mr_history *h, const mr_epoch_record *r, mr_error *e)
{
    mr_epoch_record copy = *r;
    int status = h->count < h->capacity ? 0 : reserve(h, h->capacity ? 2 * h->capacity : 32, e);
    if (!status)
        status = own_classes(h, &copy, e);
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
    free(h->record);
    free(h->tally);
    *h = (mr_history){0};
}

bool mr_history_validated(const mr_history *h)
{
    for (int i = 0; i < h->count; i++)
        if (!isnan(h->record[i].val_loss))
            return true;
    return false;
}

int mr_history_best(const mr_history *h)
{
    bool validated = mr_history_validated(h);
    int best = 0;
    double least = INFINITY;
    for (int i = 0; i < h->count; i++) {
        double value = validated ? h->record[i].val_loss : h->record[i].loss;
        if (value < least) {
            least = value;
            best = h->record[i].epoch;
        }
    }
    return best;
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

/* --- the table ------------------------------------------------------------------ */

static double *field_of(mr_epoch_record *r, int i)
{
    return (double *)((char *)r + fields[i].at);
}

json_t *mr_history_description(const mr_history *h)
{
    json_t *columns = json_array();
    for (int i = 0; columns && i < FIELDS; i++)
        json_array_append_new(columns, json_string(fields[i].name));
    return columns ? json_pack("{s:o, s:i}", "columns", columns, "classes", h->classes) : NULL;
}

int mr_history_width(const mr_history *h)
{
    return FIELDS + TALLY * h->classes;
}

void mr_history_table(double *table, const mr_history *h)
{
    for (int i = 0; i < h->count; i++) {
        mr_epoch_record r = h->record[i];
        for (int k = 0; k < FIELDS; k++)
            *table++ = *field_of(&r, k);
        for (int k = 0; k < h->classes; k++) {
            bool there = r.of_class != NULL;
            *table++ = there ? (double)r.of_class[k].truth : NAN;
            *table++ = there ? (double)r.of_class[k].predicted : NAN;
            *table++ = there ? (double)r.of_class[k].right : NAN;
        }
    }
}

/* Which number of a table's row is field I; -1: an older program did not know it. */
static int column_of(const json_t *columns, int i)
{
    size_t k;
    const json_t *name;
    json_array_foreach ((json_t *)columns, k, name)
        if (json_is_string(name) && !strcmp(json_string_value(name), fields[i].name))
            return (int)k;
    return -1;
}

static bool is_count(double v)
{
    return v >= 0 && v < 9007199254740992. && v == floor(v);
}

/* CLASSES tallies into R, which owns them; a row whose first number is NAN has none. */
static int tallies_from_row(mr_epoch_record *r, const double *v, int classes, mr_error *e)
{
    int n = classes && !isnan(v[0]) ? classes : 0;
    for (int i = 0; i < TALLY * n; i++)
        if (!is_count(v[i]))
            return mr_fail(e, MR_EFORMAT, "the history counts %g samples of a class", v[i]);
    r->of_class = n ? calloc((size_t)n, sizeof *r->of_class) : NULL;
    if (n && !r->of_class)
        return mr_no_memory(e, "the history");
    r->classes = n;
    for (int i = 0; i < n; i++, v += TALLY)
        r->of_class[i] = (mr_class_tally){(int64_t)v[0], (int64_t)v[1], (int64_t)v[2]};
    return 0;
}

int mr_history_from_table(mr_history *out, const json_t *description, const double *table, size_t rows,
                          size_t width, mr_error *e)
{
    const json_t *columns = json_object_get(description, "columns");
    size_t fixed = json_array_size(columns);
    json_int_t classes = json_integer_value(json_object_get(description, "classes"));
    int status = 0;
    *out = (mr_history){0};
    if (rows == 0)
        return 0;
    if (classes < 0 || classes > MR_HISTORY_CLASSES || rows > INT_MAX || fixed > width ||
        width - fixed != TALLY * (size_t)classes)
        return mr_fail(e, MR_EFORMAT, "the history's table of %zu columns is not as it is described", width);
    int at[FIELDS];
    for (int k = 0; k < FIELDS; k++)
        at[k] = column_of(columns, k);
    for (size_t i = 0; i < rows && !status; i++) {
        const double *row = table + i * width;
        mr_epoch_record r = {.epoch = (int)i + 1};
        for (int k = 0; k < FIELDS; k++)
            *field_of(&r, k) = at[k] < 0 ? NAN : row[at[k]];
        status = tallies_from_row(&r, row + fixed, (int)classes, e);
        if (!status)
            status = mr_history_append(out, &r, e);
        free(r.of_class);
    }
    if (status)
        mr_history_free(out);
    return status;
}

/* --- records of version 1 ------------------------------------------------------ */

/* Owned by R. Checkpoints of runs without it have none. */
static int classes_from_json(mr_epoch_record *r, const json_t *list, mr_error *e)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > MR_HISTORY_CLASSES)
        return n ? mr_fail(e, MR_EFORMAT, "the history is of %zu classes", n) : 0;
    r->of_class = calloc(n, sizeof *r->of_class);
    if (!r->of_class)
        return mr_no_memory(e, "the history");
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
        char name[LONGEST_NAME]; /* no memory to run out of: a column must not lose its name */
        snprintf(name, sizeof name, "%s%s", names[i], class_name);
        visit(context, name, v[i]);
    }
}

static void name_column(char *name, size_t size, const mr_history_columns *c, const struct field *f)
{
    if (f->of_top)
        snprintf(name, size, "%s_%d_accuracy", f->name, c->top);
    else if (f->is_accuracy && c->accuracy)
        snprintf(name, size, "%s%s", strncmp(f->name, "val_", 4) ? "" : "val_", c->accuracy);
    else
        snprintf(name, size, "%s", f->name);
}

void mr_history_visit(const mr_history_columns *c, const mr_epoch_record *r,
                      void (*visit)(void *context, const char *name, double value), void *context)
{
    char name[64];
    for (int i = 0; i < FIELDS; i++) {
        if (fields[i].of_top && !c->top)
            continue;
        name_column(name, sizeof name, c, &fields[i]);
        visit(context, name, r ? *field_of((mr_epoch_record *)r, i) : NAN);
    }
    for (int i = 0; i < c->classes; i++) {
        snprintf(name, sizeof name, "%d", i);
        visit_class(c->class_names ? c->class_names[i] : name,
                    r && r->of_class && i < r->classes ? &r->of_class[i] : NULL, visit, context);
    }
}
