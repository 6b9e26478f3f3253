/* SPDX-License-Identifier: Apache-2.0 */
/* PNG by libpng, to the pixels that Pillow's convert("RGB" or "L") gives: no gamma, no background, alpha
 * dropped, 16 bits cut to the high byte. (Here alone it differs from Pillow, which reads 16-bit gray as
 * 32-bit integers and clips those at 255: nearly every such image comes out white.)
 *
 * libpng is given a file made of a header, the pieces of image data as io/image/png_chunks.c finds them, and an
 * end: so the judgement of chunks is Pillow's, and libpng inflates, undoes the row filters and the
 * interlacing. A palette image comes to it as gray, for indices are wanted. */
#include "io/image/decoder.h"
#include "io/image/png_chunks.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

/* Where the colours of a row's pixels lie; samples of less than 8 bits come unpacked, one to a byte. */
typedef struct png_layout {
    int pixel;   /* bytes from pixel to pixel */
    int green;   /* bytes from red to green (and green to blue); 0 where there is one sample only */
    bool mapped; /* through the table of colours */
} png_layout;

/* What libpng reads: signature and IHDR, then for each piece of image data a link (a checksum for what was
 * before, any will do, and a chunk's header) and the piece, then a link to the end. */
typedef struct png_feed {
    const uint8_t *bytes; /* the file */
    size_t size, next;    /* next: offset of the chunk of the next piece */
    uint8_t head[8 + 8 + 13], link[4 + 8];
    const uint8_t *part, *piece; /* what is being read; the piece that comes after a link */
    size_t part_left, piece_left;
} png_feed;

typedef struct png_state {
    png_structp png;
    png_infop info;
    png_feed feed;
    mr_png_header header;
    char problem[160]; /* libpng's last words */
    png_layout layout;
    int width, channels; /* channels: wanted */
    bool direct;         /* rows come as wanted */
    int next_row;        /* interlaced: in whole */
    uint64_t rows_left;  /* of all passes: rows that libpng has still to decode */
    size_t row_bytes;
    mr_scratch row, whole;
    uint8_t colors[256][3]; /* of a sample below 16 bits; [.][0] for gray */
} png_state;

/* --- what libpng reads ------------------------------------------------------------------------ */

