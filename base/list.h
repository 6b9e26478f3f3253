/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow by one element at a time, and lists of names. */
#ifndef MR_BASE_LIST_H
#define MR_BASE_LIST_H

#include "base/error.h"

#include <stddef.h>

/* Makes room for one more element in an array of COUNT elements of SIZE bytes. ARRAY is the address of the
 * pointer to it, which is NULL while COUNT is 0. The array has to have grown by this function alone: its
 * capacity is the next power of two, and is not stored. Returns false, with the array as it was, when out of
 * memory. The caller frees the array. */
bool mr_list_grow(void *array, size_t count, size_t size);

/* A list of strings; {0} is empty. Not thread safe. */
typedef struct mr_names {
    char **name; /* [count], each malloc'ed */
    size_t count;
} mr_names;

/* Appends a copy of NAME. MR_ENOMEM. */
int mr_names_add(mr_names *names, const char *name, mr_error *e);
/* Appends NAME itself, which was malloc'ed and becomes the list's also on failure. NULL counts as out of
 * memory, so that the result of strdup can be given as it is. MR_ENOMEM. */
int mr_names_take(mr_names *names, char *name, mr_error *e);
/* The index of NAME, or -1. */
ptrdiff_t mr_names_find(const mr_names *names, const char *name);
/* By byte value. */
void mr_names_sort(mr_names *names);
/* Frees the names; the list is empty again. */
void mr_names_free(mr_names *names);

#endif
