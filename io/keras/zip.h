/* SPDX-License-Identifier: Apache-2.0 */
/* The zip around a .keras: members in and out. */
#ifndef MR_IO_KERAS_ZIP_H
#define MR_IO_KERAS_ZIP_H

#include "base/error.h"

#include <stddef.h>

typedef struct mr_keras_zip mr_keras_zip;

/* 1: the first bytes of FILE, which is a regular file, are a zip's; 0, or an error. */
int mr_keras_is_zip(const char *file, mr_error *e);

/* Opens the zip FILE; with BYTES not NULL, those SIZE bytes, which stay the caller's. */
int mr_keras_zip_open(mr_keras_zip **out, const char *file, const void *bytes, size_t size, mr_error *e);
void mr_keras_zip_close(mr_keras_zip *z);
/* Member NAME, NUL terminated, of at most LIMIT bytes; malloc'ed. MR_ENOTFOUND, MR_ELIMIT, MR_EFORMAT.
 * Memory is bounded by the size of the file: a member that is larger than 16 MB and 20 times the file
 * together is refused before anything is unpacked. Members as Keras writes them are stored, not compressed.
 */
int mr_keras_zip_read(char **bytes, size_t *size, mr_keras_zip *z, const char *name, size_t limit,
                      mr_error *e);

typedef struct mr_keras_member {
    const char *name;
    const char *text; /* its content, or NULL: that of the file PATH */
    const char *path;
} mr_keras_member;

/* Writes COUNT members, stored, in their order, to FILE. */
int mr_keras_zip_write(const char *file, const mr_keras_member *member, int count, mr_error *e);

#endif