static void put_big_endian(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void feed_start(png_feed *f, const mr_image_source *in, const mr_png_header *h)
{
    static const uint8_t start[16] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    *f = (png_feed){.bytes = in->bytes, .size = in->size, .next = h->data};
    memcpy(f->head, start, sizeof start);
    put_big_endian(f->head + 16, h->width);
    put_big_endian(f->head + 20, h->height);
    f->head[24] = (uint8_t)h->depth;
    f->head[25] = h->color_type == PNG_COLOR_TYPE_PALETTE ? PNG_COLOR_TYPE_GRAY : (uint8_t)h->color_type;
    f->head[28] = h->interlaced;
    f->part = f->head;
    f->part_left = sizeof f->head;
}

static void feed_next(png_feed *f)
{
    if (f->piece) {
        f->part = f->piece;
        f->part_left = f->piece_left;
        f->piece = NULL;
        return;
    }
    f->piece = mr_png_piece(f->bytes, f->size, &f->next, &f->piece_left);
    put_big_endian(f->link + 4, f->piece ? (uint32_t)f->piece_left : 0);
    memcpy(f->link + 8, f->piece ? "IDAT" : "IEND", 4);
    f->part = f->link;
    f->part_left = sizeof f->link;
}

/* --- what libpng calls ------------------------------------------------------------------------ */

static void on_error(png_structp png, png_const_charp message)
{
    png_state *s = png_get_error_ptr(png);
    strncpy(s->problem, message, sizeof s->problem - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t count)
{
    png_state *s = png_get_io_ptr(png);
    png_feed *f = &s->feed;
    if (s->rows_left == 0) /* all that comes would be unpacked to find the end, and may be any amount */
        png_error(png, "no more is needed");
    while (count > 0) {
        size_t n = count < f->part_left ? count : f->part_left;
        memcpy(to, f->part, n);
        to += n;
        count -= n;
        f->part += n;
        f->part_left -= n;
        if (f->part_left == 0)
            feed_next(f);
    }
}

/* libpng calls this when a row is decoded. */
static void on_row(png_structp png, png_row_infop info, png_bytep row)
{
    (void)info;
    (void)row;
    ((png_state *)png_get_user_transform_ptr(png))->rows_left--;
}

/* --- life ------------------------------------------------------------------------------------- */

static void close_image(png_state *s)
{
    if (s->png)
        png_destroy_read_struct(&s->png, &s->info, NULL);
    s->png = NULL;
    s->info = NULL;
}

static void *png_create_state(mr_error *e)
{
    png_state *s = calloc(1, sizeof *s);
    if (!s)
        mr_no_memory(e, "a PNG decoder");
    return s;
}

static void png_destroy_state(void *state)
{
    png_state *s = state;
    if (!s)
        return;
    close_image(s);
    mr_scratch_free(&s->row);
    mr_scratch_free(&s->whole);
    free(s);
}

/* After a longjmp. After its last row libpng reads on to the end of the data, and what it finds wrong there
 * does not count. */
static int report(png_state *s, mr_error *e)
{
    if (s->rows_left == 0)
        return 0;
    int code = strstr(s->problem, "memory") ? MR_ENOMEM : MR_EFORMAT;
    return mr_fail(e, code, "bad PNG: %s", s->problem);
}

/* --- colours ---------------------------------------------------------------------------------- */

static void map_gray(png_state *s, int depth)
{
    int highest = (1 << depth) - 1;
    for (int v = 0; v < 256; v++)
        memset(s->colors[v], v > highest ? 255 : v * 255 / highest, 3);
}

/* Entries that the file does not define are gray of their number, as in Pillow. */
static void map_palette(png_state *s)
{
    for (int v = 0; v < 256; v++) {
        const uint8_t gray[3] = {(uint8_t)v, (uint8_t)v, (uint8_t)v};
        const uint8_t *rgb = v < s->header.palette_entries ? s->header.palette + 3 * (size_t)v : gray;
        memcpy(s->colors[v], rgb, 3);
        if (s->channels == 1)
            s->colors[v][0] = mr_luma(rgb[0], rgb[1], rgb[2]);
    }
}

static void choose_layout(png_state *s)
{
    static const int samples[] = {[PNG_COLOR_TYPE_GRAY] = 1,
                                  [PNG_COLOR_TYPE_RGB] = 3,
                                  [PNG_COLOR_TYPE_PALETTE] = 1,
                                  [PNG_COLOR_TYPE_GRAY_ALPHA] = 2,
                                  [PNG_COLOR_TYPE_RGB_ALPHA] = 4};
    int type = s->header.color_type, depth = s->header.depth, bytes = depth == 16 ? 2 : 1;
    s->layout = (png_layout){
        .pixel = samples[type] * bytes,
        .green = type & PNG_COLOR_MASK_COLOR ? bytes : 0,
        .mapped = type == PNG_COLOR_TYPE_PALETTE || (type == PNG_COLOR_TYPE_GRAY && depth < 16),
    };
    s->direct = depth == 8 && ((type == PNG_COLOR_TYPE_RGB && s->channels == 3) ||
                               (type == PNG_COLOR_TYPE_GRAY && s->channels == 1));
    if (type == PNG_COLOR_TYPE_PALETTE)
        map_palette(s);
    else if (s->layout.mapped)
        map_gray(s, depth);
}

static void convert_mapped(const png_state *s, uint8_t *dst, const uint8_t *src)
{
    for (int x = 0; x < s->width; x++, dst += s->channels)
        memcpy(dst, s->colors[src[x]], (size_t)s->channels);
}

static void convert_colors(const png_state *s, uint8_t *dst, const uint8_t *src)
{
    int pixel = s->layout.pixel, g = s->layout.green, b = 2 * g;
    if (s->channels == 1)
        for (int x = 0; x < s->width; x++, src += pixel)
            dst[x] = mr_luma(src[0], src[g], src[b]);
    else
        for (int x = 0; x < s->width; x++, src += pixel, dst += 3) {
            dst[0] = src[0];
            dst[1] = src[g];
            dst[2] = src[b];
        }
}

static void convert_row(const png_state *s, uint8_t *dst, const uint8_t *src)
{
    if (s->direct)
        memcpy(dst, src, s->row_bytes);
    else if (s->layout.mapped)
        convert_mapped(s, dst, src);
    else
        convert_colors(s, dst, src);
}

/* --- decoding --------------------------------------------------------------------------------- */

/* Pillow's block: zlib's verdict on the last bytes of its stream is heard if they are in one with the last
 * row's. */
enum { INPUT_BLOCK = 65536 };

static int start_libpng(png_state *s, mr_error *e)
{
    s->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, on_error, on_warning);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    return s->info ? 0 : mr_no_memory(e, "a PNG decoder");
}

static void read_header(png_state *s)
{
    png_set_read_fn(s->png, s, on_read);
    png_set_user_limits(s->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours is on the pixels */
    png_set_crc_action(s->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_compression_buffer_size(s->png, INPUT_BLOCK);
    png_read_info(s->png, s->info);
    png_set_packing(s->png);
    png_set_read_user_transform_fn(s->png, on_row);
    png_set_user_transform_info(s->png, s, 0, 0);
    if (s->header.interlaced)
        png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    s->row_bytes = png_get_rowbytes(s->png, s->info);
}

/* Calls it with libpng's jump set: once a function, so that no variable of a caller is lost. */
static int start_rows(png_state *s, mr_error *e)
{
    if (setjmp(png_jmpbuf(s->png)))
        return report(s, e);
    read_header(s);
    return 0;
}

static int next_row(png_state *s, uint8_t *row, mr_error *e)
{
    if (setjmp(png_jmpbuf(s->png)))
        return report(s, e);
    png_read_row(s->png, row, NULL);
    return 0;
}

/* An interlaced image that is larger leaves no memory behind. */
enum { KEPT_BYTES = 4 << 20 };

static uint64_t count_rows(const mr_png_header *h)
{
    uint64_t rows = 0;
    for (int pass = 0; h->interlaced && pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        if (PNG_PASS_COLS(h->width, pass) > 0)
            rows += PNG_PASS_ROWS(h->height, pass);
    return h->interlaced ? rows : h->height;
}

/* A row costs time of its own, however short it is; libpng draws the line at the same length. */
enum { LONGEST_SIDE = 1000000 };

static int check_sides(const mr_png_header *h, mr_error *e)
{
    if (h->width <= LONGEST_SIDE && h->height <= LONGEST_SIDE)
        return 0;
    return mr_fail(e, MR_ELIMIT, "PNG of %ux%u pixels: sides are limited to %d", h->width, h->height,
                   LONGEST_SIDE);
}

/* All passes of an interlaced image into one buffer. */
static int read_interlaced(png_state *s, mr_error *e)
{
    uint8_t *whole = mr_scratch_reserve(&s->whole, s->row_bytes * s->header.height, e);
    int status = whole ? 0 : MR_ENOMEM;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (size_t y = 0; !status && s->rows_left > 0 && y < s->header.height; y++)
            status = next_row(s, whole + s->row_bytes * y, e);
    return status;
}

static int begin_pixels(png_state *s, const mr_image_source *in, mr_error *e)
{
    s->rows_left = count_rows(&s->header);
    int status = start_rows(s, e);
    if (!status)
        mr_claim_memory(in, s->header.height, s->header.interlaced ? s->row_bytes * (uint64_t)s->header.height : 0);
    if (!status && s->header.interlaced)
        status = read_interlaced(s, e);
    if (!status && !s->direct && !mr_scratch_reserve(&s->row, s->row_bytes, e))
        status = MR_ENOMEM;
    return status;
}

static int png_open(void *state, const mr_image_source *in, mr_image *shape, mr_error *e)
{
    png_state *s = state;
    close_image(s);
    int status = mr_png_parse(&s->header, in->bytes, in->size, e);
    if (!status)
        status = mr_check_pixels(s->header.width, s->header.height, in->limits, e);
    if (!status)
        status = check_sides(&s->header, e);
    if (status)
        return status;
    s->width = (int)s->header.width;
    s->channels = in->pre->color_mode == MR_COLOR_GRAYSCALE ? 1 : 3;
    s->next_row = 0;
    choose_layout(s);
    feed_start(&s->feed, in, &s->header);
    *shape = (mr_image){.width = s->width, .height = (int)s->header.height, .channels = s->channels};
    status = start_libpng(s, e);
    return status ? status : begin_pixels(s, in, e);
}

static int png_read(void *state, uint8_t *const *rows, int count, mr_error *e)
{
    png_state *s = state;
    int status = 0;
    for (int i = 0; !status && i < count; i++) {
        uint8_t *row = s->direct ? rows[i] : s->row.bytes;
        if (s->header.interlaced)
            row = s->whole.bytes + s->row_bytes * (size_t)s->next_row++;
        else
            status = next_row(s, row, e);
        if (!status && row != rows[i])
            convert_row(s, rows[i], row);
    }
    return status;
}

static int png_finish(void *state, mr_error *e)
{
    png_state *s = state;
    close_image(s);
    return mr_png_check_tail(&s->header, s->feed.bytes, s->feed.size, e);
}

static void png_close(void *state)
{
    png_state *s = state;
    close_image(s);
    if (s->whole.capacity > KEPT_BYTES)
        mr_scratch_free(&s->whole);
}

const mr_image_format mr_format_png = {
    .kind = MR_KIND_PNG,
    .create = png_create_state,
    .destroy = png_destroy_state,
    .open = png_open,
    .read = png_read,
    .finish = png_finish,
    .close = png_close,
};
