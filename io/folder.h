/* SPDX-License-Identifier: Apache-2.0 */
/* Walking folders: the image files below one, in the order of their names' bytes. */
#ifndef MR_IO_FOLDER_H
#define MR_IO_FOLDER_H

#include "io/strings.h"
#include "nn/error.h"

/* A growing list of strings that belong to an arena. */
typedef struct mr_paths {
    char **name;
    size_t count, capacity;
} mr_paths;

/* The caller frees names->name. */
int mr_paths_add(mr_paths *names, char *name, mr_error *e);
/* By byte value. */
void mr_paths_sort(mr_paths *names);

typedef struct mr_folder_counts {
    size_t hidden, not_images; /* entries passed over */
} mr_folder_counts;

/* Whether NAME ends as an image's name does. */
bool mr_is_image_name(const char *name);
/* Names of the folders directly in DIR that are not hidden, sorted; other entries are counted. */
int mr_folder_list(const char *dir, mr_strings *strings, mr_paths *folders, mr_folder_counts *counts,
                   mr_error *e);
/* Paths of all image files below DIR, recursively, following links; a folder that was seen already (by device
 * and inode) is not entered again. Sorted by the bytes of the path. */
int mr_folder_walk(const char *dir, mr_strings *strings, mr_paths *files, mr_folder_counts *counts,
                   mr_error *e);

#endif
