/* SPDX-License-Identifier: Apache-2.0 */
/* String attributes of every kind that h5py has written for Keras since 2015. */
#include "io/hdf5/open_files.h"

#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- finding --- */

int mr_hdf5_attributes(mr_names *out, hid_t object, mr_error *e)
{
    mr_h5_place place;
    *out = (mr_names){0};
    int status = mr_h5_locate(&place, object, e);
    for (size_t i = 0; !status && i < place.object->attributes; i++)
        status = mr_names_add(out, place.object->attribute[i].name, e);
    if (status)
        mr_names_free(out);
    return status;
}

/* *OUT is NULL where OBJECT has no attribute NAME. */
static int find(const mr_h5_attribute **out, mr_h5_place *place, hid_t object, const char *name, mr_error *e)
{
    *out = NULL;
    int status = mr_h5_locate(place, object, e);
    for (size_t i = 0; !status && !*out && i < place->object->attributes; i++)
        if (!strcmp(place->object->attribute[i].name, name))
            *out = &place->object->attribute[i];
    return status;
}

int mr_hdf5_has_attribute(hid_t object, const char *name, mr_error *e)
{
    const mr_h5_attribute *a;
    mr_h5_place place;
    int status = find(&a, &place, object, name, e);
    return status ? status : a != NULL;
}

int mr_hdf5_find_number(uint64_t *out, hid_t object, const char *name, mr_error *e)
{
    const mr_h5_attribute *a;
    mr_h5_place place;
    int status = find(&a, &place, object, name, e);
    if (status || !a || a->type.class != MR_H5_INTEGER || a->type.size > 8 || a->type.big_endian ||
        a->count != 1)
        return status;
    *out = 0;
    memcpy(out, a->value, a->type.size);
    return 1;
}

/* --- strings --- */

/* An empty list has whatever type numpy gave it: float64. */
static int append_strings(mr_names *out, const mr_h5_place *place, const mr_h5_attribute *a, mr_error *e)
{
    mr_error why = {0};
    if (a->count == 0)
        return 0;
    if (a->type.class != MR_H5_STRING && !a->type.variable_string)
        return mr_fail(e, MR_EFORMAT, "attribute '%s': not a string", a->name);
    if (a->count > MR_HDF5_MAX_NAMES)
        return mr_fail(e, MR_ELIMIT, "attribute '%s': more than %d strings", a->name, MR_HDF5_MAX_NAMES);
    int status = mr_h5_index_strings(out, place->index, a, &why);
    return status ? mr_fail(e, status, "attribute '%s': %s", a->name, why.message) : 0;
}

/* --- lists in parts --- */

struct part {
    unsigned long number;
    mr_names names;
};

struct parts {
    struct part *part;
    size_t count;
};

/* The number behind NAME, written as printf does; false where there is none. */
static bool part_number(const char *whole, const char *name, unsigned long *number)
{
    size_t length = strlen(name);
    const char *digits = whole + length;
    size_t count = strncmp(whole, name, length) ? 0 : strspn(digits, "0123456789");
    if (count == 0 || count > 9 || digits[count] || (count > 1 && *digits == '0'))
        return false;
    *number = strtoul(digits, NULL, 10);
    return true;
}

static int read_part(struct parts *p, unsigned long number, const mr_h5_place *place,
                     const mr_h5_attribute *a, mr_error *e)
{
    if (!mr_list_grow(&p->part, p->count, sizeof *p->part))
        return mr_no_memory(e, "attribute '%s'", a->name);
    struct part *part = &p->part[p->count++];
    *part = (struct part){.number = number};
    return append_strings(&part->names, place, a, e);
}

static int by_number(const void *a, const void *b)
{
    unsigned long x = ((const struct part *)a)->number, y = ((const struct part *)b)->number;
    return (x > y) - (x < y);
}

