/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/fingerprint.h"

#include "base/checksum.h"

#include <stdio.h>
#include <string.h>

size_t mr_data_count(mr_data d)
{
    return d.set ? d.set->count : d.x ? (size_t)d.x->shape.dim[0] : 0;
}

/* Bytes of the longest folder path ("a/b/") that all samples' paths begin with. */
static size_t common_folder(const mr_dataset *set)
{
    const char *first = set->count ? set->samples[0].path : "";
    size_t common = strlen(first);
    for (size_t i = 1; i < set->count; i++) {
        size_t n = 0;
        while (n < common && set->samples[i].path[n] == first[n])
            n++;
        common = n;
    }
    while (common && first[common - 1] != '/')
        common--;
    return common;
}

static void add_set(mr_checksum_stream *s, const mr_dataset *set)
{
    size_t common = common_folder(set);
    for (size_t i = 0; i < set->count; i++) {
        mr_checksum_add_text(s, set->samples[i].path + common);
        mr_checksum_add_number(s, set->samples[i].label);
    }
}

static void add_array(mr_checksum_stream *s, const mr_array *a)
{
    if (!a)
        return;
    mr_checksum_add_number(s, a->bytes);
    for (int i = 0; i < a->shape.rank; i++)
        mr_checksum_add_number(s, a->shape.dim[i]);
    size_t count = mr_shape_count(&a->shape);
    mr_checksum_add(s, a->bytes ? (const void *)a->u8 : a->f32, count * (a->bytes ? 1 : sizeof *a->f32));
}

int mr_data_fingerprint(json_t **out, mr_data d, mr_error *e)
{
    mr_checksum_stream *s;
    char text[17];
    *out = NULL;
    if (!d.set && !d.x) {
        *out = json_null();
        return 0;
    }
    int status = mr_checksum_begin(&s, e);
    if (status)
        return status;
    if (d.set)
        add_set(s, d.set);
    add_array(s, d.x);
    add_array(s, d.y);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)mr_checksum_end(s));
    *out = json_pack("{s:I, s:s}", "count", (json_int_t)mr_data_count(d), "xxh3", text);
    return *out ? 0 : mr_no_memory(e, "the data's fingerprint");
}

static long long count_of(const json_t *v)
{
    return json_integer_value(json_object_get(v, "count"));
}

int mr_data_compare(const json_t *before, const json_t *now, const char *what, mr_error *e)
{
    if (!before || json_equal(before, now))
        return 0;
    int status =
        count_of(before) != count_of(now)
            ? mr_fail(e, MR_EINVAL, "the %s data are not those of the run: %lld samples then, %lld now", what,
                      count_of(before), count_of(now))
            : mr_fail(e, MR_EINVAL, "the %s data are not those of the run: %lld samples as then, but others",
                      what, count_of(now));
    return mr_hint(e, status, "to continue with other data, start a new run with --from");
}
