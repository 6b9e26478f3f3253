/* SPDX-License-Identifier: Apache-2.0 */
/* The last so many of a row of paths, to be found again; a path may be in it several times. One thread. */
#ifndef MR_PIPELINE_PATH_BAG_H
#define MR_PIPELINE_PATH_BAG_H

#include "base/error.h"
#include <stddef.h>

typedef struct mr_path_bag mr_path_bag;

/* Room for CAPACITY paths (>= 1). */
int mr_path_bag_create(mr_path_bag **out, size_t capacity, mr_error *e);
/* Puts a copy in; a full bag forgets its oldest. */
int mr_path_bag_push(mr_path_bag *b, const char *path, mr_error *e);
/* Takes one such path out. False: there is none. */
bool mr_path_bag_take(mr_path_bag *b, const char *path);
/* Takes any path out (valid until the next call of anything); NULL: the bag is empty. */
const char *mr_path_bag_pop(mr_path_bag *b);
void mr_path_bag_destroy(mr_path_bag *b);

#endif
