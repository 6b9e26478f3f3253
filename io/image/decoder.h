/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the image decoder (io/image/image.c, io/image/jpeg.c, io/image/png.c): what a file format has to offer, and what the
 * formats share. A format is one file and one row of the table in io/image/image.c.
 *
 * Decoding is a pull: open() reads the header and says the size, read() fills the next rows, finish() says
 * whether the rest of the file is what Pillow accepts. So rows can be resized while they are still in the
 * cache, and a whole image is stored only where somebody wants it. */
#ifndef MR_IO_DECODER_H
#define MR_IO_DECODER_H

#include "io/image/types.h"

/* Readable bytes after the end of every row buffer of the decoder: vector loads may run over the last pixel.
 */
enum { MR_ROW_PADDING = 64 };

/* Where rows begin in a buffer, so that they are not aligned to 16 bytes: into aligned rows libjpeg-turbo
 * writes around the cache (movntdq), and reading them again then waits for memory; resizing took twice the
 * time. */
enum { MR_ROW_OFFSET = 8 };

/* A buffer that grows and is kept from image to image. */
typedef struct mr_scratch {
    uint8_t *bytes;
    size_t capacity;
} mr_scratch;

/* At least SIZE bytes (64-byte aligned, plus MR_ROW_PADDING readable ones) in S; what was in it is lost.
 * NULL, with E filled, where there is no memory. */
uint8_t *mr_scratch_reserve(mr_scratch *s, size_t size, mr_error *e);
void mr_scratch_free(mr_scratch *s);

typedef struct mr_image_source {
    const uint8_t *bytes;
    size_t size;
    const mr_preprocess *pre;
    mr_decode_limits limits;
    uint64_t *claimed; /* by mr_claim_memory */
} mr_image_source;

typedef struct mr_image_format {
    mr_image_kind kind;
    /* State that is kept between images (libjpeg's objects, row buffers). */
    void *(*create)(mr_error *e);
    void (*destroy)(void *state);
    /* Reads up to the first row: fills SHAPE's width, height, channels as rows will come. The state ends
     * whatever image was open before. The source must stay valid until finish() or the next open(). */
    int (*open)(void *state, const mr_image_source *source, mr_image *shape, mr_error *e);
    /* The next COUNT rows, packed pixels of SHAPE's channels. */
    int (*read)(void *state, uint8_t *const *rows, int count, mr_error *e);
    /* After the last row: 0 where Pillow would accept the file. */
    int (*finish)(void *state, mr_error *e);
    /* The end of the image, however it came: frees what grows with an image, but for row buffers. */
    void (*close)(void *state);
} mr_image_format;

extern const mr_image_format mr_format_jpeg, mr_format_png;

/* For open(), once an image: SIZE bytes will be kept besides a few rows, and what resizing HEIGHT rows takes.
 * Waits until the decoders that share limits.memory have left as much. It is given back when the image is
 * closed. */
void mr_claim_memory(const mr_image_source *source, int64_t height, uint64_t size);

/* MR_ELIMIT where WIDTH x HEIGHT is over the limit, MR_EFORMAT where one of them is not positive. */
int mr_check_pixels(int64_t width, int64_t height, mr_decode_limits limits, mr_error *e);

/* Row conversions as in Pillow's Convert.c. COUNT pixels; DST and SRC may be the same row where DST's pixels
 * are not the wider ones. */
void mr_row_rgb_to_gray(uint8_t *dst, const uint8_t *src, int count);
/* SRC as libjpeg hands out CMYK of Adobe's files: inverted ink. Pillow inverts every CMYK JPEG. */
void mr_row_inverted_cmyk_to_rgb(uint8_t *dst, const uint8_t *src, int count);

/* Pillow's luma: ITU-R 601 weights in 16-bit fixed point. */
static inline uint8_t mr_luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((r * 19595u + g * 38470u + b * 7471u + 0x8000u) >> 16);
}

#endif
