/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/augment/augment.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* --- names and defaults --- */

mr_augmentation mr_augmentation_none(void)
{
    return (mr_augmentation){.zoom_range = {1, 1}, .brightness_range = {1, 1}};
}

static bool zooms(const mr_augmentation *a)
{
    return a->zoom_range[0] != 1 || a->zoom_range[1] != 1;
}

bool mr_augmentation_is_none(const mr_augmentation *a)
{
    return a->rotation_range == 0 && a->width_shift_range == 0 && a->height_shift_range == 0 &&
           a->shear_range == 0 && !zooms(a) && !a->horizontal_flip && !a->vertical_flip &&
           !a->has_brightness && a->channel_shift_range == 0;
}

mr_transform mr_transform_identity(void)
{
    return (mr_transform){.zx = 1, .zy = 1, .brightness = 1};
}

/* --- drawing --- */

static double draw_symmetric(mr_philox *g, double range)
{
    double u = mr_philox_uniform(g, -1, 1);
    return range == 0 ? 0 : u * range;
}

/* Pixels along an axis of LENGTH. Keras: np.random.choice(range) * choice([-1, 1]) for an int, else uniform.
 */
static double draw_shift(mr_philox *g, double range, int length)
{
    double u = mr_philox_double(g), sign = mr_philox_double(g) < 0.5 ? -1 : 1;
    if (range == 0)
        return 0;
    if (range >= 1 && range == floor(range))
        return floor(u * range) * sign;
    double shift = (2 * u - 1) * range;
    return range < 1 ? shift * length : shift;
}

static double draw_between(mr_philox *g, const double range[2], bool wanted)
{
    double value = mr_philox_uniform(g, range[0], range[1]);
    return wanted ? value : 1;
}

void mr_augmentation_draw(const mr_augmentation *a, uint64_t seed, uint32_t epoch, uint64_t sample,
                          int height, int width, mr_transform *out)
{
    mr_philox g;
    mr_philox_init(&g, seed, MR_DRAW_AUGMENT, epoch, sample);
    out->theta = draw_symmetric(&g, a->rotation_range);
    out->tx = draw_shift(&g, a->height_shift_range, height);
    out->ty = draw_shift(&g, a->width_shift_range, width);
    out->shear = draw_symmetric(&g, a->shear_range);
    out->zx = draw_between(&g, a->zoom_range, zooms(a));
    out->zy = draw_between(&g, a->zoom_range, zooms(a));
    out->flip_horizontal = (mr_philox_double(&g) < 0.5) & a->horizontal_flip;
    out->flip_vertical = (mr_philox_double(&g) < 0.5) & a->vertical_flip;
    out->channel_shift = draw_symmetric(&g, a->channel_shift_range);
    out->brightness = draw_between(&g, a->brightness_range, a->has_brightness);
    out->has_brightness = a->has_brightness;
}

/* --- the matrix --- */

typedef struct matrix {
    double m[3][3];
} matrix;

static matrix multiply(matrix a, matrix b)
{
    matrix c;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            c.m[i][j] = a.m[i][0] * b.m[0][j] + a.m[i][1] * b.m[1][j] + a.m[i][2] * b.m[2][j];
    return c;
}

static matrix translation(double x, double y)
{
    return (matrix){{{1, 0, x}, {0, 1, y}, {0, 0, 1}}};
}

static bool has_warp(const mr_transform *t)
{
    return t->theta != 0 || t->tx != 0 || t->ty != 0 || t->shear != 0 || t->zx != 1 || t->zy != 1;
}

/* Keras's apply_affine_transform: rotation · shift · shear · zoom about the centre, in its (x, y) order. */
static matrix transform_matrix(const mr_transform *t)
{
    const double radians = M_PI / 180;
    double theta = t->theta * radians, shear = t->shear * radians;
    matrix m = translation(0, 0);
    if (t->theta != 0)
        m = (matrix){{{cos(theta), -sin(theta), 0}, {sin(theta), cos(theta), 0}, {0, 0, 1}}};
    if (t->tx != 0 || t->ty != 0)
        m = multiply(m, translation(t->tx, t->ty));
    if (t->shear != 0)
        m = multiply(m, (matrix){{{1, -sin(shear), 0}, {0, cos(shear), 0}, {0, 0, 1}}});
    if (t->zx != 1 || t->zy != 1)
        m = multiply(m, (matrix){{{t->zx, 0, 0}, {0, t->zy, 0}, {0, 0, 1}}});
    return m;
}

/* Fills W's map from T. Keras takes the centre as (height, width) for its (x, y) and then exchanges the two
 * axes: for an image that is not square the centre is therefore not the image's. Kept, since trained models
 * saw it so. */
static void set_map(mr_warp *w, const mr_transform *t)
{
    double centre_x = w->height / 2.0 - 0.5, centre_y = w->width / 2.0 - 0.5;
    matrix m = multiply(multiply(translation(centre_x, centre_y), transform_matrix(t)),
                        translation(-centre_x, -centre_y));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++)
            w->matrix[i][j] = m.m[1 - i][1 - j] + 0.0; /* -0 becomes 0 */
        w->shift[i] = m.m[1 - i][2];
    }
}

