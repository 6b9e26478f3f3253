/* SPDX-License-Identifier: Apache-2.0 */
/* String attributes of every kind that h5py has written for Keras since 2015. */
#include "io/hdf5.h"

#include "io/hdf5_raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One opened string attribute. */
struct attribute {
    hid_t id, type, space;
    bool variable, empty;
    size_t size;  /* of a fixed-length string */
    size_t count; /* of strings */
};

static void attribute_close(struct attribute *a)
{
    mr_hdf5_release(a->space);
    mr_hdf5_release(a->type);
    mr_hdf5_release(a->id);
}

static int list_name(void *context, const char *name, const unsigned char *data, size_t size, mr_error *e)
{
    (void)data;
    (void)size;
    return mr_names_add(context, name, e);
}

int mr_hdf5_attributes(mr_names *out, hid_t object, mr_error *e)
{
    mr_raw r;
    memset(out, 0, sizeof *out);
    int status = mr_raw_open(&r, object, e);
    if (!status)
        status = mr_raw_attributes(&r, object, list_name, out, e);
    if (status)
        mr_names_free(out);
    return status;
}

bool mr_hdf5_has_attribute(hid_t object, const char *name)
{
    bool there = H5Aexists(object, name) > 0;
    H5Eclear2(H5E_DEFAULT);
    return there;
}

static int count_strings(struct attribute *a, const char *name, mr_error *e)
{
    H5S_class_t class = H5Sget_simple_extent_type(a->space);
    hssize_t n = class == H5S_NULL ? 0 : H5Sget_simple_extent_npoints(a->space);
    if (class == H5S_NO_CLASS || n < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "attribute '%s': no shape", name);
    if (n > MR_HDF5_MAX_NAMES)
        return mr_fail(e, MR_ELIMIT, "attribute '%s': more than %d strings", name, MR_HDF5_MAX_NAMES);
    a->count = (size_t)n;
    a->empty = n == 0;
    return 0;
}

static int check_strings(struct attribute *a, const char *name, mr_error *e)
{
    if (a->empty)
        return 0; /* an empty list has whatever type numpy gave it: float64 */
    htri_t variable = H5Tget_class(a->type) == H5T_STRING ? H5Tis_variable_str(a->type) : -1;
    a->size = H5Tget_size(a->type);
    if (variable < 0 || a->size == 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "attribute '%s': no strings", name);
    a->variable = variable > 0;
    if (!a->variable && a->size > MR_HDF5_MAX_TEXT / a->count)
        return mr_fail(e, MR_ELIMIT, "attribute '%s': %zu strings of %zu bytes", name, a->count, a->size);
    return 0;
}

static int attribute_open(struct attribute *a, hid_t object, const char *name, mr_error *e)
{
    memset(a, 0, sizeof *a);
    a->id = a->type = a->space = -1;
    if (!mr_hdf5_has_attribute(object, name))
        return mr_fail(e, MR_ENOTFOUND, "no attribute '%s'", name);
    a->id = H5Aopen(object, name, H5P_DEFAULT);
    a->type = a->id < 0 ? -1 : H5Aget_type(a->id);
    a->space = a->id < 0 ? -1 : H5Aget_space(a->id);
    int status =
        a->type < 0 || a->space < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "cannot open attribute '%s'", name) : 0;
    if (!status)
        status = count_strings(a, name, e);
    if (!status)
        status = check_strings(a, name, e);
    if (status)
        attribute_close(a);
    return status;
}

/* Fixed length: padded with NUL, ended by NUL, or padded with blanks. */
static size_t padded_length(const struct attribute *a, const char *text)
{
    size_t n = strnlen(text, a->size);
    if (H5Tget_strpad(a->type) == H5T_STR_SPACEPAD)
        while (n && text[n - 1] == ' ')
            n--;
    return n;
}

static int read_fixed(mr_names *out, const struct attribute *a, const char *name, mr_error *e)
{
    char *block = malloc(a->size * a->count);
    if (!block)
        return mr_fail(e, MR_ENOMEM, "attribute '%s': out of memory", name);
    int status = 0;
    if (H5Aread(a->id, a->type, block) < 0)
        status = mr_hdf5_fail(e, MR_EFORMAT, "cannot read attribute '%s'", name);
    for (size_t i = 0; !status && i < a->count; i++) {
        const char *text = block + i * a->size;
        char *copy = strndup(text, padded_length(a, text));
        status =
            copy ? mr_names_add(out, copy, e) : mr_fail(e, MR_ENOMEM, "attribute '%s': out of memory", name);
        free(copy);
    }
    free(block);
    return status;
}

/* Appends the strings of one attribute. */
static int append_strings(mr_names *out, hid_t object, const char *name, mr_error *e)
{
    struct attribute a;
    int status = attribute_open(&a, object, name, e);
    if (status)
        return status;
    if (!a.empty)
        status = a.variable ? mr_hdf5_read_heap_strings(out, object, name, a.count, e)
                            : read_fixed(out, &a, name, e);
    attribute_close(&a);
    return status;
}