/* Numbers 0, 1, … as far as they go. */
static int join_parts(mr_names *out, struct parts *p, mr_error *e)
{
    int status = 0;
    if (p->count)
        qsort(p->part, p->count, sizeof *p->part, by_number);
    for (size_t i = 0; i < p->count && p->part[i].number == i && !status; i++)
        for (size_t k = 0; k < p->part[i].names.count && !status; k++)
            status = mr_names_add(out, p->part[i].names.name[k], e);
    return status;
}

static int missing(mr_error *e, const char *name)
{
    return mr_fail(e, MR_ENOTFOUND, "no attribute '%s'", name);
}

int mr_hdf5_find_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e)
{
    const mr_h5_attribute *a;
    mr_h5_place place;
    mr_names one = {0};
    *text = NULL;
    int status = find(&a, &place, object, name, e);
    if (status || !a)
        return status;
    status = append_strings(&one, &place, a, e);
    if (!status && one.count != 1)
        status = mr_fail(e, MR_EFORMAT, "attribute '%s': expected one string, got %zu", name, one.count);
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

int mr_hdf5_read_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e)
{
    int status = mr_hdf5_find_text(text, length, object, name, e);
    return status || *text ? status : missing(e, name);
}

static const char *part_name(char *buffer, size_t size, const char *name, size_t part)
{
    snprintf(buffer, size, "%s%zu", name, part);
    return buffer;
}

int mr_hdf5_has_names(hid_t object, const char *name, mr_error *e)
{
    char part[128];
    int has = mr_hdf5_has_attribute(object, name, e);
    return has ? has : mr_hdf5_has_attribute(object, part_name(part, sizeof part, name, 0), e);
}

static int check_lengths(const mr_names *names, const char *attribute, mr_error *e)
{
    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->name[i]) > MR_HDF5_MAX_NAME)
            return mr_fail(e, MR_ELIMIT, "attribute '%s': a name of more than %d bytes", attribute,
                           MR_HDF5_MAX_NAME);
    return 0;
}

/* NAME0, NAME1, …, in one pass over the object: to look for each would take time in the square of their
 * number. */
static int append_parts(mr_names *out, const mr_h5_place *place, const char *name, mr_error *e)
{
    struct parts p = {0};
    unsigned long number;
    int status = 0;
    for (size_t i = 0; i < place->object->attributes && !status; i++)
        if (part_number(place->object->attribute[i].name, name, &number))
            status = read_part(&p, number, place, &place->object->attribute[i], e);
    if (!status)
        status = join_parts(out, &p, e);
    if (!status && (p.count == 0 || p.part[0].number != 0))
        status = missing(e, name);
    for (size_t i = 0; i < p.count; i++)
        mr_names_free(&p.part[i].names);
    free(p.part);
    return status;
}

int mr_hdf5_read_names(mr_names *out, hid_t object, const char *name, mr_error *e)
{
    const mr_h5_attribute *a;
    mr_h5_place place;
    *out = (mr_names){0};
    int status = find(&a, &place, object, name, e);
    if (!status)
        status = a ? append_strings(out, &place, a, e) : append_parts(out, &place, name, e);
    if (!status)
        status = check_lengths(out, name, e);
    if (status)
        mr_names_free(out);
    return status;
}

/* --- writing --- */

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
        return mr_no_memory(e, "attribute '%s'", name);
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

/* Bytes of one attribute that fit into an object header, as in Keras's HDF5_OBJECT_HEADER_LIMIT. */
enum { HEADER_LIMIT = 64512 };

/* The smallest number of even parts that each stay under the limit, as numpy.array_split cuts them: the first
 * count % parts of them are one longer. */
static int write_parts(hid_t object, const char *name, const mr_names *names, size_t width, mr_error *e)
{
    char part[128];
    size_t parts = 2, first = 0;
    if (width > HEADER_LIMIT)
        return mr_fail(e, MR_ELIMIT, "attribute '%s': name too long: %zu bytes", name, width);
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
