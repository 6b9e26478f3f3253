/* SPDX-License-Identifier: Apache-2.0 */
/* Inside io/output/sink.c: a kind of output file. */
#ifndef MR_IO_SINK_KIND_H
#define MR_IO_SINK_KIND_H

#include "io/output/row_format.h"

typedef struct mr_sink_kind {
    const char *endings[3];      /* NULL behind the last */
    const mr_row_format *format; /* of the rows that can be read again: the file's own, or the journal's */
    /* What holds the rows that can be read again: FILE itself, or the journal beside it, put into NAME. */
    int (*kept_in)(const char *file, mr_text *name, mr_error *e);
    /* KEPT_BYTES of the past are kept; 0: none, all begins anew. */
    int (*open)(void **state, const char *file, const mr_row_format *format, const mr_sink_schema *schema,
                uint64_t kept_bytes, mr_error *e);
    int (*add)(void *state, const mr_sink_row *row, mr_error *e);
    int (*flush)(void *state, mr_error *e);
    int (*close)(void *state, bool complete, mr_error *e); /* frees in every case */
} mr_sink_kind;

extern const mr_sink_kind mr_sink_hdf5;

#endif
