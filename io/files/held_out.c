/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/held_out.h"

#include "base/json_read.h"
#include "base/number.h"
#include "base/checksum.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DIGITS = 16 };

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "the files that are held out");
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* A file that cannot be seen has no size. */
static int file_sum(uint64_t *sum, const mr_dataset *set, size_t i, mr_error *e)
{
    struct stat st;
    mr_text text = {0};
    const char *path = set->samples[i].path;
    mr_text_append(&text, path + set->prefix);
    mr_text_format(&text, "//%lld", stat(path, &st) ? -1LL : (long long)st.st_size);
    *sum = mr_checksum(mr_text_string(&text), text.length);
    int status = mr_text_check(&text, "a path", e);
    mr_text_destroy(&text);
    return status;
}

/* [set->count], in the order of the set; malloc'ed. */
static int sums_of(uint64_t **out, const mr_dataset *set, mr_error *e)
{
    uint64_t *sums = *out = calloc(set->count + 1, sizeof *sums);
    int status = sums ? 0 : no_memory(e);
    for (size_t i = 0; !status && i < set->count; i++)
        status = file_sum(&sums[i], set, i, e);
    if (status) {
        free(sums);
        *out = NULL;
    }
    return status;
}

/* --- records ---------------------------------------------------------------------------------- */

static json_t *digits_of(const uint64_t *sums, size_t count)
{
    mr_text text = {0};
    mr_text_append(&text, "");
    for (size_t i = 0; i < count; i++)
        mr_text_format(&text, "%016" PRIx64, sums[i]);
    json_t *v = text.failed ? NULL : json_stringn(mr_text_string(&text), text.length);
    mr_text_destroy(&text);
    return v;
}

static size_t files_in(const json_t *record)
{
    return json_string_length(json_object_get(record, "held_out")) / DIGITS;
}

json_t *mr_held_out_facts(const json_t *record)
{
    return json_pack("{s:O, s:O, s:O?, s:I}", "validation_split", json_object_get(record, "fraction"), "seed",
                     json_object_get(record, "seed"), "images", json_object_get(record, "images"), "held_out",
                     (json_int_t)files_in(record));
}

/* The sums of RECORD, ascending; malloc'ed, NULL without memory. */
static uint64_t *sums_in(const json_t *record)
{
    size_t count = files_in(record);
    const char *text = mr_json_text(record, "held_out");
    uint64_t *sums = calloc(count + 1, sizeof *sums);
    for (size_t i = 0; sums && i < count; i++) {
        char one[DIGITS + 1] = "";
        memcpy(one, text + DIGITS * i, DIGITS);
        sums[i] = strtoull(one, NULL, 16);
    }
    if (sums)
        qsort(sums, count, sizeof *sums, by_value);
    return sums;
}

int mr_held_out_check(const json_t *records, mr_error *e)
{
    size_t i;
    json_t *r;
    bool good = json_is_array(records);
    json_array_foreach (records, i, r) {
        const json_t *text = json_object_get(r, "held_out");
        good = good && json_is_number(json_object_get(r, "fraction")) &&
               json_is_integer(json_object_get(r, "seed")) && json_is_string(text) &&
               json_string_length(text) % DIGITS == 0 &&
               mr_is_hex(json_string_value(text));
    }
    return good ? 0 : mr_fail(e, MR_EFORMAT, "millrace_held_out: not a list of splits");
}

int mr_held_out_add(json_t **records, const mr_dataset *validation, const mr_dataset *training,
                    double fraction, uint64_t seed, mr_error *e)
{
    uint64_t *sums;
    int status = sums_of(&sums, validation, e);
    if (status)
        return status;
    qsort(sums, validation->count, sizeof *sums, by_value);
    json_t *record = json_pack("{s:f, s:I, s:I, s:o}", "fraction", fraction, "seed", (json_int_t)seed,
                               "images", (json_int_t)(validation->count + training->count), "held_out",
                               digits_of(sums, validation->count));
    if (!*records)
        *records = json_array();
    for (size_t i = json_array_size(*records); i-- > 0;) /* of a run before on the same split */
        if (json_equal(json_array_get(*records, i), record))
            json_array_remove(*records, i);
    if (!record || json_array_append_new(*records, record))
        status = no_memory(e);
    free(sums);
    return status;
}

/* Strikes SUMS [count], ascending, from RECORD. */
static int strike(json_t *record, const uint64_t *sums, size_t count, mr_error *e)
{
    size_t files = files_in(record), kept = 0;
    uint64_t *own = sums_in(record);
    if (!own)
        return no_memory(e);
    for (size_t i = 0; i < files; i++)
        if (!bsearch(&own[i], sums, count, sizeof *sums, by_value))
            own[kept++] = own[i];
    int status =
        kept < files && json_object_set_new(record, "held_out", digits_of(own, kept)) ? no_memory(e) : 0;
    free(own);
    return status;
}

int mr_held_out_strike(json_t *records, const mr_dataset *training, mr_error *e)
{
    uint64_t *sums;
    if (json_array_size(records) == 0)
        return 0;
    int status = sums_of(&sums, training, e);
    if (status)
        return status;
    qsort(sums, training->count, sizeof *sums, by_value);
    for (size_t i = json_array_size(records); !status && i-- > 0;) {
        json_t *r = json_array_get(records, i);
        status = strike(r, sums, training->count, e);
        if (!status && files_in(r) == 0)
            json_array_remove(records, i);
    }
    free(sums);
    return status;
}

/* --- finding them ------------------------------------------------------------------------------- */

static int mark(mr_held_out *out, const json_t *record, const uint64_t *sums, size_t count, mr_error *e)
{
    uint64_t *own = sums_in(record);
    bool *held = calloc(count + 1, sizeof *held);
    size_t found = 0;
    int status = own && held ? 0 : no_memory(e);
    for (size_t i = 0; !status && i < count; i++) {
        held[i] = bsearch(&sums[i], own, files_in(record), sizeof *own, by_value) != NULL;
        found += held[i];
    }
    if (!status && found && found >= out->found) { /* of equal ones the latest */
        free(out->held);
        *out = (mr_held_out){.record = record, .files = files_in(record), .found = found, .held = held};
        held = NULL;
    }
    free(held);
    free(own);
    return status;
}

int mr_held_out_find(mr_held_out *out, const json_t *records, const mr_dataset *set, mr_error *e)
{
    uint64_t *sums;
    *out = (mr_held_out){0};
    if (json_array_size(records) == 0)
        return 0;
    int status = sums_of(&sums, set, e);
    for (size_t i = 0; !status && i < json_array_size(records); i++)
        status = mark(out, json_array_get(records, i), sums, set->count, e);
    free(sums);
    out->fraction = json_number_value(json_object_get(out->record, "fraction"));
    out->seed = (uint64_t)json_integer_value(json_object_get(out->record, "seed"));
    return status;
}
