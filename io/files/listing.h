/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of one folder in the byte order of their names. A folder counts as NAME/, so that going through
 * a tree folder by folder gives the byte order of whole paths: "a-b.jpg", "a.jpg", "a/x.jpg".
 *
 * Names are kept in memory up to a limit; a longer list is sorted in pieces and merged from a temporary
 * file. */
#ifndef MR_IO_LISTING_H
#define MR_IO_LISTING_H

#include "base/error.h"
#include <stddef.h>

typedef struct mr_listing mr_listing;

/* Whether the owner wants an entry, asked for each before it is kept: 1, 0, or an error. FOLDER: it is one,
 * or a link to one. */
typedef int mr_listing_filter(void *context, const char *name, bool folder, mr_error *e);

enum { MR_LISTING_BYTES = 4 << 20 }; /* of names in memory */

/* Reads DIR to its end. MOST: bytes of names kept in memory; 0: MR_LISTING_BYTES. Errors: MR_ENOTFOUND,
 * MR_EIO, MR_ENOMEM. */
int mr_listing_open(mr_listing **out, const char *dir, mr_listing_filter *wanted, void *context, size_t most,
                    mr_error *e);
/* 1 and the next name (valid until the next call; without the slash), 0 at the end. */
int mr_listing_next(mr_listing *l, const char **name, bool *folder, mr_error *e);
void mr_listing_close(mr_listing *l);

#endif
