/* SPDX-License-Identifier: Apache-2.0 */
/* An arena of strings: added one by one, freed together, never moved. */
#ifndef MR_IO_STRINGS_H
#define MR_IO_STRINGS_H

#include <stddef.h>

typedef struct mr_strings mr_strings;

mr_strings *mr_strings_create(void);
/* The arena may have several owners; the last one to leave frees it. Thread safe. */
mr_strings *mr_strings_share(mr_strings *s);
void mr_strings_leave(mr_strings *s);
/* A copy of "HEAD/TAIL" (or of TAIL where HEAD is NULL), or NULL without memory. One thread at a time. */
char *mr_strings_join(mr_strings *s, const char *head, const char *tail);

#endif