int mr_hdf5_read_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e)
{
    mr_names one = {0};
    *text = NULL;
    int status = append_strings(&one, object, name, e);
    if (!status && one.count != 1)
        status = mr_fail(e, MR_EFORMAT, "attribute '%s': %zu strings where one is wanted", name, one.count);
    if (!status && strlen(one.name[0]) > MR_HDF5_MAX_TEXT)
        status = mr_fail(e, MR_ELIMIT, "attribute '%s': more than %d bytes", name, MR_HDF5_MAX_TEXT);
    if (!status) {
        *text = one.name[0];
        one.name[0] = NULL;
        if (length)
            *length = strlen(*text);
    }
    mr_names_free(&one);
    return status;
}

int mr_hdf5_find_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e)
{
    *text = NULL;
    return mr_hdf5_has_attribute(object, name) ? mr_hdf5_read_text(text, length, object, name, e) : 0;
}

static const char *part_name(char *buffer, size_t size, const char *name, size_t part)
{
    snprintf(buffer, size, "%s%zu", name, part);
    return buffer;
}

bool mr_hdf5_has_names(hid_t object, const char *name)
{
    char part[128];
    return mr_hdf5_has_attribute(object, name) ||
           mr_hdf5_has_attribute(object, part_name(part, sizeof part, name, 0));
}

static int check_lengths(const mr_names *names, const char *attribute, mr_error *e)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->name[i]) > MR_HDF5_MAX_NAME)
            return mr_fail(e, MR_ELIMIT, "attribute '%s': a name of more than %d bytes", attribute,
                           MR_HDF5_MAX_NAME);
    return 0;
}

int mr_hdf5_read_names(mr_names *out, hid_t object, const char *name, mr_error *e)
{
    char part[128];
    memset(out, 0, sizeof *out);
    int status = 0;
    if (mr_hdf5_has_attribute(object, name) || !mr_hdf5_has_names(object, name))
        status = append_strings(out, object, name, e);
    else
        for (size_t i = 0; !status && mr_hdf5_has_attribute(object, part_name(part, sizeof part, name, i));
             i++)
            status = append_strings(out, object, part, e);
    if (!status)
        status = check_lengths(out, name, e);
    if (status)
        mr_names_free(out);
    return status;
}

/* --- writing -------------------------------------------------------------- */

/* Creates the attribute and writes VALUES (NULL: nothing to write). Takes the ids over. */
static int write_attribute(hid_t object, const char *name, hid_t type, hid_t space, const void *values,
                           mr_error *e)
{
    hid_t a = type < 0 || space < 0 ? -1 : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = 0;
    if (a < 0 || (values && H5Awrite(a, type, values) < 0))
        status = mr_hdf5_fail(e, MR_EIO, "cannot write attribute '%s'", name);
    mr_hdf5_release(a);
    mr_hdf5_release(type);
    mr_hdf5_release(space);
    return status;
}

int mr_hdf5_write_text(hid_t object, const char *name, const char *text, bool utf8, mr_error *e)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) {
        H5Tset_size(type, H5T_VARIABLE);
        H5Tset_cset(type, utf8 ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
    }
    return write_attribute(object, name, type, H5Screate(H5S_SCALAR), &text, e);
}

static size_t longest(const mr_names *names)
{
    size_t n = 1;
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->name[i]) > n)
            n = strlen(names->name[i]);
    return n;
}

/* COUNT names from FIRST on, each in WIDTH bytes padded with NUL. */
static int write_fixed(hid_t object, const char *name, const mr_names *names, size_t first, size_t count,
                       size_t width, mr_error *e)
{
    hsize_t dim = count;
    char *block = calloc(count, width);
    if (!block)
        return mr_fail(e, MR_ENOMEM, "attribute '%s': out of memory", name);
    for (size_t i = 0; i < count; i++)
        memcpy(block + i * width, names->name[first + i], strlen(names->name[first + i]));
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0) {
        H5Tset_size(type, width);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
    }
    int status = write_attribute(object, name, type, H5Screate_simple(1, &dim, NULL), block, e);
    free(block);
    return status;
}

/* What an object header holds of one attribute, less what HDF5 needs itself: Keras's own
 * HDF5_OBJECT_HEADER_LIMIT. */
enum { HEADER_LIMIT = 64512 };

/* The smallest number of even parts that each stay under the limit, as numpy.array_split cuts them: the first
 * count % parts of them are one longer. */
static int write_parts(hid_t object, const char *name, const mr_names *names, size_t width, mr_error *e)
{
    char part[128];
    size_t parts = 2, first = 0;
    if (width > HEADER_LIMIT)
        return mr_fail(e, MR_ELIMIT, "attribute '%s': a name of %zu bytes", name, width);
    while ((names->count + parts - 1) / parts * width > HEADER_LIMIT)
        parts++;
    for (size_t i = 0; i < parts; i++) {
        size_t count = names->count / parts + (i < names->count % parts);
        int status =
            write_fixed(object, part_name(part, sizeof part, name, i), names, first, count, width, e);
        if (status)
            return status;
        first += count;
    }
    return 0;
}

int mr_hdf5_write_names(hid_t object, const char *name, const mr_names *names, mr_error *e)
{
    hsize_t none = 0;
    if (names->count == 0)
        return write_attribute(object, name, H5Tcopy(H5T_IEEE_F64LE), H5Screate_simple(1, &none, NULL), NULL,
                               e);
    size_t width = longest(names);
    if (width * names->count > HEADER_LIMIT)
        return write_parts(object, name, names, width, e);
    return write_fixed(object, name, names, 0, names->count, width, e);
}
