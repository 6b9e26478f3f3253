/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/seal.h"

#include "base/list.h"
#include "io/hdf5/checksum.h"

#include <stdlib.h>
#include <string.h>

#define SEAL "millrace_seal"

/* Texts that stand at the root or on a group, and lists of names. */
static const char *const texts[] = {"keras_version",
                                    "backend",
                                    "model_config",
                                    "training_config",
                                    "name",
                                    "millrace_version",
                                    "millrace_preprocessing",
                                    "millrace_class_names",
                                    "millrace_run",
                                    "millrace_provenance",
                                    "millrace_held_out"};
static const char *const lists[] = {"layer_names", "weight_names"};
static const char *const first_parts[] = {"layer_names0", "weight_names0"}; /* of lists that are long */
enum { TEXTS = sizeof texts / sizeof *texts, LISTS = sizeof lists / sizeof *lists };

struct walk {
    mr_checksum_stream *sum;
    mr_error *e;
};

/* --- what is sealed --- */

static int add_text(struct walk *w, hid_t object, const char *name)
{
    char *text = NULL;
    int status = mr_hdf5_read_text(&text, NULL, object, name, w->e);
    if (!status) {
        mr_checksum_add_text(w->sum, name);
        mr_checksum_add_text(w->sum, text);
    }
    free(text);
    return status;
}

static int add_list(struct walk *w, hid_t object, const char *name)
{
    mr_names names;
    int status = mr_hdf5_read_names(&names, object, name, w->e);
    if (status)
        return status;
    mr_checksum_add_text(w->sum, name);
    mr_checksum_add_number(w->sum, (int64_t)names.count);
    for (size_t i = 0; i < names.count; i++)
        mr_checksum_add_text(w->sum, names.name[i]);
    mr_names_free(&names);
    return 0;
}

static bool has_text(const mr_names *attributes, int i)
{
    return mr_names_find(attributes, texts[i]) >= 0;
}

/* Whole, or in parts. */
static bool has_list(const mr_names *attributes, int i)
{
    return mr_names_find(attributes, lists[i]) >= 0 || mr_names_find(attributes, first_parts[i]) >= 0;
}

static bool is_sealed_group(const mr_names *attributes)
{
    bool sealed = false;
    for (int i = 0; i < TEXTS; i++)
        sealed |= has_text(attributes, i);
    for (int i = 0; i < LISTS; i++)
        sealed |= has_list(attributes, i);
    return sealed;
}

static int add_group(struct walk *w, hid_t group, const char *path)
{
    mr_names attributes;
    int status = mr_hdf5_attributes(&attributes, group, w->e);
    if (status)
        return status;
    if (is_sealed_group(&attributes))
        mr_checksum_add_text(w->sum, path);
    for (int i = 0; i < TEXTS && !status; i++)
        if (has_text(&attributes, i))
            status = add_text(w, group, texts[i]);
    for (int i = 0; i < LISTS && !status; i++)
        if (has_list(&attributes, i))
            status = add_list(w, group, lists[i]);
    mr_names_free(&attributes);
    return status;
}

/* Of those that we write; 0: another one. */
static int64_t type_of(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    int64_t number = type < 0                             ? 0
                     : H5Tequal(type, H5T_IEEE_F32LE) > 0 ? 1
                     : H5Tequal(type, H5T_STD_I64LE) > 0  ? 2
                     : H5Tequal(type, H5T_IEEE_F64LE) > 0 ? 3
                                                          : 0;
    mr_hdf5_release(type);
    return number;
}

/* By its checksum: a dataset without one is not ours. */
static int add_dataset(struct walk *w, hid_t dataset, const char *path)
{
    uint64_t sum;
    mr_shape shape;
    int there = mr_hdf5_find_checksum(&sum, dataset, w->e);
    int status = there == 1 ? mr_hdf5_dataset_shape(&shape, dataset, path, w->e) : there;
    if (there != 1 || status)
        return status;
    mr_checksum_add_text(w->sum, path);
    mr_checksum_add_number(w->sum, type_of(dataset));
    for (int i = 0; i < shape.rank; i++)
        mr_checksum_add_number(w->sum, shape.dim[i]);
    mr_checksum_add_number(w->sum, (int64_t)sum);
    return 0;
}

