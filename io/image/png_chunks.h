/* SPDX-License-Identifier: Apache-2.0 */
/* The chunks of a PNG file, judged as Pillow's PngImagePlugin judges them: up to the image data every chunk
 * must be whole, of the length that it needs, and of the right checksum; between the pieces of the image data
 * and behind it checksums are not looked at, and the end may be missing. libpng judges otherwise, so it is
 * given what is found here (io/image/png.c) and never sees the file's own chunks. */
#ifndef MR_IO_PNG_CHUNKS_H
#define MR_IO_PNG_CHUNKS_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

typedef struct mr_png_header {
    uint32_t width, height;
    int depth, color_type; /* as in IHDR, one of the combinations that PNG knows */
    bool interlaced;
    const uint8_t *palette; /* 3 bytes an entry, in the file's bytes; NULL where there is none */
    int palette_entries;
    bool animated; /* more than one frame: what lies behind the next fcTL is not this image's */
    size_t data;   /* offset of the first IDAT chunk */
} mr_png_header;

/* Reads all chunks of a file (which starts with PNG's signature) up to the image data. Errors: MR_EFORMAT,
 * MR_EUNSUPPORTED. */
int mr_png_parse(mr_png_header *h, const uint8_t *bytes, size_t size, mr_error *e);

/* The piece of image data whose chunk starts at *AT: its bytes and, in *SIZE_LEFT, how many of them are there
 * (the last piece of a truncated file is shorter than it says). Moves *AT behind the chunk. NULL where no
 * further piece of image data follows. */
const uint8_t *mr_png_piece(const uint8_t *bytes, size_t size, size_t *at, size_t *size_left);

/* 0 where Pillow accepts what lies behind the image data, whose first chunk is at DATA. */
int mr_png_check_tail(const mr_png_header *h, const uint8_t *bytes, size_t size, mr_error *e);

#endif
