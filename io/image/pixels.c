/* SPDX-License-Identifier: Apache-2.0 */
/* What the image formats share: buffers, the size check, colour conversions of rows. */
#include "io/image/decoder.h"

#include <stdlib.h>

uint8_t *mr_scratch_reserve(mr_scratch *s, size_t size, mr_error *e)
{
    if (s->bytes && size <= s->capacity)
        return s->bytes;
    mr_scratch_free(s);
    if (size > SIZE_MAX / 2) {
        mr_fail(e, MR_ENOMEM, "a buffer of %zu bytes does not fit into memory", size);
        return NULL;
    }
    size_t rounded = (size + MR_ROW_PADDING + 63) & ~(size_t)63;
    s->bytes = aligned_alloc(64, rounded);
    if (!s->bytes) {
        mr_no_memory(e, "%zu bytes of pixels", size);
        return NULL;
    }
    s->capacity = rounded - MR_ROW_PADDING;
    return s->bytes;
}

void mr_scratch_free(mr_scratch *s)
{
    free(s->bytes);
    *s = (mr_scratch){0};
}

/* Images that take less are not counted: each thread may have one. */
enum { UNCOUNTED = 4 << 20 };

void mr_claim_memory(const mr_image_source *source, int64_t height, uint64_t size)
{
    const mr_preprocess *pre = source->pre;
    bool by_filter = pre->interpolation != MR_NEAREST && pre->interpolation != MR_TF_BILINEAR;
    if (by_filter)
        size += (uint64_t)height * (uint64_t)pre->width * (uint64_t)pre->color_mode;
    if (!source->limits.memory || size <= UNCOUNTED)
        return;
    mr_allowance_take(source->limits.memory, size);
    *source->claimed = size;
}

int mr_check_pixels(int64_t width, int64_t height, mr_decode_limits limits, mr_error *e)
{
    if (width <= 0 || height <= 0 || width > INT32_MAX || height > INT32_MAX)
        return mr_fail(e, MR_EFORMAT, "impossible image size %lldx%lld", (long long)width, (long long)height);
    if (width * height > limits.max_pixels) {
        mr_fail(e, MR_ELIMIT, "%lldx%lld pixels are over the limit of %lld", (long long)width,
                (long long)height, (long long)limits.max_pixels);
        return mr_hint(e, MR_ELIMIT, "--max-pixels sets the limit");
    }
    return 0;
}

void mr_row_rgb_to_gray(uint8_t *dst, const uint8_t *src, int count)
{
    for (int x = 0; x < count; x++, src += 3)
        dst[x] = mr_luma(src[0], src[1], src[2]);
}

/* a*b/255, rounded, as Pillow's MULDIV255. */
static unsigned product_over_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

void mr_row_inverted_cmyk_to_rgb(uint8_t *dst, const uint8_t *src, int count)
{
    for (int x = 0; x < count; x++, src += 4, dst += 3) {
        unsigned light = src[3]; /* 255 - K, where K = 255 - src[3] */
        for (int c = 0; c < 3; c++)
            dst[c] = (uint8_t)(light - product_over_255(255u - src[c], light));
    }
}
