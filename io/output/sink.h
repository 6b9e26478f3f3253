/* SPDX-License-Identifier: Apache-2.0 */
/* Where predictions go: one row per input, in the order in which they are written. A kind of file is one row
 * of the table in io/output/sink.c; the ending of the file's name chooses it.
 *
 * Whatever ends the process, the file (.h5: the journal beside it) holds whole rows up to some point, and an
 * unfinished one at most behind them. mr_past reads such a file again, and mr_sink_resume goes on behind the
 * rows that are kept. */
#ifndef MR_IO_SINK_H
#define MR_IO_SINK_H

#include "io/output/row.h"

typedef struct mr_sink mr_sink;

/* Creates FILE (replacing what is there), or writes CSV to standard output where FILE is NULL. FILE is
 * borrowed as long as the sink lives. Errors: MR_EUSAGE (an ending that no sink has), MR_EIO, MR_ENOTFOUND,
 * MR_ENOMEM. */
int mr_sink_open(mr_sink **out, const char *file, const mr_sink_schema *schema, mr_error *e);
/* Puts rows behind one another; they reach the file with the next flush. */
int mr_sink_add(mr_sink *s, const mr_sink_row *row, mr_error *e);
/* Writes the rows so far through to the system. MR_ECANCELED: standard output was closed. */
int mr_sink_flush(mr_sink *s, mr_error *e);
/* Flushes, makes the file durable, closes. COMPLETE: it will not be resumed. S may be NULL; it is
 * freed in every case. */
int mr_sink_close(mr_sink *s, bool complete, mr_error *e);

/* What an interrupted run has left behind. */
typedef struct mr_past mr_past;

/* *OUT is NULL where there is nothing to go on from: no file, or not a whole row. Errors: MR_EINVAL where
 * FILE was written with other columns than SCHEMA's; MR_EUSAGE where FILE is NULL or of no kind; MR_EIO. */
int mr_past_open(mr_past **out, const char *file, const mr_sink_schema *schema, mr_error *e);
/* 1 and the next whole row, 0 behind the last. */
int mr_past_next(mr_past *p, mr_past_row *row, mr_error *e);
/* Is the row given last what ROW is written as, but for the last digits of numbers? 1, 0, or an error. (The rows of .h5
 * outputs are not compared: 0.) */
int mr_past_matches(const mr_past *p, const mr_sink_row *row, mr_error *e);
/* All rows so far are kept; those behind will be written anew. */
void mr_past_keep(mr_past *p);
void mr_past_close(mr_past *p);
/* A sink that goes on behind the rows kept. P stays the caller's. */
int mr_sink_resume(mr_sink **out, const mr_past *p, mr_error *e);

#endif
