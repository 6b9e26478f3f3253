/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths are pixels, colours 0 … 255, angles radians. "Depth" is the distance from the cell's centre as a
 * share of the outline's distance in that direction: 0 at the centre, 1 at the rim. */
#include "io/demo/cell.h"

#include "base/random.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TURN (2 * M_PI)
#define WAVES 5            /* of the outline */
#define MAX_DARKENING 45.0 /* that a smear at the rim may bring */

typedef struct color {
    double c[3];
} color;

typedef struct wave {
    double height, phase;
} wave;

/* A cell while it is drawn; the planes are [height, width]. */
typedef struct cell {
    mr_philox random;
    int width, height;
    size_t pixels;
    double scale; /* of lengths, 1 for a side of 140 */
    double x, y, radius, stretch;
    wave outline[WAVES];
    float *rgb;    /* [height, width, 3] */
    float *drawn;  /* the same with parasites on it */
    float *inside; /* share of the pixel that the cell covers */
    float *depth;
    float *haze; /* where an uninfected cell's stain goes; sums to 1 over the cell */
    float *smear;
    float *memory; /* all of them */
} cell;

static double uniform(cell *c, double low, double high)
{
    return mr_philox_uniform(&c->random, low, high);
}

static bool chance(cell *c, double probability)
{
    return mr_philox_double(&c->random) < probability;
}

static int random_side(cell *c)
{
    double side = round(140 + 18 * mr_philox_normal(&c->random));
    return (int)fmin(fmax(side, MR_CELL_MIN_SIDE), MR_CELL_MAX_SIDE);
}

static int cell_create(cell *c, uint64_t seed, uint64_t index, mr_error *e)
{
    mr_philox_init(&c->random, seed, MR_DRAW_SAMPLE, 0, index);
    c->width = random_side(c);
    c->height = random_side(c);
    c->pixels = (size_t)c->width * (size_t)c->height;
    c->memory = calloc(c->pixels * 10, sizeof *c->memory);
    if (!c->memory)
        return mr_no_memory(e, "a sample image");
    c->rgb = c->memory;
    c->drawn = c->rgb + 3 * c->pixels;
    c->inside = c->drawn + 3 * c->pixels;
    c->depth = c->inside + c->pixels;
    c->haze = c->depth + c->pixels;
    c->smear = c->haze + c->pixels;
    return MR_OK;
}

/* --- the cell itself -------------------------------------------------------- */

static void choose_outline(cell *c)
{
    int side = c->width < c->height ? c->width : c->height;
    c->scale = side / 140.0;
    c->x = c->width / 2.0 + 2 * mr_philox_normal(&c->random);
    c->y = c->height / 2.0 + 2 * mr_philox_normal(&c->random);
    c->radius = side * uniform(c, 0.41, 0.46);
    c->stretch = (double)c->width / c->height;
    for (int k = 0; k < WAVES; k++)
        c->outline[k] = (wave){mr_philox_normal(&c->random) * 0.05 / (k + 1.5), uniform(c, 0, TURN)};
}

static double outline_at(const cell *c, double angle)
{
    double r = 1;
    for (int k = 0; k < WAVES; k++)
        r += c->outline[k].height * cos((k + 2) * angle + c->outline[k].phase);
    return r * c->radius;
}

#define DIRECTIONS 1024 /* in which the outline is measured; between them lies less than a pixel */

/* Fills depth and inside. A wide image holds a wide cell: both axes are brought to the shorter side's scale.
 */
static void trace_outline(cell *c)
{
    double wide = fmax(c->stretch, 1), high = fmax(1 / c->stretch, 1);
    float rims[DIRECTIONS];
    for (int d = 0; d < DIRECTIONS; d++)
        rims[d] = (float)outline_at(c, d * TURN / DIRECTIONS);
    size_t i = 0;
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++, i++) {
            double dx = (x + 0.5 - c->x) / wide, dy = (y + 0.5 - c->y) / high;
            int direction = (int)lround(atan2(dy, dx) * (DIRECTIONS / TURN));
            double rim = rims[direction & (DIRECTIONS - 1)], r = sqrt(dx * dx + dy * dy);
            c->depth[i] = (float)(r / rim);
            c->inside[i] = (float)fmin(fmax((rim - r) / 1.5 + 0.5, 0), 1);
        }
}

