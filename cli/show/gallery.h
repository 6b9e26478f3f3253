/* SPDX-License-Identifier: Apache-2.0 */
/* --montage: a fair sample of the images that came by, with what was predicted for each. */
#ifndef MR_CLI_GALLERY_H
#define MR_CLI_GALLERY_H

#include "io/output/sink.h"
#include <stdint.h>

typedef struct mr_gallery mr_gallery;

/* COUNT images of all that will be offered, each with the same chance (drawn from SEED). CLASS_NAMES
 * [classes] are borrowed. */
int mr_gallery_create(mr_gallery **out, int count, uint64_t seed, const char *const *class_names, int classes,
                      mr_error *e);
/* One more row, of the file that is now at PLACE; those without a prediction are passed over. ID: its number
 * in the input. */
void mr_gallery_offer(mr_gallery *g, const mr_sink_row *row, const char *place, uint64_t id);
/* Reads the sampled images again and draws them into FILE in input order. A file whose parent folder is named
 * as a class is judged by it. Files that can no longer be read are left out. */
int mr_gallery_write(mr_gallery *g, const char *file, mr_error *e);
void mr_gallery_free(mr_gallery *g);

#endif
