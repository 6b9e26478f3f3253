/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/arch/arch.h"

#include "nn/arch/archs.h"

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

const mr_arch *mr_arch_find(const char *name)
{
    for (int i = 0; mr_archs[i]; i++)
        if (!strcmp(mr_archs[i]->name, name))
            return mr_archs[i];
    return NULL;
}
