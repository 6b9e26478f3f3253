/* SPDX-License-Identifier: Apache-2.0 */
#include "io/image/png_chunks.h"

#include <ctype.h>
#include <string.h>

#include <zlib.h>

enum { SIGNATURE = 8, HEADER = 8, CHECKSUM = 4 };
enum { TYPE_GRAY = 0, TYPE_RGB = 2, TYPE_PALETTE = 3, TYPE_GRAY_ALPHA = 4, TYPE_RGBA = 6 };

typedef struct chunk {
    char name[5];
    uint32_t length;
    const uint8_t *data; /* only as far as the file goes */
    size_t available;
} chunk;

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is(const chunk *c, const char *name)
{
    return strcmp(c->name, name) == 0;
}

/* Whether the header of a chunk stands at AT. */
static bool chunk_at(chunk *c, const uint8_t *bytes, size_t size, size_t at)
{
    if (at > size || size - at < HEADER)
        return false;
    c->length = big_endian(bytes + at);
    memcpy(c->name, bytes + at + 4, 4);
    c->name[4] = '\0';
    for (int i = 0; i < 4; i++)
        if (!isalnum((unsigned char)c->name[i]) && c->name[i] != '_')
            return false;
    c->data = bytes + at + HEADER;
    c->available = size - at - HEADER < c->length ? size - at - HEADER : c->length;
    return true;
}

/* --- judging one chunk ------------------------------------------------------------------------ */

/* How many bytes Pillow reads of chunks that do not matter to us; it refuses shorter ones. */
static uint32_t least_length(const mr_png_header *h, const chunk *c)
{
    static const struct {
        char name[5];
        uint32_t length;
    } least[] = {{"IHDR", 13}, {"gAMA", 4}, {"sRGB", 1}, {"pHYs", 9}, {"acTL", 8}, {"fcTL", 26}, {"iCCP", 1}};
    for (size_t i = 0; i < sizeof least / sizeof *least; i++)
        if (is(c, least[i].name))
            return least[i].length;
    if (is(c, "tRNS"))
        return h->color_type == TYPE_GRAY ? 2 : h->color_type == TYPE_RGB ? 6 : 0;
    return 0;
}

static int check_chunk(const mr_png_header *h, const chunk *c, mr_error *e)
{
    if (c->available < c->length)
        return mr_fail(e, MR_EFORMAT, "truncated PNG: chunk %s says %u bytes, %zu are there", c->name,
                       c->length, c->available);
    if (c->length < least_length(h, c) || (is(c, "cHRM") && c->length % 4))
        return mr_fail(e, MR_EFORMAT, "bad PNG: chunk %s of %u bytes", c->name, c->length);
    return 0;
}

static int check_sum(const chunk *c, size_t behind, mr_error *e)
{
    if (behind < CHECKSUM)
        return mr_fail(e, MR_EFORMAT, "truncated PNG: the file ends in chunk %s", c->name);
    uLong sum = crc32(0, (const Bytef *)c->name, 4);
    sum = crc32_z(sum, c->data, c->length);
    if (sum != big_endian(c->data + c->length))
        return mr_fail(e, MR_EFORMAT, "bad PNG: wrong checksum of chunk %s", c->name);
    return 0;
}

/* --- chunks that matter ----------------------------------------------------------------------- */

static bool is_known(int depth, int type)
{
    switch (type) {
    case TYPE_GRAY:
        return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case TYPE_PALETTE:
        return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case TYPE_RGB:
    case TYPE_GRAY_ALPHA:
    case TYPE_RGBA:
        return depth == 8 || depth == 16;
    default:
        return false;
    }
}

static int take_header(mr_png_header *h, const chunk *c, mr_error *e)
{
    const uint8_t *d = c->data;
    if (!is_known(d[8], d[9]))
        return mr_fail(e, MR_EFORMAT, "bad PNG: depth %d of colour type %d", d[8], d[9]);
    if (d[11])
        return mr_fail(e, MR_EFORMAT, "bad PNG: filter method %d", d[11]);
    h->width = big_endian(d);
    h->height = big_endian(d + 4);
    h->depth = d[8];
    h->color_type = d[9];
    h->interlaced |= d[12] != 0;
    return 0;
}

