/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting files into folders by their predicted class: DIR/CLASS/NAME. */
#ifndef MR_PIPELINE_PLACING_H
#define MR_PIPELINE_PLACING_H

#include "base/text.h"

typedef enum mr_placing_way {
    MR_PLACE_MOVE, /* renamed; copied and removed where DIR is in another file system */
    MR_PLACE_LINK  /* a hard link; a symbolic one where DIR is in another file system */
} mr_placing_way;

typedef struct mr_placing {
    mr_placing_way way;
    const char *dir; /* made where it is missing; borrowed, like the names */
    const char *const
        *class_names; /* [classes]; a name with a slash, or of dots alone, is no folder: MR_EINVAL */
    int classes;
} mr_placing;

/* Makes DIR and a folder for each class. */
int mr_placing_prepare(const mr_placing *p, mr_error *e);
/* Puts the file PATH into the folder of class PREDICTED, under its own name or, where another file has that,
 * NAME-2.EXT, NAME-3.EXT, …. A file that is there already stays as it is, so that repeating it does no harm
 * (of two hard links that are moved, each is a file). On failure the file is where it was.
 * The new path goes into PLACED (may be NULL). Errors: MR_EIO, MR_ENOTFOUND, MR_ENOMEM. */
int mr_placing_put(const mr_placing *p, const char *path, int predicted, mr_text *placed, mr_error *e);

#endif
