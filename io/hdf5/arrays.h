/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays in an HDF5 file instead of images (--arrays): read whole, uint8 kept as uint8. */
#ifndef MR_IO_ARRAYS_H
#define MR_IO_ARRAYS_H

#include "base/error.h"
#include "base/shape.h"

typedef struct mr_array {
    mr_shape shape; /* as stored: dim[0] counts the samples */
    bool bytes;     /* uint8, in `u8`; else float32, in `f32` */
    uint8_t *u8;
    float *f32;
} mr_array;

/* Reads dataset NAME of FILE. MR_ENOTFOUND where the file or the dataset is missing (the message tells
 * which).
 */
int mr_array_read(mr_array *out, const char *file, const char *name, mr_error *e);
/* Is there such a dataset? Errors only where FILE cannot be opened. */
int mr_array_exists(bool *out, const char *file, const char *name, mr_error *e);
/* The shape of dataset NAME alone, nothing of it read. */
int mr_array_shape(mr_shape *out, const char *file, const char *name, mr_error *e);
void mr_array_free(mr_array *a);

#endif
