/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the sinks: kinds of output files, and rows as bytes. A format puts a row together, tells where one ends, and takes it apart as
 * far as going on with a file needs it. */
#ifndef MR_IO_SINK_INTERNAL_H
#define MR_IO_SINK_INTERNAL_H

#include "io/output/row.h"
#include "base/text.h"

#include <string.h>

typedef struct mr_row_format {
    /* What the file begins with; NULL: rows. Equal schemas give equal headers. */
    void (*header)(mr_text *out, const mr_sink_schema *schema);
    void (*row)(mr_text *out, const mr_sink_schema *schema, const mr_sink_row *row);
    /* How long the row is that BYTES begin with; 0: it does not end within SIZE. */
    size_t (*measure)(const char *bytes, size_t size);
    /* Takes a whole row of SIZE bytes apart, in place: OUT points into it or into SCRATCH. False: it is none.
     */
    bool (*parse)(char *bytes, size_t size, const mr_sink_schema *schema, mr_text *scratch, mr_past_row *out);
    /* NULL where the header says it. Was the row, which holds a prediction, written with an equal schema?
     * 1, 0, or MR_ENOMEM. */
    int (*fits)(const char *bytes, size_t size, const mr_sink_schema *schema);
} mr_row_format;

extern const mr_row_format mr_rows_csv, mr_rows_jsonl, mr_rows_journal;

static inline const char *mr_row_status(const mr_sink_row *row)
{
    return row->error ? row->error : row->unsure ? "unsure" : "ok";
}

/* The status of a row of the past: has it a prediction? */
static inline bool mr_status_is_failure(const char *status)
{
    return strcmp(status, "ok") && strcmp(status, "unsure");
}

/* Index of the class NAME, or -1. */
int mr_schema_class(const mr_sink_schema *s, const char *name);
/* Floats of a row: probabilities, then all tensors. */
size_t mr_schema_floats(const mr_sink_schema *s);

/* The same of the journal (mr_rows_journal), whole: as the row was given to the sink, but for the top ones.
 * FLOATS [mr_schema_floats] and TENSOR [tensors] are filled and pointed to by OUT, all else points into
 * BYTES. */
void mr_journal_row(const char *bytes, const mr_sink_schema *s, float *floats, const float **tensor,
                    mr_sink_row *out);

/* --- a file of rows ------------------------------------------------------------------- */

typedef struct mr_row_file mr_row_file;

/* FILE NULL: standard output. */
int mr_row_file_create(mr_row_file **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, mr_error *e);
/* Goes on behind the rows kept; the rest of the file is cut off. */
int mr_row_file_resume(mr_row_file **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, uint64_t kept_bytes, mr_error *e);
int mr_row_file_add(mr_row_file *f, const mr_sink_row *row, mr_error *e);
int mr_row_file_flush(mr_row_file *f, mr_error *e);
/* Flushes, syncs. F may be NULL; it is freed in every case. */
int mr_row_file_close(mr_row_file *f, mr_error *e);

/* Reads a file of rows again. *OUT is NULL where there is no file, or not a whole header. */
typedef struct mr_row_reader mr_row_reader;
int mr_row_reader_open(mr_row_reader **out, const char *file, const mr_row_format *format,
                       const mr_sink_schema *schema, mr_error *e);
/* 1, the row, and (where not NULL) its bytes as they are in the file; 0 behind the last whole one. */
int mr_row_reader_next(mr_row_reader *r, mr_past_row *row, const char **bytes, mr_error *e);
/* Bytes of the file up to here. */
uint64_t mr_row_reader_place(const mr_row_reader *r);
void mr_row_reader_close(mr_row_reader *r);

/* --- kinds of output files ------------------------------------------------------------- */

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
