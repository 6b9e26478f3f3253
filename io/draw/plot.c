/* SPDX-License-Identifier: Apache-2.0 */
#include "io/draw/plot.h"

#include "io/draw/axis.h"
#include "io/draw/canvas.h"
#include <math.h>

#define PAPER 0xffffff
#define PANEL 0xebebf0
#define GRID 0xffffff
#define INK 0x22262b
#define FAINT_INK 0x5a6068
#define TICK_FONT 13
#define GAP_ROW 12       /* pixels from one row of crosses to the next */
#define MARKED_POINTS 60 /* up to so many values each has a dot */

/* Okabe and Ito's colours, told apart by the colour-blind; yellow left out, it does not show on a light
 * ground. */
static const uint32_t palette[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xe69f00};
#define COLORS (int)(sizeof palette / sizeof *palette)

/* One panel while it is drawn. */
typedef struct panel_view {
    mr_canvas *canvas;
    const mr_plot_panel *panel;
    double first_x;
    double x, y, width, height; /* of the area between the axes, pixels */
    double headroom;            /* of height: kept free at the top for the crosses, 0 where there are none */
    mr_axis across, up;
    bool empty; /* nothing that could be drawn */
} panel_view;

typedef struct box {
    double x, y, width, height;
} box;

static double place_x(const panel_view *v, size_t i)
{
    return v->x + v->width * mr_axis_place(&v->across, v->first_x + (double)i);
}

static double place_y(const panel_view *v, double value)
{
    return v->y + v->height - (v->height - v->headroom) * mr_axis_place(&v->up, value);
}

static size_t longest_series(const mr_plot *plot)
{
    size_t n = 1;
    for (int p = 0; p < plot->panel_count; p++)
        for (int s = 0; s < plot->panels[p].series_count; s++)
            n = plot->panels[p].series[s].count > n ? plot->panels[p].series[s].count : n;
    return n;
}

static bool has_gaps(const mr_plot_panel *panel)
{
    for (int s = 0; s < panel->series_count; s++)
        for (size_t i = 0; i < panel->series[s].count; i++)
            if (!mr_drawable(panel->series[s].values[i]))
                return true;
    return false;
}

static void choose_up_axis(panel_view *v, double height)
{
    double low = INFINITY, high = -INFINITY;
    for (int s = 0; s < v->panel->series_count; s++)
        mr_range_extend(&low, &high, v->panel->series[s].values, v->panel->series[s].count);
    v->empty = low > high;
    int wanted = (int)(height / 42);
    double ceiling = v->panel->ceiling != 0 ? v->panel->ceiling : INFINITY;
    if (v->empty)
        mr_axis_linear(&v->up, 0, 1, 1, wanted);
    else if (v->panel->may_be_logarithmic && low > 1e-300 && high / low > 100)
        mr_axis_logarithmic(&v->up, low, high, wanted);
    else
        mr_axis_linear(&v->up, low, high, ceiling, wanted);
}

static double widest_tick(mr_canvas *c, const mr_axis *a)
{
    double widest = 0;
    mr_canvas_font(c, TICK_FONT, false);
    for (int i = 0; i < a->ticks; i++)
        widest = fmax(widest, mr_canvas_text_width(c, a->labels[i]));
    return widest;
}

/* A line between two points, on whole pixels so that it is sharp. */
static void rule(mr_canvas *c, double x0, double y0, double x1, double y1, double width, uint32_t color)
{
    double shift = fmod(width, 2) / 2;
    mr_canvas_color(c, color, 1);
    cairo_set_line_width(c->cr, width);
    cairo_move_to(c->cr, floor(x0) + shift, floor(y0) + shift);
    cairo_line_to(c->cr, floor(x1) + shift, floor(y1) + shift);
    cairo_stroke(c->cr);
}