static color choose_stain_family(cell *c)
{
    static const color families[] = {{{208, 162, 150}}, {{174, 168, 188}}, {{198, 134, 150}},
                                     {{162, 146, 186}}, {{214, 158, 150}}, {{190, 170, 160}},
                                     {{186, 130, 164}}};
    color base = families[mr_philox_below(&c->random, sizeof families / sizeof *families)];
    double light = uniform(c, 0.88, 1.06);
    for (int k = 0; k < 3; k++)
        base.c[k] = base.c[k] * light + 5 * mr_philox_normal(&c->random);
    return base;
}

/* A red blood cell is a disc that is thinner in its middle: pale there, fuller towards the rim, and a bright
 * edge. */
static void paint_body(cell *c)
{
    color base = choose_stain_family(c);
    double pallor = uniform(c, 0, 0.14), width = uniform(c, 0.3, 0.55), edge = uniform(c, 0.02, 0.1);
    for (size_t i = 0; i < c->pixels; i++) {
        double d = c->depth[i], middle = d / width, rim = (d - 0.97) / 0.045;
        double light = 1 + pallor * exp(-middle * middle) - 0.1 * d * d + edge * exp(-rim * rim);
        for (int k = 0; k < 3; k++)
            c->rgb[3 * i + (size_t)k] = (float)(base.c[k] * light);
    }
}

#define GRID 48 /* cells of the noise's grid per side, at most */

static double smooth(double t)
{
    return t * t * (3 - 2 * t);
}

/* Adds AMPLITUDE times value noise to PLANE: random numbers in [-1, 1] on a grid, STEP pixels apart, blended
 * smoothly. */
static void add_noise(cell *c, float *plane, double step, double amplitude)
{
    static const int side = GRID + 1;
    float grid[(GRID + 1) * (GRID + 1)];
    step = fmax(step, (double)MR_CELL_MAX_SIDE / (GRID - 1));
    int used = (int)(MR_CELL_MAX_SIDE / step) + 2;
    for (int y = 0; y < used; y++)
        for (int x = 0; x < used; x++)
            grid[y * side + x] = (float)uniform(c, -1, 1);
    for (int y = 0; y < c->height; y++) {
        int row = (int)(y / step);
        double ty = smooth(y / step - row);
        for (int x = 0; x < c->width; x++) {
            int column = (int)(x / step);
            double tx = smooth(x / step - column);
            const float *g = grid + (size_t)(row * side + column);
            double top = g[0] + (g[1] - g[0]) * tx, bottom = g[side] + (g[side + 1] - g[side]) * tx;
            plane[(size_t)y * (size_t)c->width + (size_t)x] +=
                (float)(amplitude * (top + (bottom - top) * ty));
        }
    }
}

static void paint_texture(cell *c)
{
    float *texture = c->haze; /* free until the stain is spread */
    memset(texture, 0, c->pixels * sizeof *texture);
    add_noise(c, texture, 28 * c->scale, 5);
    add_noise(c, texture, 9 * c->scale, 3);
    for (size_t i = 0; i < c->pixels; i++) {
        /* Four bytes of one draw: nearly normal, and a fourth of the price. */
        uint32_t u = mr_philox_u32(&c->random);
        double grain = (double)((u & 255) + (u >> 8 & 255) + (u >> 16 & 255) + (u >> 24)) / 510.0 - 1;
        double t = texture[i] + 6 * grain;
        c->rgb[3 * i] += (float)t;
        c->rgb[3 * i + 1] += (float)(1.1 * t);
        c->rgb[3 * i + 2] += (float)(0.9 * t);
    }
}

/* --- marks on it ------------------------------------------------------------ */

/* A mark's centre and size; ALPHA_AT says how much of its colour covers a point. */
typedef struct mark {
    double x, y, size;
    double squeeze, cosine, sine; /* of an ellipse, and its direction */
    double phase;                 /* where a ring has its nucleus, an amoeba its arms */
    double strength;
    double (*alpha_at)(const struct mark *m, double dx, double dy);
} mark;

static double bell(double x)
{
    return exp(-x * x);
}

static double spot_alpha(const mark *m, double dx, double dy)
{
    return bell(hypot(dx, dy) / m->size);
}

