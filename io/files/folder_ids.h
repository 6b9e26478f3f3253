/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of folders by what they are (device and inode), however they are reached: what a walk that follows
 * links must know to come to an end, and to take no folder twice. */
#ifndef MR_IO_FOLDER_IDS_H
#define MR_IO_FOLDER_IDS_H

#include "base/error.h"
#include <sys/stat.h>

typedef struct mr_folder_id {
    dev_t device;
    ino_t inode;
} mr_folder_id;

/* {0} is the empty set. */
typedef struct mr_folder_ids {
    void *tree; /* tsearch */
} mr_folder_ids;

static inline mr_folder_id mr_folder_id_of(const struct stat *st)
{
    return (mr_folder_id){st->st_dev, st->st_ino};
}

bool mr_folder_is(mr_folder_id a, mr_folder_id b);
/* 1: ID is in the set now, with TAG. 0: it was before; *TAG is the one that it came with. */
int mr_folder_ids_add(mr_folder_ids *s, mr_folder_id id, int *tag, mr_error *e);
bool mr_folder_ids_has(const mr_folder_ids *s, mr_folder_id id);
/* Adds all folders above the folder PATH, up to the root: those around the folder, and, where PATH is a link,
 * those around the link. */
int mr_folder_ids_add_above(mr_folder_ids *s, const char *path, mr_error *e);
void mr_folder_ids_free(mr_folder_ids *s);

#endif