static void draw_grid(const panel_view *v)
{
    mr_canvas *c = v->canvas;
    mr_canvas_rectangle(c, v->x, v->y, v->width, v->height, PANEL, 1);
    mr_canvas_font(c, TICK_FONT, false);
    for (int i = 0; i < v->across.ticks; i++) {
        double x = v->x + v->width * mr_axis_place(&v->across, v->across.at[i]);
        rule(c, x, v->y, x, v->y + v->height, 1, GRID);
        rule(c, x, v->y + v->height, x, v->y + v->height + 4, 1, FAINT_INK);
        mr_canvas_text(c, x, v->y + v->height + 19, 0.5, v->across.labels[i], FAINT_INK);
    }
    for (int i = 0; i < v->up.ticks; i++) {
        double y = place_y(v, v->up.at[i]);
        rule(c, v->x, y, v->x + v->width, y, 1, GRID);
        rule(c, v->x - 4, y, v->x, y, 1, FAINT_INK);
        mr_canvas_text(c, v->x - 8, y + TICK_FONT * 0.35, 1, v->up.labels[i], FAINT_INK);
    }
}

static void dot(mr_canvas *c, double x, double y, double radius)
{
    cairo_arc(c->cr, x, y, radius, 0, 2 * M_PI);
    cairo_fill(c->cr);
}

static bool alone(const mr_plot_series *s, size_t i)
{
    return (i == 0 || !mr_drawable(s->values[i - 1])) &&
           (i + 1 == s->count || !mr_drawable(s->values[i + 1]));
}

static void draw_line(const panel_view *v, const mr_plot_series *s)
{
    cairo_t *cr = v->canvas->cr;
    bool pen_down = false;
    cairo_set_line_width(cr, s->count > 300 ? 1.4 : 2.2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < s->count; i++) {
        bool drawable = mr_drawable(s->values[i]);
        if (drawable && pen_down)
            cairo_line_to(cr, place_x(v, i), place_y(v, s->values[i]));
        else if (drawable)
            cairo_move_to(cr, place_x(v, i), place_y(v, s->values[i]));
        pen_down = drawable;
    }
    cairo_stroke(cr);
    for (size_t i = 0; i < s->count; i++)
        if (mr_drawable(s->values[i]) && (s->count <= MARKED_POINTS || alone(s, i)))
            dot(v->canvas, place_x(v, i), place_y(v, s->values[i]),
                s->count <= MARKED_POINTS / 2 ? 3.6 : 2.6);
}

static void cross(mr_canvas *c, double x, double y)
{
    cairo_set_line_width(c->cr, 1.8);
    for (int side = -1; side <= 1; side += 2) {
        cairo_move_to(c->cr, x - 4, y - 4 * side);
        cairo_line_to(c->cr, x + 4, y + 4 * side);
    }
    cairo_stroke(c->cr);
}

/* A cross for each value that cannot be drawn, one row per series so that they do not hide each other.
 * Crosses that would touch are thinned out. */
static void draw_gaps(const panel_view *v, const mr_plot_series *s, int row)
{
    double last = -INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        if (mr_drawable(s->values[i]) || place_x(v, i) - last < 10)
            continue;
        last = place_x(v, i);
        cross(v->canvas, last, v->y + 10 + GAP_ROW * row);
    }
}

static void draw_series(const panel_view *v)
{
    for (int s = 0; s < v->panel->series_count; s++) {
        mr_canvas_color(v->canvas, palette[s % COLORS], 1);
        draw_line(v, &v->panel->series[s]);
        draw_gaps(v, &v->panel->series[s], s);
    }
    mr_canvas_font(v->canvas, TICK_FONT, false);
    if (v->empty)
        mr_canvas_text(v->canvas, v->x + v->width / 2, v->y + v->height / 2, 0.5, "no data", FAINT_INK);
}