/* The warp of T over an image of this shape, writing value*scale+bias. */
static mr_warp make_warp(const mr_augmentation *a, const mr_transform *t, int height, int width, int channels,
                         float scale, float bias)
{
    mr_warp w = {.height = height, .width = width, .channels = channels};
    w.flip_horizontal = t->flip_horizontal;
    w.flip_vertical = t->flip_vertical;
    w.mode = a->fill_mode;
    w.cval = a->cval;
    w.scale = scale;
    w.bias = bias;
    set_map(&w, t);
    return w;
}

/* --- what works on values alone, in place --- */

void mr_rescale(float *x, size_t count, float rescale, float offset)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] * rescale + offset;
}

typedef struct extent {
    float low, high;
} extent;

static extent extent_of(const float *x, size_t count)
{
    extent e = {x[0], x[0]};
    for (size_t i = 1; i < count; i++) {
        e.low = x[i] < e.low ? x[i] : e.low;
        e.high = x[i] > e.high ? x[i] : e.high;
    }
    return e;
}

/* Keras's apply_channel_shift: every channel by the same intensity, clipped to what the image had. */
static void shift_channels(float *x, size_t count, float intensity)
{
    extent e = extent_of(x, count);
    for (size_t i = 0; i < count; i++) {
        float shifted = x[i] + intensity;
        shifted = shifted > e.low ? shifted : e.low;
        x[i] = shifted < e.high ? shifted : e.high;
    }
}

/* Image.blend(black, image, factor) for each 8-bit level: truncated between 0 and 1, and clipped beyond. */
static void brightness_levels(float factor, float levels[256])
{
    for (int v = 0; v < 256; v++) {
        float blended = factor * (float)v;
        levels[v] = blended <= 0 ? 0 : blended >= 255 ? 255 : truncf(blended);
    }
}

static inline float level_at(const float levels[256], float pixel)
{
    return levels[pixel > 0 ? pixel < 255 ? (int)pixel : 255 : 0];
}

/* Keras's apply_brightness_shift(scale=False): through PIL's 8 bits. What lies outside 0 … 255 (by a fill
 * value) is squeezed into them first and stretched back afterwards. */
static void shift_brightness(float *x, size_t count, float factor)
{
    float levels[256];
    brightness_levels(factor, levels);
    extent e = extent_of(x, count);
    if (e.low >= 0 && e.high <= 255) {
        for (size_t i = 0; i < count; i++)
            x[i] = level_at(levels, x[i]);
        return;
    }
    float span = e.high - e.low, divisor = span != 0 ? span : 1;
    for (size_t i = 0; i < count; i++) {
        float squeezed = (x[i] - e.low) / divisor * 255.0f;
        x[i] = level_at(levels, squeezed) / 255.0f * span + e.low;
    }
}

static bool changes_values(const mr_transform *t)
{
    return t->channel_shift != 0 || t->has_brightness;
}

static void change_values(const mr_transform *t, float *x, size_t count)
{
    if (t->channel_shift != 0)
        shift_channels(x, count, (float)t->channel_shift);
    if (t->has_brightness)
        shift_brightness(x, count, (float)t->brightness);
}

/* --- without a warp: rows and columns in another order at most --- */

static void scale_bytes(const uint8_t *src, size_t count, float scale, float bias, float *dst)
{
    for (size_t i = 0; i < count; i++)
        dst[i] = (float)src[i] * scale + bias;
}

static void copy_mirrored_u8(const mr_warp *w, const uint8_t *src, float *dst)
{
    size_t pixels = (size_t)w->width, channels = (size_t)w->channels, row = pixels * channels;
    for (int r = 0; r < w->height; r++, dst += row) {
        const uint8_t *from = src + row * (size_t)(w->flip_vertical ? w->height - 1 - r : r);
        if (!w->flip_horizontal) {
            scale_bytes(from, row, w->scale, w->bias, dst);
            continue;
        }
        for (size_t c = 0; c < pixels; c++)
            scale_bytes(from + (pixels - 1 - c) * channels, channels, w->scale, w->bias, dst + c * channels);
    }
}

/* --- whole transformations --- */

void mr_augmentation_apply(const mr_augmentation *a, const mr_transform *t, const float *src, int height,
                           int width, int channels, float *dst)
{
    mr_warp w = make_warp(a, t, height, width, channels, 1, 0);
    mr_warp_float(&w, mr_warp_best_kernel(), src, dst);
    change_values(t, dst, (size_t)height * (size_t)width * (size_t)channels);
}

void mr_augmentation_apply_u8(const mr_augmentation *a, const mr_transform *t, const uint8_t *src, int height,
                              int width, int channels, float rescale, float offset, float *dst)
{
    bool later = changes_values(t); /* then rescaling has to wait for it */
    mr_warp w = make_warp(a, t, height, width, channels, later ? 1 : rescale, later ? 0 : offset);
    if (has_warp(t))
        mr_warp_u8(&w, mr_warp_best_kernel(), src, dst);
    else
        copy_mirrored_u8(&w, src, dst);
    if (!later)
        return;
    size_t count = (size_t)height * (size_t)width * (size_t)channels;
    change_values(t, dst, count);
    mr_rescale(dst, count, rescale, offset);
}
