/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were handled, to be recognised by their paths. Sixteen bytes for each are kept, no paths: two of n files are
 * taken for one with a probability of n * n / 2^64. One thread. */
#ifndef MR_PIPELINE_PATH_SET_H
#define MR_PIPELINE_PATH_SET_H

#include "base/error.h"

typedef struct mr_path_set mr_path_set;

int mr_path_set_create(mr_path_set **out, mr_error *e);
/* PATH may no longer exist. */
int mr_path_set_add(mr_path_set *s, const char *path, mr_error *e);
/* Was PATH added, or the same name in the same folder by another path? */
bool mr_path_set_has(const mr_path_set *s, const char *path);
void mr_path_set_free(mr_path_set *s);

#endif
