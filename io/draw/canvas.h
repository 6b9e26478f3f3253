/* SPDX-License-Identifier: Apache-2.0 */
/* What the pictures that millrace draws (training plot, montage) share: a Cairo surface with DejaVu Sans on
 * it, and its way into a PNG file. */
#ifndef MR_IO_CANVAS_H
#define MR_IO_CANVAS_H

#include "base/text.h"
#include <cairo.h>

typedef struct mr_canvas {
    int width, height; /* pixels */
    cairo_surface_t *surface;
    cairo_t *cr;
    mr_text *document; /* what a vector surface has written so far; NULL: pixels, which become a PNG */
} mr_canvas;

typedef enum mr_picture_format { MR_PICTURE_PNG, MR_PICTURE_SVG, MR_PICTURE_PDF } mr_picture_format;

/* By PATH's extension, .png, .svg or .pdf in any case; a PNG where it has none, or is a device, a pipe or a folder.
 * MR_EUSAGE for another. */
int mr_picture_format_of(mr_picture_format *out, const char *path, mr_error *e);

/* Cairo's limit for a side of a surface, and ours for the whole: 100 million pixels are 400 MB. */
#define MR_CANVAS_MAX_SIDE 32767
#define MR_CANVAS_MAX_PIXELS 100000000

/* A WIDTH x HEIGHT canvas for a picture at PATH, filled with the colour 0xRRGGBB. In a new process the same calls give
 * the same bytes, whenever that is (an SVG numbers what it holds through all pictures of a process). Errors: MR_EUSAGE (PATH's extension), MR_ELIMIT (before anything is allocated), MR_ENOMEM.
 * One thread at a time per canvas. */
int mr_canvas_create(mr_canvas *c, const char *path, int width, int height, uint32_t background, mr_error *e);
void mr_canvas_destroy(mr_canvas *c);

/* Nothing can be drawn afterwards. Writes the picture to PATH, the one that it was created for, in one step (base/durable.h), so that who watches PATH never sees half a picture;
 * a device or a pipe is written to as it is. Errors: MR_EIO, MR_ENOTFOUND, MR_ENOMEM. */
int mr_canvas_write(mr_canvas *c, const char *path, mr_error *e);

void mr_canvas_color(mr_canvas *c, uint32_t rgb, double alpha);
void mr_canvas_rectangle(mr_canvas *c, double x, double y, double width, double height, uint32_t rgb,
                         double alpha);

/* Chooses DejaVu Sans for the calls below; SIZE in pixels per em. */
void mr_canvas_font(mr_canvas *c, double size, bool bold);
/* Advance width in pixels of TEXT (cleaned as mr_text_append_clean does). */
double mr_canvas_text_width(mr_canvas *c, const char *text);
/* Draws TEXT with its baseline at Y; ALIGN 0 puts its left end at X, 0.5 its middle, 1 its right end. */
void mr_canvas_text(mr_canvas *c, double x, double y, double align, const char *text, uint32_t rgb);
/* Appends TEXT to OUT, as much as fits WIDTH pixels, with an ellipsis where it was cut. */
void mr_canvas_fit(mr_canvas *c, const char *text, double width, mr_text *out);

#endif
