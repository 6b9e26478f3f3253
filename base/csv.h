/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of comma-separated values, quoted as RFC 4180 has it, lines ended by a line feed alone (what every
 * reader takes, and what awk and cut need). Numbers are written so that they read back as the same number. */
#ifndef MR_IO_CSV_H
#define MR_IO_CSV_H

#include "base/number.h"
#include "base/text.h"
#include <stdio.h>

/* {0} is ready for use. Rows gather in TEXT, until mr_csv_flush writes them out or the caller takes them from
 * there. Free it by mr_csv_destroy. Not thread safe. */
typedef struct mr_csv {
    mr_text text;
    int fields; /* of the row that is being written */
} mr_csv;

/* Each appends one field to the row. Strings are bytes: no encoding is asked for, so that a path stays what
 * it is. A text that memory did not suffice for makes the row one. */
void mr_csv_text(mr_csv *w, const mr_text *field);
void mr_csv_string(mr_csv *w, const char *field);
void mr_csv_integer(mr_csv *w, int64_t field);
void mr_csv_float(mr_csv *w, float field); /* "nan", "inf" and "-inf" where it is one */
void mr_csv_double(mr_csv *w, double field);
void mr_csv_empty(mr_csv *w); /* a value that is missing */
void mr_csv_end_row(mr_csv *w);

/* Writes the gathered rows to FILE and forgets them. PATH is named in errors: MR_EIO, MR_ENOMEM (an append
 * was lost). FILE is flushed, so that what was written is seen by who follows it. */
int mr_csv_flush(mr_csv *w, FILE *file, const char *path, mr_error *e);
void mr_csv_destroy(mr_csv *w);

#endif
