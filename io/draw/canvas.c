/* SPDX-License-Identifier: Apache-2.0 */
#include "io/draw/canvas.h"

#include "base/path.h"
#include "base/durable.h"
#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int check_cairo(cairo_status_t status, const char *what, mr_error *e)
{
    if (status == CAIRO_STATUS_SUCCESS)
        return MR_OK;
    int code = status == CAIRO_STATUS_NO_MEMORY ? MR_ENOMEM : MR_EIO;
    return mr_fail(e, code, "cannot draw %s: %s", what, cairo_status_to_string(status));
}

/* Gray antialiasing: a picture is looked at on any screen, subpixel colours suit one only. */
static void choose_text_rendering(cairo_t *cr)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_set_font_options(cr, options);
    cairo_font_options_destroy(options);
}

/* --- formats ------------------------------------------------------------------------------------- */

/* A device or a pipe is written to: renaming a file to its name would do away with it. */
static bool is_special(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

int mr_picture_format_of(mr_picture_format *out, const char *path, mr_error *e)
{
    static const char *const extensions[] = {
        [MR_PICTURE_PNG] = ".png", [MR_PICTURE_SVG] = ".svg", [MR_PICTURE_PDF] = ".pdf"};
    const char *name = mr_file_name(path), *dot = strrchr(name, '.');
    *out = MR_PICTURE_PNG;
    if (!dot || dot == name || is_special(path))
        return 0;
    for (int i = MR_PICTURE_PNG; i <= MR_PICTURE_PDF; i++)
        if (!strcasecmp(dot, extensions[i])) {
            *out = (mr_picture_format)i;
            return 0;
        }
    return mr_hint(e, mr_fail(e, MR_EUSAGE, "%s: unsupported format '%s'", path, dot),
                   "give a name that ends in .png, .svg or .pdf");
}

static cairo_status_t append_document(void *document, const unsigned char *bytes, unsigned int size)
{
    mr_text *t = document;
    mr_text_append_bytes(t, bytes, size);
    return t->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* A point is a pixel of the PNG. The PDF's date is none of today: the same run gives the same file. */
static cairo_surface_t *vector_surface(mr_canvas *c, mr_picture_format format)
{
    c->document = calloc(1, sizeof *c->document);
    if (!c->document)
        return NULL;
    if (format == MR_PICTURE_SVG) {
        cairo_surface_t *svg = cairo_svg_surface_create_for_stream(append_document, c->document, c->width, c->height);
        cairo_svg_surface_set_document_unit(svg, CAIRO_SVG_UNIT_PX);
        return svg;
    }
    cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(append_document, c->document, c->width, c->height);
    cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATE_DATE, "1970-01-01T00:00:00Z");
    return pdf;
}

static int make_surface(mr_canvas *c, mr_picture_format format, mr_error *e)
{
    c->surface = format == MR_PICTURE_PNG ? cairo_image_surface_create(CAIRO_FORMAT_RGB24, c->width, c->height)
                                          : vector_surface(c, format);
    if (!c->surface)
        return mr_no_memory(e, "a picture");
    c->cr = cairo_create(c->surface);
    return check_cairo(cairo_status(c->cr), "a picture", e);
}

int mr_canvas_create(mr_canvas *c, const char *path, int width, int height, uint32_t background, mr_error *e)
{
    mr_picture_format format;
    *c = (mr_canvas){.width = width, .height = height};
    if (mr_picture_format_of(&format, path, e))
        return MR_EUSAGE;
    if (width < 1 || height < 1 || width > MR_CANVAS_MAX_SIDE || height > MR_CANVAS_MAX_SIDE ||
        (int64_t)width * height > MR_CANVAS_MAX_PIXELS)
        return mr_fail(e, MR_ELIMIT, "a picture of %dx%d pixels cannot be drawn", width, height);
    int status = make_surface(c, format, e);
    if (status) {
        mr_canvas_destroy(c);
        return status;
    }
    choose_text_rendering(c->cr);
    mr_canvas_color(c, background, 1);
    cairo_paint(c->cr);
    return MR_OK;
}

void mr_canvas_destroy(mr_canvas *c)
{
    if (!c)
        return;
    if (c->cr)
        cairo_destroy(c->cr);
    if (c->surface)
        cairo_surface_destroy(c->surface);
    mr_text_destroy(c->document);
    free(c->document);
    *c = (mr_canvas){0};
}

static cairo_status_t write_bytes(void *file, const unsigned char *bytes, unsigned int size)
{
    return fwrite(bytes, 1, size, file) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

/* --- writing --------------------------------------------------------------------------------------- */

/* A picture on its way to PATH. */
typedef struct errand {
    mr_canvas *canvas;
    const char *path;
} errand;

static cairo_status_t write_picture_bytes(mr_canvas *c, FILE *f)
{
    if (!c->document)
        return cairo_surface_write_to_png_stream(c->surface, write_bytes, f);
    return write_bytes(f, (const unsigned char *)mr_text_string(c->document), (unsigned int)c->document->length);
}

/* Writes the picture into the file TARGET; errors name the path where it is wanted. */
static int write_picture(void *context, const char *target, mr_error *e)
{
    const errand *a = context;
    FILE *f = fopen(target, "wbe");
    if (!f)
        return mr_fail_errno(e, errno, "cannot create %s", a->path);
    errno = 0;
    cairo_status_t drawn = write_picture_bytes(a->canvas, f);
    int why = errno ? errno : EIO;
    if (fclose(f) != 0 && drawn == CAIRO_STATUS_SUCCESS)
        return mr_fail_errno(e, errno, "cannot write %s", a->path);
    if (drawn == CAIRO_STATUS_WRITE_ERROR)
        return mr_fail_errno(e, why, "cannot write %s", a->path);
    return check_cairo(drawn, a->path, e);
}

int mr_canvas_write(mr_canvas *c, const char *path, mr_error *e)
{
    int status = check_cairo(cairo_status(c->cr), path, e);
    if (status)
        return status;
    errand a = {c, path};
    if (c->document)
        cairo_surface_finish(c->surface);
    else
        cairo_surface_flush(c->surface);
    status = check_cairo(cairo_surface_status(c->surface), path, e);
    if (status)
        return status;
    return mr_durable_write(path, write_picture, &a, e);
}

void mr_canvas_color(mr_canvas *c, uint32_t rgb, double alpha)
{
    cairo_set_source_rgba(c->cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0,
                          alpha);
}

void mr_canvas_rectangle(mr_canvas *c, double x, double y, double width, double height, uint32_t rgb,
                         double alpha)
{
    mr_canvas_color(c, rgb, alpha);
    cairo_rectangle(c->cr, x, y, width, height);
    cairo_fill(c->cr);
}

void mr_canvas_font(mr_canvas *c, double size, bool bold)
{
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cr, size);
}

static double clean_width(mr_canvas *c, const mr_text *clean)
{
    cairo_text_extents_t extents;
    cairo_text_extents(c->cr, mr_text_string(clean), &extents);
    return extents.x_advance;
}

double mr_canvas_text_width(mr_canvas *c, const char *text)
{
    mr_text clean = {0};
    mr_text_append_clean(&clean, text);
    double width = clean_width(c, &clean);
    mr_text_destroy(&clean);
    return width;
}

void mr_canvas_text(mr_canvas *c, double x, double y, double align, const char *text, uint32_t rgb)
{
    mr_text clean = {0};
    mr_text_append_clean(&clean, text);
    mr_canvas_color(c, rgb, 1);
    cairo_move_to(c->cr, x - align * clean_width(c, &clean), y);
    cairo_show_text(c->cr, mr_text_string(&clean));
    cairo_new_path(c->cr);
    mr_text_destroy(&clean);
}

void mr_canvas_fit(mr_canvas *c, const char *text, double width, mr_text *out)
{
    size_t columns = mr_utf8_columns(text);
    /* A name of thousands of characters is cut before it is measured again and again. */
    columns = columns < 1000 ? columns : 1000;
    mr_text cut = {0};
    mr_text_append_cut(&cut, text, columns);
    while (columns > 0 && clean_width(c, &cut) > width) {
        mr_text_clear(&cut);
        mr_text_append_cut(&cut, text, --columns);
    }
    mr_text_append(out, mr_text_string(&cut));
    mr_text_destroy(&cut);
}