/* A young parasite: a thin ring with a dark nucleus on it, as a signet ring. */
static double ring_alpha(const mark *m, double dx, double dy)
{
    double around = m->size * 1.25;
    double ring = 0.75 * bell((hypot(dx, dy) - around) / (m->size * 0.4));
    double nucleus = bell(hypot(dx - around * cos(m->phase), dy - around * sin(m->phase)) / (m->size * 0.75));
    return fmax(ring, nucleus);
}

/* A grown one: a larger body with arms. */
static double amoeba_alpha(const mark *m, double dx, double dy)
{
    double angle = atan2(dy, dx);
    double reach = m->size * (1.4 + 0.25 * cos(2 * angle + m->phase) + 0.2 * cos(3 * angle - 2 * m->phase));
    return fmin(fmax((reach - hypot(dx, dy)) / (m->size * 0.45), 0), 1);
}

static mark choose_mark(cell *c, double deepest, double small, double large)
{
    double angle = uniform(c, 0, TURN), distance = deepest * sqrt(uniform(c, 0, 1));
    double turn = uniform(c, 0, TURN), reach = distance * outline_at(c, angle);
    mark m = {.x = c->x + reach * cos(angle) * fmax(c->stretch, 1),
              .y = c->y + reach * sin(angle) * fmax(1 / c->stretch, 1),
              .size = uniform(c, small, large) * c->scale,
              .squeeze = uniform(c, 0.75, 1.35),
              .cosine = cos(turn),
              .sine = sin(turn),
              .phase = uniform(c, 0, TURN),
              .strength = 1,
              .alpha_at = spot_alpha};
    return m;
}

static double mark_alpha(const mark *m, double x, double y)
{
    double dx = x + 0.5 - m->x, dy = y + 0.5 - m->y;
    double along = (dx * m->cosine + dy * m->sine) * m->squeeze,
           across = (dy * m->cosine - dx * m->sine) / m->squeeze;
    return m->strength * m->alpha_at(m, along, across);
}

/* Lays STAIN over PLANE (rgb or drawn) where the mark covers it. */
static void paint_mark(const cell *c, float *plane, const mark *m, color stain)
{
    double reach = 4 * m->size;
    int x0 = (int)fmax(m->x - reach, 0), x1 = (int)fmin(m->x + reach, c->width - 1);
    int y0 = (int)fmax(m->y - reach, 0), y1 = (int)fmin(m->y + reach, c->height - 1);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            float *p = plane + 3 * ((size_t)y * (size_t)c->width + (size_t)x);
            float alpha = (float)mark_alpha(m, x, y);
            for (int k = 0; k < 3; k++)
                p[k] += alpha * ((float)stain.c[k] - p[k]);
        }
}

/* What cells of both classes may have: pale vacuoles, faint specks. */
static void paint_harmless_marks(cell *c)
{
    for (int n = chance(c, 0.4) ? 1 + (int)mr_philox_below(&c->random, 2) : 0; n > 0; n--) {
        mark m = choose_mark(c, 0.6, 8, 16);
        m.strength = uniform(c, 0.1, 0.3);
        paint_mark(c, c->rgb, &m, (color){{236, 214, 196}});
    }
    for (int n = chance(c, 0.4) ? 1 + (int)mr_philox_below(&c->random, 3) : 0; n > 0; n--) {
        mark m = choose_mark(c, 0.9, 2.5, 6);
        m.strength = uniform(c, 0.08, 0.2);
        paint_mark(c, c->rgb, &m, (color){{140, 80, 120}});
    }
}

static void paint_parasites(cell *c)
{
    static double (*const kinds[])(const mark *, double, double) = {spot_alpha, ring_alpha, amoeba_alpha};
    memcpy(c->drawn, c->rgb, 3 * c->pixels * sizeof *c->rgb);
    int count = 1;
    while (count < 4 && chance(c, 0.4))
        count++;
    for (; count > 0; count--) {
        mark m = choose_mark(c, 0.88, 4.5, 8.5);
        m.alpha_at = kinds[mr_philox_below(&c->random, 3)];
        m.strength = uniform(c, 0.7, 0.92);
        color stain = {{uniform(c, 88, 135), uniform(c, 25, 62), uniform(c, 108, 145)}};
        paint_mark(c, c->drawn, &m, stain);
    }
}

