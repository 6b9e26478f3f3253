/* SPDX-License-Identifier: Apache-2.0 */
#include "io/draw/montage.h"

#include "io/draw/canvas.h"
#include <math.h>
#include <stdio.h>

#define GROUND 0x121417
#define CARD 0x24282e
#define HOLE 0x000000 /* beside an image that is no square */
#define FAINT 0xa8b0ba
#define RIGHT 0x57c4a0
#define WRONG 0xff7f79
#define GAP 10 /* between cards, pixels */

/* The grid's measures in pixels. */
typedef struct grid {
    int columns, rows;
    int side; /* of an image's square */
    int band; /* height of the label below it */
    double font;
} grid;

/* Paul Tol's "light" scheme: every colour has a contrast of more than 6 : 1 against the card. */
uint32_t mr_class_color(int class_index)
{
    static const uint32_t light[] = {0x77aadd, 0xee8866, 0xeedd88, 0x44bb99, 0xffaabb,
                                     0x99ddff, 0xbbcc33, 0xaaaa00, 0xdddddd};
    return light[class_index % (int)(sizeof light / sizeof *light)];
}

static bool any_mistake(const mr_montage *m)
{
    for (int i = 0; i < m->count; i++)
        if (m->tiles[i].truth && !m->tiles[i].correct)
            return true;
    return false;
}

static int side_for(int count)
{
    return count <= 36 ? 192 : count <= 100 ? 144 : count <= 1000 ? 96 : 64;
}

static grid lay_out(const mr_montage *m)
{
    grid g = {.columns = m->columns, .side = m->tile_size ? m->tile_size : side_for(m->count)};
    if (g.columns == 0)
        g.columns = (int)ceil(sqrt(m->count));
    g.columns = g.columns < m->count ? g.columns : m->count;
    g.rows = (m->count + g.columns - 1) / g.columns;
    g.font = g.side >= 176 ? 14 : g.side >= 128 ? 12 : g.side >= 80 ? 11 : 9;
    double line = round(g.font * 1.35);
    g.band = (int)(line * (any_mistake(m) ? 2 : 1) + g.font * 0.75);
    return g;
}

static int check(const mr_montage *m, mr_error *e)
{
    if (m->count < 1 || m->columns < 0 || (m->tile_size && (m->tile_size < 48 || m->tile_size > 512)))
        return mr_fail(e, MR_EINVAL, "a montage of %d images in %d columns, %d pixels each, cannot be drawn",
                       m->count, m->columns, m->tile_size);
    if (m->count > MR_MONTAGE_MAX_TILES)
        return mr_fail(e, MR_ELIMIT, "a montage holds at most %d images, not %d", MR_MONTAGE_MAX_TILES,
                       m->count);
    for (int i = 0; i < m->count; i++) {
        const mr_montage_tile *t = &m->tiles[i];
        if (!t->pixels || t->width < 1 || t->height < 1 || (t->channels != 1 && t->channels != 3) ||
            t->class_index < 0)
            return mr_fail(e, MR_EINVAL, "image %d of the montage is %dx%d with %d channels, class %d", i,
                           t->width, t->height, t->channels, t->class_index);
        if (t->width > MR_CANVAS_MAX_SIDE || t->height > MR_CANVAS_MAX_SIDE)
            return mr_fail(e, MR_ELIMIT, "image %d of the montage is too large: %dx%d", i, t->width,
                           t->height);
    }
    return MR_OK;
}

/* Copies the tile's pixels into Cairo's own layout. NULL where memory is out. */
static cairo_surface_t *surface_of(const mr_montage_tile *t)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, t->width, t->height);
    if (cairo_surface_status(s) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(s);
        return NULL;
    }
    unsigned char *data = cairo_image_surface_get_data(s);
    size_t stride = (size_t)cairo_image_surface_get_stride(s), step = (size_t)t->channels;
    cairo_surface_flush(s);
    for (size_t y = 0; y < (size_t)t->height; y++) {
        uint32_t *to = (uint32_t *)(void *)(data + y * stride);
        const uint8_t *from = t->pixels + y * (size_t)t->width * step;
        for (size_t x = 0; x < (size_t)t->width; x++, from += step)
            to[x] = (uint32_t)from[0] << 16 | (uint32_t)from[step / 2] << 8 | from[step - 1];
    }
    cairo_surface_mark_dirty(s);
    return s;
}