static int visit(void *context, hid_t object, H5I_type_t type, const char *path, mr_error *e)
{
    struct walk *w = context;
    (void)e;
    return type == H5I_DATASET ? add_dataset(w, object, path)
           : type == H5I_GROUP ? add_group(w, object, path)
                               : 0;
}

static int seal_of(uint64_t *out, hid_t file, mr_error *e)
{
    struct walk w = {.e = e};
    int status = mr_checksum_begin(&w.sum, e);
    if (status)
        return status;
    status = mr_hdf5_visit(file, visit, &w, e);
    *out = mr_checksum_end(w.sum);
    return status;
}

/* --- the seal --- */

int mr_seal_exists(hid_t file, mr_error *e)
{
    return mr_hdf5_has_attribute(file, SEAL, e);
}

int mr_seal_write(hid_t file, mr_error *e)
{
    uint64_t sum = 0;
    char text[17];
    int status = seal_of(&sum, file, e);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    if (!status)
        status = mr_hdf5_write_text(file, SEAL, text, false, e);
    /* When out of memory, libhdf5 skips things silently: the seal of an incomplete file must not be written.
     */
    return status ? status : mr_seal_check(file, e);
}

int mr_seal_check(hid_t file, mr_error *e)
{
    uint64_t sum = 0;
    char text[17], *kept = NULL;
    int status = mr_hdf5_find_text(&kept, NULL, file, SEAL, e);
    if (status || !kept)
        return status;
    status = seal_of(&sum, file, e);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    if (!status && strcmp(text, kept))
        status = mr_hint(e,
                         mr_fail(e, MR_EFORMAT,
                                 "names or configuration do not match the file's seal: the file is damaged"),
                         "or another program changed it: then remove its attribute " SEAL " to accept that");
    free(kept);
    return status;
}

/* --- the numbers --- */

static mr_dataset_check *add_check(mr_file_check *f, const char *path)
{
    if (!mr_list_grow(&f->dataset, f->count, sizeof *f->dataset))
        return NULL;
    mr_dataset_check *d = &f->dataset[f->count];
    *d = (mr_dataset_check){.path = strdup(path)};
    f->count += d->path != NULL;
    return d->path ? d : NULL;
}

/* The elements as they are stored. */
static int check_numbers(mr_dataset_check *d, hid_t dataset, const char *path, mr_error *e)
{
    mr_shape shape;
    int status =
        mr_hdf5_dataset_shape(&shape, dataset, path, e); /* refuses what is too large or not numbers */
    if (status)
        return status;
    hid_t type = H5Dget_type(dataset);
    size_t bytes = mr_shape_count(&shape) * H5Tget_size(type);
    void *values = malloc(bytes + 1);
    if (!values)
        status = mr_no_memory(e, "dataset '%s'", path);
    else if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0)
        d->intact = mr_hdf5_compare_checksum(dataset, type, values, bytes, path, NULL) == 0;
    H5Eclear2(H5E_DEFAULT);
    free(values);
    mr_hdf5_release(type);
    return status;
}

static int check_dataset(void *context, hid_t object, H5I_type_t type, const char *path, mr_error *e)
{
    uint64_t sum;
    if (type != H5I_DATASET)
        return 0;
    mr_dataset_check *d = add_check(context, path);
    if (!d)
        return mr_no_memory(e, "the list of datasets");
    int there = mr_hdf5_find_checksum(&sum, object, e);
    d->has_checksum = there == 1;
    return there == 1 ? check_numbers(d, object, path, e) : there;
}

int mr_seal_check_datasets(mr_file_check *out, hid_t file, mr_error *e)
{
    *out = (mr_file_check){0};
    int status = mr_hdf5_visit(file, check_dataset, out, e);
    if (status)
        mr_file_check_clear(out);
    return status;
}

void mr_file_check_clear(mr_file_check *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->dataset[i].path);
    free(c->dataset);
    *c = (mr_file_check){0};
}
