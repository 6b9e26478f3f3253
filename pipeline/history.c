/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/history.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of a record under their names in the checkpoint; one more column is one more row here. */
static const struct field {
    const char *name;
    size_t at;
} fields[] = {
    {"loss", offsetof(mr_epoch_record, loss)},
    {"accuracy", offsetof(mr_epoch_record, accuracy)},
    {"val_loss", offsetof(mr_epoch_record, val_loss)},
    {"val_accuracy", offsetof(mr_epoch_record, val_accuracy)},
    {"learning_rate", offsetof(mr_epoch_record, learning_rate)},
    {"seconds", offsetof(mr_epoch_record, seconds)},
    {"images_per_second", offsetof(mr_epoch_record, images_per_second)},
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

int mr_history_append(mr_history *h, const mr_epoch_record *r, mr_error *e)
{
    int status = h->count < h->capacity ? 0 : reserve(h, h->capacity ? 2 * h->capacity : 32, e);
    if (!status)
        h->record[h->count++] = *r;
    return status;
}

int mr_history_copy(mr_history *to, const mr_history *from, mr_error *e)
{
    *to = (mr_history){0};
    int status = from->count ? reserve(to, from->count, e) : 0;
    if (status || !from->count)
        return status;
    memcpy(to->record, from->record, (size_t)from->count * sizeof *to->record);
    to->count = from->count;
    return 0;
}

void mr_history_free(mr_history *h)
{
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

static json_t *record_json(mr_epoch_record r)
{
    json_t *v = json_pack("{s:i}", "epoch", r.epoch);
    for (int i = 0; v && i < FIELDS; i++)
        json_object_set_new(v, fields[i].name, mr_number_json(*field_of(&r, i)));
    return v;
}

json_t *mr_history_json(const mr_history *h)
{
    json_t *list = json_array();
    for (int i = 0; i < h->count; i++)
        json_array_append_new(list, record_json(h->record[i]));
    return list;
}

int mr_history_from_json(mr_history *out, const json_t *v, mr_error *e)
{
    const json_t *row;
    size_t i;
    int status = 0;
    *out = (mr_history){0};
    json_array_foreach((json_t *)v, i, row)
    {
        mr_epoch_record r = {.epoch = (int)json_integer_value(json_object_get(row, "epoch"))};
        for (int k = 0; k < FIELDS; k++)
            *field_of(&r, k) = mr_number_from_json(json_object_get(row, fields[k].name));
        status = r.epoch == (int)i + 1
                     ? mr_history_append(out, &r, e)
                     : mr_fail(e, MR_EFORMAT, "the history's row %zu is of epoch %d", i + 1, r.epoch);
        if (status)
            break;
    }
    if (status)
        mr_history_free(out);
    return status;
}