/* Draws the image as large as the square at (X, Y) allows, in its middle. */
static int draw_image(mr_canvas *c, const grid *g, const mr_montage_tile *t, double x, double y, mr_error *e)
{
    cairo_surface_t *image = surface_of(t);
    if (!image)
        return mr_no_memory(e, "an image of %dx%d pixels in the montage", t->width,
                       t->height);
    double scale = (double)g->side / (t->width > t->height ? t->width : t->height);
    double width = fmax(1, round(t->width * scale)), height = fmax(1, round(t->height * scale));
    mr_canvas_rectangle(c, x, y, g->side, g->side, HOLE, 1);
    cairo_save(c->cr);
    cairo_translate(c->cr, x + floor((g->side - width) / 2), y + floor((g->side - height) / 2));
    cairo_rectangle(c->cr, 0, 0, width, height);
    cairo_clip(c->cr);
    cairo_scale(c->cr, width / t->width, height / t->height);
    cairo_set_source_surface(c->cr, image, 0, 0);
    /* Enlarged edges would fade into the ground without it. */
    cairo_pattern_set_extend(cairo_get_source(c->cr), CAIRO_EXTEND_PAD);
    cairo_pattern_set_filter(cairo_get_source(c->cr), CAIRO_FILTER_GOOD);
    cairo_paint(c->cr);
    cairo_restore(c->cr);
    cairo_surface_destroy(image);
    return MR_OK;
}

static uint32_t label_color(const mr_montage_tile *t)
{
    return !t->truth ? mr_class_color(t->class_index) : t->correct ? RIGHT : WRONG;
}

/* Writes TEXT from X on, shortened to ROOM pixels. */
static void write_fitted(mr_canvas *c, double x, double y, double room, const char *text, uint32_t color)
{
    mr_text fitted = {0};
    mr_canvas_fit(c, text, room, &fitted);
    mr_canvas_text(c, x, y, 0, mr_text_string(&fitted), color);
    mr_text_destroy(&fitted);
}

/* Writes the confidence at the right end of the line from LEFT to RIGHT, if the name then still fits whole.
 * Returns where the name's room ends. */
static double write_confidence(mr_canvas *c, const grid *g, const mr_montage_tile *t, double left,
                               double right, double y)
{
    char percent[16];
    if (!isfinite(t->confidence))
        return right;
    snprintf(percent, sizeof percent, "%.0f%%", fmin(fmax(t->confidence, 0), 1) * 100);
    mr_canvas_font(c, g->font, true);
    double name = mr_canvas_text_width(c, t->label);
    mr_canvas_font(c, g->font, false);
    double width = mr_canvas_text_width(c, percent) + g->font / 2;
    if (left + name + width > right)
        return right;
    mr_canvas_text(c, right, y, 1, percent, FAINT);
    return right - width;
}

/* The first line: tick or cross where the truth is known, the name, at the right the confidence. */
static void write_prediction(mr_canvas *c, const grid *g, const mr_montage_tile *t, double x, double y)
{
    double left = x + g->font / 2, right = x + g->side - g->font / 2;
    mr_canvas_font(c, g->font, true);
    if (t->truth) {
        mr_canvas_text(c, left, y, 0, t->correct ? "✓" : "✗", label_color(t));
        left += g->font * 1.25;
    }
    right = write_confidence(c, g, t, left, right, y);
    mr_canvas_font(c, g->font, true);
    write_fitted(c, left, y, right - left, t->label, label_color(t));
}

static void write_truth(mr_canvas *c, const grid *g, const mr_montage_tile *t, double x, double y)
{
    mr_text line = {0};
    mr_text_format(&line, g->side >= 128 ? "truth: %s" : "≠ %s", t->truth);
    mr_canvas_font(c, g->font, false);
    write_fitted(c, x + g->font / 2, y, g->side - g->font, mr_text_string(&line), 0xffffff);
    mr_text_destroy(&line);
}

static int draw_tile(mr_canvas *c, const grid *g, const mr_montage_tile *t, int index, mr_error *e)
{
    int row = index / g->columns, column = index % g->columns;
    double x = GAP + column * (g->side + GAP), y = GAP + row * (g->side + g->band + GAP);
    mr_canvas_rectangle(c, x, y, g->side, g->side + g->band, CARD, 1);
    int status = draw_image(c, g, t, x, y, e);
    if (status)
        return status;
    mr_canvas_rectangle(c, x, y + g->side, g->side, 3, label_color(t), 1);
    double line = y + g->side + round(g->font * 1.55);
    write_prediction(c, g, t, x, line);
    if (t->truth && !t->correct)
        write_truth(c, g, t, x, line + round(g->font * 1.35));
    return MR_OK;
}

int mr_montage_write(const mr_montage *m, const char *path, mr_error *e)
{
    int status = check(m, e);
    if (status)
        return status;
    grid g = lay_out(m);
    mr_canvas canvas;
    status = mr_canvas_create(&canvas, path, GAP + g.columns * (g.side + GAP),
                              GAP + g.rows * (g.side + g.band + GAP), GROUND, e);
    for (int i = 0; i < m->count && !status; i++)
        status = draw_tile(&canvas, &g, &m->tiles[i], i, e);
    if (!status)
        status = mr_canvas_write(&canvas, path, e);
    mr_canvas_destroy(&canvas);
    return status;
}
