/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/channels.h"

size_t mr_per_channel_width(size_t channels)
{
    enum { LEAST = 64 };
    return channels * mr_ceil_divide(LEAST, channels);
}

size_t mr_per_channel_size(size_t channels, size_t arrays)
{
    return mr_reals_piece(arrays * mr_per_channel_width(channels));
}

void mr_per_channel_repeat(mr_real *k, size_t arrays, size_t channels)
{
    size_t width = mr_per_channel_width(channels);
    for (size_t a = 0; a < arrays; a++, k += width)
        for (size_t i = channels; i < width; i++)
            k[i] = k[i - channels];
}

struct channel_ranges {
    mr_range *range;
    void *argument;
    size_t width, elements;
};

static void run_channel_range(void *argument, size_t first, size_t end, int thread)
{
    const struct channel_ranges *r = argument;
    r->range(r->argument, first * r->width, mr_min(end * r->width, r->elements), thread);
}

void mr_per_channel_ranges(mr_team *t, size_t elements, size_t channels, mr_range *range, void *argument)
{
    enum { GRAIN = 16384 };
    struct channel_ranges r = {range, argument, mr_per_channel_width(channels), elements};
    mr_team_ranges(t, mr_ceil_divide(elements, r.width), mr_max(1, GRAIN / r.width), run_channel_range, &r);
}
