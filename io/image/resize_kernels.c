/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of the resizing passes, and the choice for this processor. */
#include "io/image/resize.h"

const mr_resize_kernels *const mr_resize_all[] = {
    &mr_resize_plain,
#if defined(__x86_64__)
    &mr_resize_avx2,
    &mr_resize_vnni,
#endif
    NULL,
};

const mr_resize_kernels *mr_resize_best(void)
{
    const mr_resize_kernels *best = &mr_resize_plain;
    for (int i = 0; mr_resize_all[i]; i++)
        if (mr_resize_all[i]->supported())
            best = mr_resize_all[i];
    return best;
}
