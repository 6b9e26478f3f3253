/* SPDX-License-Identifier: Apache-2.0 */
/* More names than memory may hold, in order: sorted pieces ("runs") in an unnamed temporary file, merged when
 * they are read again. Memory: a buffer for each run, whatever its length. */
#ifndef MR_IO_NAME_RUNS_H
#define MR_IO_NAME_RUNS_H

#include "base/error.h"
#include <stddef.h>

typedef struct mr_name_runs mr_name_runs;

/* The file is made in TMPDIR, else /tmp. */
int mr_name_runs_create(mr_name_runs **out, mr_error *e);
/* Appends a run: COUNT names in order of strcmp. */
int mr_name_runs_add(mr_name_runs *r, const char *const *names, size_t count, mr_error *e);
/* After the last run, once. */
int mr_name_runs_rewind(mr_name_runs *r, mr_error *e);
/* 1 and the least name of all that are left (writable, valid until the next call), 0 at the end. */
int mr_name_runs_next(mr_name_runs *r, char **name, mr_error *e);
void mr_name_runs_destroy(mr_name_runs *r);

#endif
