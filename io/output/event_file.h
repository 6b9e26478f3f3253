/* SPDX-License-Identifier: Apache-2.0 */
/* TensorBoard's event files: records of TFRecord (length and bytes, each with a masked CRC-32C), each an
 * Event of tensorboard/compat/proto/event.proto. The few fields that scalars need are encoded by hand: it is
 * ten lines, and protobuf would be a dependency with a compiler of its own. */
#ifndef MR_IO_EVENT_FILE_H
#define MR_IO_EVENT_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mr_event_file mr_event_file; /* not thread safe */

/* A new file in the folder DIR, which is made where it is missing. A run that is resumed makes a file of its
 * own: readers take those of a folder together, in the order of their names, and FIRST_STEP tells them to
 * forget what earlier ones have from that step on. Errors: MR_EIO…, naming the file. */
int mr_event_file_create(mr_event_file **out, const char *dir, int64_t first_step, mr_error *e);

/* Collects a scalar (a float in the format) for the next event. */
void mr_event_file_add(mr_event_file *f, const char *tag, double value);
/* Writes what was collected as one event of STEP; it is in the file when this returns. After a failure, which
 * mr_event_file_close reports, nothing more is written: a log must not end a run. */
void mr_event_file_write(mr_event_file *f, int64_t step);
/* The first error of all; frees F (NULL: nothing happens). E may be NULL. */
int mr_event_file_close(mr_event_file *f, mr_error *e);

/* CRC-32C (Castagnoli, RFC 3720) of BYTES. */
uint32_t mr_crc32c(const void *bytes, size_t size);

#endif
