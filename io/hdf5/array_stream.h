/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays in HDF5 files some rows at a time, so that they may be larger than the memory. */
#ifndef MR_IO_ARRAY_STREAM_H
#define MR_IO_ARRAY_STREAM_H

#include "base/error.h"
#include "base/shape.h"

typedef struct mr_array_reader mr_array_reader;

/* Opens dataset NAME of FILE. MR_ENOTFOUND where one of them is missing; MR_EFORMAT where it is not an array
 * of numbers. */
int mr_array_reader_open(mr_array_reader **out, const char *file, const char *name, mr_error *e);
/* As stored: dim[0] counts the samples. */
const mr_shape *mr_array_reader_shape(const mr_array_reader *r);
/* uint8: to be scaled. */
bool mr_array_reader_bytes(const mr_array_reader *r);
/* COUNT rows from FIRST on into OUT, as float32; uint8 becomes (float)(value * rescale + offset), in double.
 */
int mr_array_reader_rows(mr_array_reader *r, int64_t first, int count, double rescale, double offset,
                         float *out, mr_error *e);
void mr_array_reader_close(mr_array_reader *r);

typedef struct mr_array_writer mr_array_writer;

/* Starts a new FILE, under a temporary name until mr_array_writer_publish. FILE is borrowed. */
int mr_array_writer_open(mr_array_writer **out, const char *file, mr_error *e);
/* Adds a float32 dataset of SHAPE; its number, 0, 1, …, is *SET. */
int mr_array_writer_add(mr_array_writer *w, const char *name, const mr_shape *shape, int *set, mr_error *e);
/* COUNT rows of dataset SET from FIRST on. */
int mr_array_writer_rows(mr_array_writer *w, int set, int64_t first, int count, const float *values,
                         mr_error *e);
/* Makes the file durable and gives it its name. */
int mr_array_writer_publish(mr_array_writer *w, mr_error *e);
/* Without publishing: nothing is left behind. NULL is fine. */
void mr_array_writer_close(mr_array_writer *w);

#endif
