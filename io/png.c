/* SPDX-License-Identifier: Apache-2.0 */
/* PNG by libpng, to the pixels that Pillow's convert("RGB" or "L") gives: no gamma, no background, alpha
 * dropped, 16-bit colour cut to its high byte, 16-bit gray clipped at 255 (Pillow reads it as 32-bit
 * integers, and those are clipped, not scaled). Checksums are judged as Pillow does: those of all chunks
 * before the image data must be right, those of the image data are not looked at (zlib has its own). */
#include "io/decoder.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

/* Where the colours of a row's pixels lie; samples of less than 8 bits come unpacked, one to a byte. */
typedef struct png_layout {
    int pixel;    /* bytes from pixel to pixel */
    int green;    /* bytes from red to green (and green to blue); 0 where there is one sample only */
    bool clipped; /* 16-bit gray */
    bool mapped;  /* through the table of colours */
} png_layout;

typedef struct png_state {
    png_structp png;
    png_infop info;
    const uint8_t *next; /* unread bytes */
    size_t left;
    char problem[160]; /* libpng's last words */
    png_layout layout;
    int width, height, channels; /* channels: wanted */
    bool interlaced;
    bool direct;  /* rows come as wanted */
    int next_row; /* interlaced: in whole */
    size_t row_bytes;
    mr_scratch row, whole;
    uint8_t colors[256][3]; /* of a sample below 16 bits; [.][0] for gray */
} png_state;

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
    if (count > s->left)
        png_error(png, "the file ends within the image");
    memcpy(to, s->next, count);
    s->next += count;
    s->left -= count;
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
        mr_fail(e, MR_ENOMEM, "no memory for a PNG decoder");
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

static int report(png_state *s, mr_error *e)
{
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

/* Entries that the file does not define are black, as in Pillow. */
static void map_palette(png_state *s)
{
    png_colorp palette = NULL;
    int entries = 0;
    memset(s->colors, 0, sizeof s->colors);
    png_get_PLTE(s->png, s->info, &palette, &entries);
    for (int v = 0; v < entries && v < 256; v++) {
        s->colors[v][0] = palette[v].red;
        s->colors[v][1] = palette[v].green;
        s->colors[v][2] = palette[v].blue;
        if (s->channels == 1)
            s->colors[v][0] = mr_luma(palette[v].red, palette[v].green, palette[v].blue);
    }
}

static void choose_layout(png_state *s, int type, int depth)
{
    int samples = png_get_channels(s->png, s->info), bytes = depth == 16 ? 2 : 1;
    s->layout = (png_layout){
        .pixel = samples * bytes,
        .green = type & PNG_COLOR_MASK_COLOR ? bytes : 0,
        .clipped = type == PNG_COLOR_TYPE_GRAY && depth == 16,
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

static void convert_clipped(const png_state *s, uint8_t *dst, const uint8_t *src)
{
    for (int x = 0; x < s->width; x++, src += 2, dst += s->channels)
        memset(dst, src[0] ? 255 : src[1], (size_t)s->channels);
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
    else if (s->layout.clipped)
        convert_clipped(s, dst, src);
    else
        convert_colors(s, dst, src);
}

/* --- decoding --------------------------------------------------------------------------------- */

static int start_libpng(png_state *s, const mr_image_source *in, mr_error *e)
{
    s->next = in->bytes;
    s->left = in->size;
    s->next_row = 0;
    s->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, on_error, on_warning);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    if (!s->info)
        return mr_fail(e, MR_ENOMEM, "no memory for a PNG decoder");
    png_set_read_fn(s->png, s, on_read);
    png_set_user_limits(s->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours is on the pixels */
    /* Only what makes pixels is read; profiles, texts and the like are checked and passed over. */
    png_set_keep_unknown_chunks(s->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(s->png, PNG_CRC_DEFAULT, PNG_CRC_ERROR_QUIT);
    return 0;
}

/* All passes of an interlaced image into one buffer. */
static int read_interlaced(png_state *s, mr_error *e)
{
    uint8_t *whole = mr_scratch_reserve(&s->whole, s->row_bytes * (size_t)s->height, e);
    if (!whole)
        return MR_ENOMEM;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (int y = 0; y < s->height; y++)
            png_read_row(s->png, whole + s->row_bytes * (size_t)y, NULL);
    return 0;
}

static int read_header(png_state *s, const mr_image_source *in, mr_error *e)
{
    png_uint_32 width, height;
    int depth, type, interlace;
    png_read_info(s->png, s->info);
    png_get_IHDR(s->png, s->info, &width, &height, &depth, &type, &interlace, NULL, NULL);
    int status = mr_check_pixels(width, height, in->limits, e);
    if (status)
        return status;
    s->width = (int)width;
    s->height = (int)height;
    s->channels = in->pre->color_mode == MR_COLOR_GRAYSCALE ? 1 : 3;
    s->interlaced = interlace != PNG_INTERLACE_NONE;
    choose_layout(s, type, depth);
    png_set_crc_action(s->png, PNG_CRC_QUIET_USE, PNG_CRC_NO_CHANGE);
    png_set_packing(s->png);
    if (s->interlaced)
        png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    s->row_bytes = png_get_rowbytes(s->png, s->info);
    return 0;
}

static int png_open(void *state, const mr_image_source *in, mr_image *shape, mr_error *e)
{
    png_state *s = state;
    close_image(s);
    int status = start_libpng(s, in, e);
    if (status)
        return status;
    if (setjmp(png_jmpbuf(s->png)))
        return report(s, e);
    status = read_header(s, in, e);
    if (!status && s->interlaced)
        status = read_interlaced(s, e);
    if (!status && !s->direct && !mr_scratch_reserve(&s->row, s->row_bytes, e))
        status = MR_ENOMEM;
    *shape = (mr_image){.width = s->width, .height = s->height, .channels = s->channels};
    return status;
}

static int png_read(void *state, uint8_t *const *rows, int count, mr_error *e)
{
    png_state *s = state;
    if (s->interlaced) {
        for (int i = 0; i < count; i++)
            convert_row(s, rows[i], s->whole.bytes + s->row_bytes * (size_t)s->next_row++);
        return 0;
    }
    if (setjmp(png_jmpbuf(s->png)))
        return report(s, e);
    for (int i = 0; i < count; i++) {
        uint8_t *row = s->direct ? rows[i] : s->row.bytes;
        png_read_row(s->png, row, NULL);
        if (!s->direct)
            convert_row(s, rows[i], row);
    }
    return 0;
}

static int png_finish(void *state, mr_error *e)
{
    (void)e;
    close_image(state);
    return 0;
}

const mr_image_format mr_format_png = {
    .kind = MR_KIND_PNG,
    .create = png_create_state,
    .destroy = png_destroy_state,
    .open = png_open,
    .read = png_read,
    .finish = png_finish,
};