static int take_palette(mr_png_header *h, const chunk *c, mr_error *e)
{
    if (h->color_type != TYPE_PALETTE)
        return 0;
    if (c->length / 3 > 256)
        return mr_fail(e, MR_EFORMAT, "bad PNG: palette of %u entries", c->length / 3);
    h->palette = c->data;
    h->palette_entries = (int)(c->length / 3);
    return 0;
}

/* What the chunks say of an animation. */
typedef struct animation {
    uint32_t frames; /* 0: none */
    bool has_first;  /* the image itself is the first frame, not one besides */
} animation;

/* Of two announcements none counts, nor does one of no frames. */
static int take_animation(animation *a, const chunk *c)
{
    uint32_t frames = big_endian(c->data);
    a->frames = a->frames || frames > 0x80000000u ? 0 : frames;
    return 0;
}

/* An image that is the animation's first frame must be all of it. */
static int take_frame(const mr_png_header *h, animation *a, const chunk *c, mr_error *e)
{
    const uint8_t *d = c->data;
    a->has_first = true;
    if (big_endian(d + 4) == h->width && big_endian(d + 8) == h->height && !big_endian(d + 12) &&
        !big_endian(d + 16))
        return 0;
    return mr_fail(e, MR_EUNSUPPORTED, "animated PNG whose first frame is a part of the image");
}

static int take(mr_png_header *h, animation *a, const chunk *c, mr_error *e)
{
    if (is(c, "IHDR"))
        return take_header(h, c, e);
    if (is(c, "PLTE"))
        return take_palette(h, c, e);
    if (is(c, "acTL"))
        return take_animation(a, c);
    if (is(c, "fcTL"))
        return take_frame(h, a, c, e);
    return 0;
}

/* --- the file --------------------------------------------------------------------------------- */

int mr_png_parse(mr_png_header *h, const uint8_t *bytes, size_t size, mr_error *e)
{
    size_t at = SIGNATURE;
    animation a = {0};
    chunk c;
    *h = (mr_png_header){.color_type = -1};
    for (;; at += HEADER + c.length + CHECKSUM) {
        if (!chunk_at(&c, bytes, size, at))
            return mr_fail(e, MR_EFORMAT, "bad PNG: no chunk at byte %zu", at);
        if (is(&c, "IDAT"))
            break;
        if (is(&c, "IEND") || is(&c, "fdAT"))
            return mr_fail(e, MR_EFORMAT, "bad PNG: no image data");
        int status = check_chunk(h, &c, e);
        if (!status)
            status = check_sum(&c, size - at - HEADER - c.length, e);
        if (!status)
            status = take(h, &a, &c, e);
        if (status)
            return status;
    }
    if (h->color_type < 0)
        return mr_fail(e, MR_EFORMAT, "bad PNG: no header");
    h->data = at;
    h->animated = a.frames > 1 || (a.frames == 1 && !a.has_first);
    return 0;
}

const uint8_t *mr_png_piece(const uint8_t *bytes, size_t size, size_t *at, size_t *size_left)
{
    chunk c;
    if (!chunk_at(&c, bytes, size, *at) || (!is(&c, "IDAT") && !is(&c, "DDAT")))
        return NULL;
    *at += HEADER + (size_t)c.length + CHECKSUM;
    *size_left = c.available;
    return c.data;
}

int mr_png_check_tail(const mr_png_header *h, const uint8_t *bytes, size_t size, mr_error *e)
{
    size_t at = h->data, ignored;
    chunk c;
    while (mr_png_piece(bytes, size, &at, &ignored))
        ;
    for (; chunk_at(&c, bytes, size, at) && !is(&c, "IEND") && !(h->animated && is(&c, "fcTL"));
         at += HEADER + (size_t)c.length + CHECKSUM) {
        int status = check_chunk(h, &c, e);
        if (status)
            return status;
    }
    return 0;
}
