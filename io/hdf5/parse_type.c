/* SPDX-License-Identifier: Apache-2.0 */
/* Datatype messages. The library allocates, copies and converts by their numbers, and compound, enumerated
 * and array types hold further types. */
#include "io/hdf5/parse_internal.h"

#include <string.h>

struct reading {
    mr_h5_walk *w;
    mr_h5_cursor *c;
    uint64_t address;
    unsigned version;
    uint32_t bits; /* the class's own 24 bits */
    int depth;
};

static int read_type(struct reading *outer, mr_h5_type *out);

static int bad(struct reading *r)
{
    return mr_h5_damaged(r->w, r->address, "datatype");
}

/* Bits of a number inside its bytes. */
static int read_bits(struct reading *r, uint64_t size)
{
    uint64_t offset = mr_h5_get(r->c, 2), precision = mr_h5_get(r->c, 2);
    return precision == 0 || offset + precision > 8 * size ? bad(r) : 0;
}

static int read_float(struct reading *r, uint64_t size)
{
    uint64_t offset = mr_h5_get(r->c, 2), precision = mr_h5_get(r->c, 2);
    uint64_t exponent_at = mr_h5_get(r->c, 1), exponent = mr_h5_get(r->c, 1),
             mantissa_at = mr_h5_get(r->c, 1), mantissa = mr_h5_get(r->c, 1);
    uint64_t sign = r->bits >> 8 & 0xff, end = offset + precision;
    mr_h5_get(r->c, 4);
    if (precision == 0 || end > 8 * size || sign >= end || exponent == 0 || exponent > 32 || mantissa == 0 ||
        exponent_at + exponent > end || mantissa_at + mantissa > end)
        return bad(r);
    /* the three parts do not overlap */
    if ((exponent_at < mantissa_at + mantissa && mantissa_at < exponent_at + exponent) ||
        (sign >= exponent_at && sign < exponent_at + exponent) ||
        (sign >= mantissa_at && sign < mantissa_at + mantissa))
        return bad(r);
    return 0;
}

/* A name that ends with NUL; padded to a multiple of 8 before version 3. */
static int read_name(struct reading *r)
{
    const uint8_t *end = memchr(r->c->at, 0, r->c->left);
    if (!end)
        return bad(r);
    size_t length = (size_t)(end - r->c->at) + 1;
    mr_h5_skip(r->c, r->version < 3 ? (length + 7) / 8 * 8 : length);
    return r->c->ended ? bad(r) : 0;
}

static int read_member(struct reading *r, uint64_t size)
{
    mr_h5_type type;
    uint64_t elements = 1;
    int status = read_name(r);
    if (status)
        return status;
    uint64_t offset = mr_h5_get(r->c, r->version < 3 ? 4 : size >> 32 ? 4 : mr_h5_bytes_for(size));
    if (r->version == 1) {
        uint64_t rank = mr_h5_get(r->c, 1);
        mr_h5_get(r->c, 3);
        mr_h5_get(r->c, 8);
        for (uint64_t i = 0; i < 4; i++) {
            uint64_t dim = mr_h5_get(r->c, 4);
            elements *= i < rank && dim < 1 << 20 ? dim : 1;
        }
        if (rank > 4 || elements == 0 || elements > 1 << 20)
            return bad(r);
    }
    status = read_type(r, &type);
    if (!status && (offset > size || type.size * elements > size - offset))
        status = bad(r);
    return status;
}

static int read_compound(struct reading *r, uint64_t size)
{
    unsigned members = r->bits & 0xffff;
    int status = members == 0 ? bad(r) : 0;
    for (unsigned i = 0; i < members && !status; i++)
        status = read_member(r, size);
    return status;
}

static int read_enum(struct reading *r, uint64_t size)
{
    mr_h5_type base;
    unsigned members = r->bits & 0xffff;
    int status = read_type(r, &base);
    if (!status && (base.class != MR_H5_INTEGER || base.size != size))
        status = bad(r);
    for (unsigned i = 0; i < members && !status; i++)
        status = read_name(r);
    if (!status)
        mr_h5_skip(r->c, members * size);
    return status;
}

static int read_variable(struct reading *r, uint64_t size, mr_h5_type *out)
{
    mr_h5_type base;
    int status = read_type(r, &base);
    if (status)
        return status;
    out->variable_string = (r->bits & 15) == 1;
    return size != 16 || (r->bits & 15) > 1 || (out->variable_string && base.size != 1) ? bad(r) : 0;
}

static int read_array(struct reading *r, uint64_t size)
{
    mr_h5_type base;
    uint64_t elements = 1, rank = mr_h5_get(r->c, 1);
    if (r->version < 2 || rank == 0 || rank > MR_H5_RANK)
        return bad(r);
    if (r->version == 2)
        mr_h5_get(r->c, 3);
    for (uint64_t i = 0; i < rank; i++) {
        uint64_t dim = mr_h5_get(r->c, 4);
        if (dim == 0 || dim > size / elements)
            return bad(r);
        elements *= dim;
    }
    if (r->version == 2)
        mr_h5_skip(r->c, 4 * rank);
    int status = read_type(r, &base);
    return !status && base.size * elements != size ? bad(r) : status;
}

static int read_properties(struct reading *r, mr_h5_type *out)
{
    switch (out->class) {
    case MR_H5_INTEGER:
    case MR_H5_BITFIELD:
        return out->size > 16 ? bad(r) : read_bits(r, out->size);
    case MR_H5_FLOAT:
        return out->size > 16 ? bad(r) : read_float(r, out->size);
    case MR_H5_STRING:
        out->space_padded = (r->bits & 15) == 2;
        return 0;
    case MR_H5_OPAQUE:
        mr_h5_skip(r->c, (uint64_t)((r->bits & 0xff) + 7) / 8 * 8);
        return 0;
    case MR_H5_COMPOUND:
        return read_compound(r, out->size);
    case MR_H5_REFERENCE:
        return (r->bits & 15) > 1 || out->size != ((r->bits & 15) ? 12u : 8u) ? bad(r) : 0;
    case MR_H5_ENUM:
        return read_enum(r, out->size);
    case MR_H5_VARIABLE:
        return read_variable(r, out->size, out);
    case MR_H5_ARRAY:
        return read_array(r, out->size);
    default:
        return mr_h5_unsupported(r->w, "a datatype of class time or unknown");
    }
}

static int read_type(struct reading *outer, mr_h5_type *out)
{
    struct reading r = *outer;
    if (++r.depth > MR_H5_TYPE_DEPTH)
        return bad(&r);
    uint32_t head = (uint32_t)mr_h5_get(r.c, 4);
    *out = (mr_h5_type){.class = (int)(head & 15),
                        .size = mr_h5_get(r.c, 4),
                        .big_endian = head >> 8 & 1,
                        .is_signed = head >> 8 & 8};
    r.version = head >> 4 & 15;
    r.bits = head >> 8;
    if (r.version < 1 || r.version > 3)
        return mr_h5_unsupported(r.w, "a datatype of another version");
    int status = out->size == 0 ? bad(&r) : read_properties(&r, out);
    return !status && r.c->ended ? bad(&r) : status;
}

int mr_h5_parse_type(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_type *out)
{
    struct reading r = {.w = w, .c = c, .address = address};
    return read_type(&r, out);
}
