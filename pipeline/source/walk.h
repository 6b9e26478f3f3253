/* SPDX-License-Identifier: Apache-2.0 */
/* The files below folders, as a source that streams: a folder is listed when the walk comes to it, and what
 * lies behind is forgotten, so memory does not grow with the number of files.
 *
 * Order: the roots as given; below each the byte order of the whole path, which is what
 * `find ROOT | LC_ALL=C sort` prints. It is the same on every machine and in every run.
 *
 * Links to folders are followed, but not back into a folder around them or around the root, and no folder is
 * entered through more than one link: so a walk ends whatever the links are. */
#ifndef MR_PIPELINE_WALK_H
#define MR_PIPELINE_WALK_H

#include "io/files/extensions.h"
#include "pipeline/load/loader.h"
#include "pipeline/source/selection.h"

typedef struct mr_walk_options {
    const char *const *root; /* [roots] folders, files, or "-": a list on standard input; borrowed */
    int roots;
    mr_selection selection; /* of what is below the folders; a file that is named as such is taken */
    bool nul_ended;         /* names on standard input end with NUL, whatever it looks like */
    size_t names_in_memory; /* bytes, of each folder; 0: MR_LISTING_BYTES */
    const char *avoid;      /* a folder that is not entered, however it is reached; NULL: none */
    /* May be NULL. True: the walk is at its end. Called by the thread that walks. */
    bool (*stop)(void *context);
    void *context;
} mr_walk_options;

typedef struct mr_walk mr_walk;

/* Every root that is not "-" must exist: MR_ENOTFOUND. A folder that cannot be listed later on is an item
 * with a failure. */
int mr_walk_create(mr_walk **out, const mr_walk_options *options, mr_error *e);
mr_source mr_walk_source(mr_walk *w);
/* The files in the folders that were walked through and not given out, hidden ones apart. No loader may be running on
 * it. */
const mr_endings *mr_walk_passed_over(const mr_walk *w);
/* No loader may be running on it. NULL is fine. */
void mr_walk_free(mr_walk *w);

#endif