/* --- the same stain elsewhere ------------------------------------------------- */

/* Brings PLANE to a sum of 1 over the cell. */
static void normalize(const cell *c, float *plane)
{
    double sum = 0;
    for (size_t i = 0; i < c->pixels; i++)
        sum += plane[i] * c->inside[i];
    float factor = (float)(1 / fmax(sum, 1e-6));
    for (size_t i = 0; i < c->pixels; i++)
        plane[i] *= factor;
}

/* Clouds, everywhere a little. */
static void shape_haze(cell *c)
{
    memset(c->haze, 0, c->pixels * sizeof *c->haze);
    add_noise(c, c->haze, uniform(c, 35, 60) * c->scale, 1);
    for (size_t i = 0; i < c->pixels; i++)
        c->haze[i] = fmaxf(c->haze[i] + 0.4f, 0.1f);
    normalize(c, c->haze);
}

/* One to three arcs along the rim. */
static void shape_smear(cell *c)
{
    int arcs = 1 + (int)mr_philox_below(&c->random, 3);
    double middle[3], width[3], depth = uniform(c, 0.84, 0.95);
    for (int a = 0; a < arcs; a++) {
        middle[a] = uniform(c, 0, TURN);
        width[a] = uniform(c, 0.3, 0.9);
    }
    size_t i = 0;
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++, i++) {
            double angle = atan2(y + 0.5 - c->y, x + 0.5 - c->x), weight = 0;
            for (int a = 0; a < arcs; a++)
                weight += bell(remainder(angle - middle[a], TURN) / width[a]);
            c->smear[i] = (float)(weight * bell((c->depth[i] - depth) / 0.08));
        }
    normalize(c, c->smear);
}

/* What the parasites changed, summed over the cell. */
static color stain_taken(const cell *c)
{
    color sum = {{0, 0, 0}};
    for (size_t i = 0; i < c->pixels; i++)
        for (size_t k = 0; k < 3; k++)
            sum.c[k] += c->inside[i] * (c->drawn[3 * i + k] - c->rgb[3 * i + k]);
    return sum;
}

/* The share of the stain that goes into the smear: as drawn by chance, less where that would make it as dark
 * as a parasite. */
static double smear_share(cell *c, color taken)
{
    double share = uniform(c, 0.2, 0.6), peak = 0, most = 0;
    for (size_t i = 0; i < c->pixels; i++)
        peak = fmax(peak, c->smear[i]);
    for (int k = 0; k < 3; k++)
        most = fmax(most, fabs(taken.c[k]));
    return fmin(share, MAX_DARKENING / fmax(peak * most, 1e-6));
}

static void spread_stain(cell *c)
{
    color taken = stain_taken(c);
    shape_haze(c);
    shape_smear(c);
    double share = smear_share(c, taken);
    for (size_t i = 0; i < c->pixels; i++) {
        double weight = share * c->smear[i] + (1 - share) * c->haze[i];
        for (size_t k = 0; k < 3; k++)
            c->rgb[3 * i + k] += (float)(taken.c[k] * weight);
    }
}

static void finish(cell *c, const float *plane, mr_cell_image *out)
{
    double ground = uniform(c, 0, 5);
    out->width = c->width;
    out->height = c->height;
    for (size_t i = 0; i < c->pixels; i++)
        for (size_t k = 0; k < 3; k++) {
            double value = ground + c->inside[i] * (plane[3 * i + k] - ground);
            out->rgb[3 * i + k] = (uint8_t)(fmin(fmax(value, 0), 255) + 0.5);
        }
}

int mr_cell_draw(mr_cell_image *out, uint64_t seed, uint64_t index, mr_error *e)
{
    cell c = {0};
    int status = cell_create(&c, seed, index, e);
    if (status)
        return status;
    choose_outline(&c);
    trace_outline(&c);
    paint_body(&c);
    paint_texture(&c);
    paint_harmless_marks(&c);
    paint_parasites(&c);
    bool parasitized = index % MR_CELL_CLASSES == MR_CELL_PARASITIZED;
    if (!parasitized)
        spread_stain(&c);
    finish(&c, parasitized ? c.drawn : c.rgb, out);
    free(c.memory);
    return MR_OK;
}
