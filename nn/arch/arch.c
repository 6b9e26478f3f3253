/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/arch/arch.h"

#include <string.h>

const mr_arch *const mr_archs[] = {&mr_arch_resnet, &mr_arch_cnn, &mr_arch_mobilenet_v2, &mr_arch_resnet50, NULL};

mr_arch_options mr_arch_options_default(void)
{
    return (mr_arch_options){.height = 64,
                             .width = 64,
                             .channels = 3,
                             .classes = 2,
                             .stages = {2, 2, 3},
                             .stage_count = 3,
                             .filters = {32, 64, 128, 256},
                             .filter_count = 4,
                             .regularization = -1,
                             .alpha = 0,
                             .dropout = -1};
}

int mr_arch_check_size(const mr_arch_options *o, const char *name, int least, mr_error *e)
{
    if (o->height >= least && o->width >= least)
        return 0;
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL, "%s: images of %dx%d are too small (at least %dx%d)", name, o->height,
                           o->width, least, least),
                   "give --image-size %dx%d, or larger arrays", o->height < least ? least : o->height,
                   o->width < least ? least : o->width);
}

const mr_arch *mr_arch_find(const char *name)
{
    for (int i = 0; mr_archs[i]; i++)
        if (!strcmp(mr_archs[i]->name, name))
            return mr_archs[i];
    return NULL;
}
