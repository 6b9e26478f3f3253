/* SPDX-License-Identifier: Apache-2.0 */
/* What files were passed over, by the ending of their names: ".heic" and how many. */
#ifndef MR_IO_ENDINGS_H
#define MR_IO_ENDINGS_H

#include "base/text.h"

enum { MR_ENDINGS = 24, MR_ENDING_LENGTH = 12 };

/* {0} is ready for use. */
typedef struct mr_endings {
    int rows;
    struct {
        char text[MR_ENDING_LENGTH]; /* in lower case, with its dot; "": names without one */
        size_t count;
    } row[MR_ENDINGS];
    size_t others; /* of longer endings, and of those that found no room */
    size_t total;
} mr_endings;

void mr_endings_add(mr_endings *s, const char *name);
/* Appends "12 .heic, 3 .txt, 1 without ending, 2 others", the most frequent first. */
void mr_endings_text(const mr_endings *s, mr_text *out);

#endif