/* The legend stands right-aligned above the panel, where it never covers a line. Returns its left end. */
static double draw_legend(const panel_view *v)
{
    mr_canvas *c = v->canvas;
    double x = v->x + v->width, y = v->y - 12;
    double room = v->width * 0.7 / (v->panel->series_count ? v->panel->series_count : 1) - 40;
    mr_canvas_font(c, 14, false);
    for (int s = v->panel->series_count - 1; s >= 0; s--) {
        if (v->panel->series[s].count == 0)
            continue;
        mr_text name = {0};
        mr_canvas_fit(c, v->panel->series[s].name, room, &name);
        x -= mr_canvas_text_width(c, mr_text_string(&name));
        mr_canvas_text(c, x, y, 0, mr_text_string(&name), INK);
        mr_text_destroy(&name);
        rule(c, x - 32, y - 6, x - 8, y - 6, 3, palette[s % COLORS]);
        dot(c, x - 20, y - 4.5, 4.5);
        x -= 50;
    }
    return x;
}

static void draw_panel_title(const panel_view *v, double room)
{
    mr_text title = {0}, fitted = {0};
    mr_text_format(&title, "%s%s", v->panel->title, v->up.logarithmic ? " (log scale)" : "");
    mr_canvas_font(v->canvas, 16, true);
    mr_canvas_fit(v->canvas, mr_text_string(&title), room, &fitted);
    mr_canvas_text(v->canvas, v->x, v->y - 12, 0, mr_text_string(&fitted), INK);
    mr_text_destroy(&title);
    mr_text_destroy(&fitted);
}

static void draw_foot(const panel_view *v, const char *x_label, double y)
{
    mr_canvas_font(v->canvas, 14, false);
    if (x_label)
        mr_canvas_text(v->canvas, v->x + v->width / 2, y, 0.5, x_label, INK);
    mr_canvas_font(v->canvas, TICK_FONT, false);
    if (v->headroom > 0)
        mr_canvas_text(v->canvas, v->x + v->width, y, 1, "× not a finite number", FAINT_INK);
}

static void draw_panel(mr_canvas *c, const mr_plot *plot, int index, box b)
{
    panel_view v = {.canvas = c, .panel = &plot->panels[index], .first_x = plot->first_x};
    v.y = b.y + 30;
    v.height = b.height - 30 - (plot->x_label ? 46 : 26);
    v.headroom = has_gaps(v.panel) ? fmin(GAP_ROW * v.panel->series_count, v.height / 3) : 0;
    choose_up_axis(&v, v.height);
    double left = ceil(widest_tick(c, &v.up)) + 10;
    v.x = b.x + left;
    v.width = b.width - left;
    double last = plot->first_x + (double)longest_series(plot) - 1;
    mr_axis_counted(&v.across, plot->first_x, last, (int)(v.width / 45));
    draw_grid(&v);
    draw_series(&v);
    draw_panel_title(&v, draw_legend(&v) - v.x);
    draw_foot(&v, plot->x_label, b.y + b.height - 4);
}

static void draw_title(mr_canvas *c, const char *title)
{
    mr_text fitted = {0};
    mr_canvas_font(c, 20, true);
    mr_canvas_fit(c, title, c->width - 60, &fitted);
    mr_canvas_text(c, c->width / 2.0, 40, 0.5, mr_text_string(&fitted), INK);
    mr_text_destroy(&fitted);
}

int mr_plot_write(const mr_plot *plot, const char *path, mr_error *e)
{
    int width = plot->width ? plot->width : 1200, height = plot->height ? plot->height : 600;
    if (plot->panel_count < 1 || plot->panel_count > 4 || width < 240 * plot->panel_count || height < 200)
        return mr_fail(e, MR_EINVAL, "cannot plot %d panels in %dx%d pixels", plot->panel_count, width,
                       height);
    mr_canvas canvas;
    int status = mr_canvas_create(&canvas, path, width, height, PAPER, e);
    if (status)
        return status;
    double top = plot->title ? 60 : 20, margin = 24;
    double share = (width - margin * (plot->panel_count + 1)) / plot->panel_count;
    if (plot->title)
        draw_title(&canvas, plot->title);
    for (int p = 0; p < plot->panel_count; p++)
        draw_panel(&canvas, plot, p, (box){margin + p * (share + margin), top, share, height - top - 18});
    status = mr_canvas_write(&canvas, path, e);
    mr_canvas_destroy(&canvas);
    return status;
}
