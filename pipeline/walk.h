/* SPDX-License-Identifier: Apache-2.0 */
/* The files below folders, as a source that streams: a folder is listed when the walk comes to it, and what
 * lies behind is forgotten, so memory does not grow with the number of files.
 *
 * Order: the roots as given; below each the byte order of the whole path, which is what
 * `find ROOT | LC_ALL=C sort` prints. It is the same on every machine and in every run. */
#ifndef MR_PIPELINE_WALK_H
#define MR_PIPELINE_WALK_H

#include "pipeline/loader.h"

typedef struct mr_walk_options {
    const char *const *root; /* [roots] folders, files, or "-": a list on standard input; borrowed */
    int roots;
} mr_walk_options;

typedef struct mr_walk mr_walk;

/* Every root that is not "-" must exist: MR_ENOTFOUND. A folder or file that fails later on is an item:
 * reading it reports why. */
int mr_walk_create(mr_walk **out, const mr_walk_options *options, mr_error *e);
mr_source mr_walk_source(mr_walk *w);
/* No loader may be running on it. NULL is fine. */
void mr_walk_free(mr_walk *w);

#endif
