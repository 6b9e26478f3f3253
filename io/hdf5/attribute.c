/* SPDX-License-Identifier: Apache-2.0 */
/* String attributes of every kind that h5py has written for Keras since 2015. */
#include "io/hdf5/hdf5.h"

#include "base/list.h"
#include "io/hdf5/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- finding --- */

static int list_name(void *context, const mr_raw_attribute *a, mr_error *e)
{
    return mr_names_add(context, a->name, e);
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

enum { FOUND = 1 }; /* ends a walk */

static int is_name(void *context, const mr_raw_attribute *a, mr_error *e)
{
    (void)e;
    return strcmp(a->name, context) ? 0 : FOUND;
}

int mr_hdf5_has_attribute(hid_t object, const char *name, mr_error *e)
{
    mr_raw r;
    int status = mr_raw_open(&r, object, e);
    return status ? status : mr_raw_attributes(&r, object, is_name, (void *)name, e);
}

/* --- strings --- */

enum { CLASS_STRING = 3, CLASS_VARIABLE = 9, VARIABLE_STRING = 1, SPACE_PADDED = 2, NULL_SPACE = 2 };

/* How many elements a dataspace message (versions 1 and 2) says: -1 where that cannot be read or is too many.
 */
static long elements(const unsigned char *m, size_t size)
{
    if (size < 4 || m[0] < 1 || m[0] > 2)
        return -1;
    size_t rank = m[1], at = m[0] == 1 ? 8 : 4;
    if (m[0] == 2 && m[3] == NULL_SPACE)
        return 0;
    if (at + 8 * rank > size)
        return -1;
    uint64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t dim = mr_raw_number(m + at + 8 * i, 8);
        if (dim > MR_HDF5_MAX_NAMES || (count *= dim) > MR_HDF5_MAX_NAMES)
            return -1;
    }
    return (long)count;
}

struct reading {
    const char *name;
    mr_raw *raw;
    mr_names *out;
};

/* Fixed length: padded with NUL, ended by NUL, or padded with blanks. */
static int add_fixed(struct reading *r, const mr_raw_attribute *a, size_t count, size_t width, bool blanks,
                     mr_error *e)
{
    int status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        const char *text = (const char *)a->data + i * width;
        size_t n = strnlen(text, width);
        while (blanks && n && text[n - 1] == ' ')
            n--;
        char *copy = strndup(text, n);
        status = copy ? mr_names_add(r->out, copy, e) : mr_no_memory(e, "attribute '%s'", a->name);
        free(copy);
    }
    return status;
}

/* Reads the attribute's strings when it is the one that is looked for. An empty list has whatever type numpy
 * gave it: float64. */
static int read_strings(void *context, const mr_raw_attribute *a, mr_error *e)
{
    struct reading *r = context;
    if (strcmp(a->name, r->name) != 0)
        return 0;
    long count = elements(a->space, a->space_size);
    if (count < 0 || a->type_size < 8)
        return mr_fail(e, MR_EFORMAT, "attribute '%s': its shape or type cannot be read", a->name);
    if (count == 0)
        return FOUND;
    unsigned class = a->type[0] & 15, bits = a->type[1];
    size_t width = mr_raw_number(a->type + 4, 4), n = (size_t)count;
    bool fixed = class == CLASS_STRING, variable = class == CLASS_VARIABLE && (bits & 15) == VARIABLE_STRING;
    if ((!fixed && !variable) || (variable && width != MR_RAW_REFERENCE) || width == 0)
        return mr_fail(e, MR_EFORMAT, "attribute '%s': no strings", a->name);
    if (width > a->data_size / n)
        return mr_fail(e, MR_EFORMAT, "attribute '%s': damaged HDF5 file (fewer strings than it says)",
                       a->name);
    int status = fixed ? add_fixed(r, a, n, width, (bits & 15) == SPACE_PADDED, e)
                       : mr_raw_heap_strings(r->out, r->raw, a->data, n, a->name, e);
    return status ? status : FOUND;
}

/* Appends the strings of one attribute: FOUND, or 0 where there is none of that name. */
static int append_strings(mr_names *out, hid_t object, const char *name, mr_error *e)
{
    mr_raw raw;
    struct reading r = {name, &raw, out};
    int status = mr_raw_open(&raw, object, e);
    return status ? status : mr_raw_attributes(&raw, object, read_strings, &r, e);
}

/* --- lists in parts --- */

struct part {
    unsigned long number;
    mr_names names;
};

struct parts {
    const char *name;
    mr_raw *raw;
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

static int read_part(void *context, const mr_raw_attribute *a, mr_error *e)
{
    struct parts *p = context;
    unsigned long number;
    if (!part_number(a->name, p->name, &number))
        return 0;
    if (!mr_list_grow(&p->part, p->count, sizeof *p->part))
        return mr_no_memory(e, "attribute '%s'", a->name);
    struct part *part = &p->part[p->count++];
    *part = (struct part){.number = number};
    int found = read_strings(&(struct reading){a->name, p->raw, &part->names}, a, e);
    return found < 0 ? found : 0;
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
    mr_names one = {0};
    *text = NULL;
    int status = append_strings(&one, object, name, e);
    if (status == FOUND && one.count != 1)
        status = mr_fail(e, MR_EFORMAT, "attribute '%s': %zu strings where one is wanted", name, one.count);
    if (status == FOUND && strlen(one.name[0]) > MR_HDF5_MAX_TEXT)
        status = mr_fail(e, MR_ELIMIT, "attribute '%s': more than %d bytes", name, MR_HDF5_MAX_TEXT);
    if (status == FOUND) {
        *text = one.name[0];
        one.name[0] = NULL;
        if (length)
            *length = strlen(*text);
    }
    mr_names_free(&one);
    return status == FOUND ? 0 : status;
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

/* NAME0, NAME1, …, in one look at the object: to look for each would take time in the square of their number.
 */
static int append_parts(mr_names *out, hid_t object, const char *name, mr_error *e)
{
    mr_raw raw;
    struct parts p = {name, &raw, NULL, 0};
    int status = mr_raw_open(&raw, object, e);
    if (!status)
        status = mr_raw_attributes(&raw, object, read_part, &p, e);
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
    memset(out, 0, sizeof *out);
    int found = append_strings(out, object, name, e);
    int status = found < 0 ? found : found ? 0 : append_parts(out, object, name, e);
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
