/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of resizing in plain C: the reference that the vector versions must equal to the bit. */
#include "io/image/resize.h"

static uint8_t rounded(int32_t sum)
{
    int v = sum >> MR_TAP_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

enum { HALF = 1 << (MR_TAP_BITS - 1) };

static void horizontal(const mr_taps *t, int channels, const uint8_t *const *rows, int count, uint8_t *dst,
                       size_t dst_stride, uint8_t *scratch)
{
    (void)scratch;
    for (int y = 0; y < count; y++)
        for (int x = 0; x < t->out; x++) {
            const int32_t *w = t->weights + mr_taps_at(t, x);
            const uint8_t *src = rows[y] + (size_t)t->first[x] * (size_t)channels;
            for (int c = 0; c < channels; c++) {
                int32_t sum = HALF;
                for (int i = 0; i < t->count[x]; i++)
                    sum += src[(size_t)i * (size_t)channels + (size_t)c] * w[i];
                dst[(size_t)y * dst_stride + (size_t)x * (size_t)channels + (size_t)c] = rounded(sum);
            }
        }
}

static void vertical(const mr_taps *t, int y, const uint8_t *src, size_t src_stride, int first_row,
                     size_t size, uint8_t *dst)
{
    const int32_t *w = t->weights + mr_taps_at(t, y);
    src += (size_t)(t->first[y] - first_row) * src_stride;
    for (size_t x = 0; x < size; x++) {
        int32_t sum = HALF;
        for (int i = 0; i < t->count[y]; i++)
            sum += src[(size_t)i * src_stride + x] * w[i];
        dst[x] = rounded(sum);
    }
}

static void to_float(const uint8_t *src, size_t count, float scale, float offset, float *dst)
{
    for (size_t i = 0; i < count; i++)
        dst[i] = (float)src[i] * scale + offset;
}

static void lerp(const mr_between *columns, int width, int channels, const uint8_t *row, float *dst)
{
    for (int x = 0; x < width; x++)
        for (int c = 0; c < channels; c++) {
            float share = columns[x].share;
            *dst++ = (1 - share) * (float)row[columns[x].low + c] + share * (float)row[columns[x].high + c];
        }
}

static void blend(const float *low, const float *high, float share, size_t count, float scale, float offset,
                  float *dst)
{
    for (size_t i = 0; i < count; i++)
        dst[i] = ((1 - share) * low[i] + share * high[i]) * scale + offset;
}

static bool always(void)
{
    return true;
}

const mr_resize_kernels mr_resize_plain = {
    .name = "plain",
    .supported = always,
    .horizontal = horizontal,
    .vertical = vertical,
    .to_float = to_float,
    .lerp = lerp,
    .blend = blend,
};
