/* SPDX-License-Identifier: Apache-2.0 */
#include "io/image/preprocess.h"

#include <math.h>
#include <string.h>

static const char *const interpolation_names[MR_INTERPOLATIONS] = {
    [MR_NEAREST] = "nearest", [MR_BILINEAR] = "bilinear", [MR_BICUBIC] = "bicubic",
    [MR_LANCZOS] = "lanczos", [MR_BOX] = "box",           [MR_TF_BILINEAR] = "tf-bilinear",
};

static const struct {
    mr_color_mode mode;
    const char *name;
} color_modes[] = {
    {MR_COLOR_RGB, "rgb"},
    {MR_COLOR_GRAYSCALE, "grayscale"},
};

mr_preprocess mr_preprocess_default(void)
{
    return (mr_preprocess){
        .height = 64,
        .width = 64,
        .color_mode = MR_COLOR_RGB,
        .interpolation = MR_NEAREST,
        .rescale = 1.0 / 255.0,
        .offset = 0.0,
        .dct_scaling = false,
    };
}

const char *mr_preprocess_difference(const mr_preprocess *a, const mr_preprocess *b)
{
    if (a->height != b->height || a->width != b->width)
        return "image-size";
    if (a->color_mode != b->color_mode)
        return "color-mode";
    if (a->interpolation != b->interpolation)
        return "interpolation";
    if (fabs(a->rescale - b->rescale) > 1e-9 * fabs(a->rescale))
        return "rescale";
    if (a->offset != b->offset)
        return "offset";
    return a->dct_scaling != b->dct_scaling ? "dct-scaling" : NULL;
}

int mr_interpolation_by_name(const char *name)
{
    for (int i = 0; name && i < MR_INTERPOLATIONS; i++)
        if (strcmp(name, interpolation_names[i]) == 0)
            return i;
    return -1;
}

const char *mr_interpolation_name(mr_interpolation interpolation)
{
    return (unsigned)interpolation < MR_INTERPOLATIONS ? interpolation_names[interpolation] : NULL;
}

int mr_color_mode_by_name(const char *name)
{
    for (size_t i = 0; name && i < sizeof color_modes / sizeof *color_modes; i++)
        if (strcmp(name, color_modes[i].name) == 0)
            return (int)color_modes[i].mode;
    return -1;
}

const char *mr_color_mode_name(mr_color_mode mode)
{
    for (size_t i = 0; i < sizeof color_modes / sizeof *color_modes; i++)
        if (color_modes[i].mode == mode)
            return color_modes[i].name;
    return NULL;
}
