/* SPDX-License-Identifier: Apache-2.0 */
/* How often each of a few texts came, for the last lines of a run. */
#ifndef MR_CLI_TALLY_H
#define MR_CLI_TALLY_H

#include "base/text.h"

enum { MR_TALLY_TEXTS = 64, MR_TALLY_LENGTH = 96 };

/* {0} is ready for use. */
typedef struct mr_tally {
    int texts;
    struct {
        char text[MR_TALLY_LENGTH];
        uint64_t count;
    } row[MR_TALLY_TEXTS];
    uint64_t others; /* of texts that found no room */
} mr_tally;

/* Counts TEXT (cut to MR_TALLY_LENGTH) COUNT times more. */
void mr_tally_add(mr_tally *t, const char *text, uint64_t count);
/* Appends "10 this, 3 that, 2 others" to OUT, the most frequent first, at most MOST of them by name. */
void mr_tally_text(mr_text *out, mr_tally *t, int most);

#endif
