/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries of a folder tree are meant: images by name, or what globs say. */
#ifndef MR_PIPELINE_SELECTION_H
#define MR_PIPELINE_SELECTION_H

#include <stdbool.h>

/* A glob without a slash is held against an entry's name, one with a slash against its path below the root;
 * '*' matches slashes too. Strings are borrowed. */
typedef struct mr_selection {
    const char *const *include; /* [includes] files to take; 0: those named as images are (.jpg, .png, …) */
    int includes;
    const char *const *exclude; /* [excludes] files to leave out, and folders not to enter */
    int excludes;
} mr_selection;

/* Is the entry NAME, at PATH below the root, wanted? Hidden ones (names that begin with a dot) never are. */
bool mr_selection_wants(const mr_selection *s, const char *name, const char *path, bool folder);

#endif
