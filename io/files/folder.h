/* SPDX-License-Identifier: Apache-2.0 */
/* Walking folders: the image files below one, in the order of their names' bytes. */
#ifndef MR_IO_FOLDER_H
#define MR_IO_FOLDER_H

#include "io/files/extensions.h"
#include "io/files/folder_ids.h"
#include "base/list.h"
#include "base/strings.h"

/* A list of strings that belong to an arena: the caller frees names->name, and not by mr_names_free. */
typedef mr_names mr_paths;
int mr_paths_add(mr_paths *names, char *name, mr_error *e);

/* Entries passed over. */
typedef struct mr_folder_counts {
    size_t hidden;
    size_t back; /* links to a folder above */
    mr_endings not_images;
} mr_folder_counts;

/* Whether NAME ends as an image's name does. */
bool mr_is_image_name(const char *name);
/* Names of the folders directly in DIR that are not hidden, sorted; other entries are counted. */
int mr_folder_list(const char *dir, mr_strings *strings, mr_paths *folders, mr_folder_counts *counts,
                   mr_error *e);
/* Folders that have been walked through, and the names of what they were walked through for. */
typedef struct mr_folder_tree {
    mr_folder_ids seen;
    char *const *names;
} mr_folder_tree;

/* Paths of all image files below DIR, recursively, following links, for NUMBER. A folder that was seen
 * already for the same number is not entered again, nor is one above DIR. One that was seen for another
 * number is MR_EINVAL, which names both. Sorted by the bytes of the path. TREE may be NULL. */
int mr_folder_walk(const char *dir, mr_folder_tree *tree, int number, mr_strings *strings, mr_paths *files,
                   mr_folder_counts *counts, mr_error *e);

#endif
