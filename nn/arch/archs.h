/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of architectures, one per file. */
#ifndef MR_NN_ARCH_ARCHS_H
#define MR_NN_ARCH_ARCHS_H

#include "nn/arch/arch.h"

/* MR_EINVAL with the way out unless the input's sides are at least LEAST pixels. */
int mr_arch_check_size(const mr_arch_options *o, const char *name, int least, mr_error *e);

extern const mr_arch mr_arch_resnet, mr_arch_cnn, mr_arch_mobilenet_v2, mr_arch_resnet50;

#endif
