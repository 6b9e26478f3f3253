/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums: XXH3 of 64 bits (xxhash.com), which runs at the speed of memory. It finds damage; it is no
 * protection from people who want to deceive. Values are part of the file format: seed 0, bytes as they are
 * stored (little endian). */
#ifndef MR_IO_CHECKSUM_H
#define MR_IO_CHECKSUM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

uint64_t mr_checksum(const void *bytes, size_t size);

/* The same of bytes that come in pieces. */
typedef struct mr_checksum_stream mr_checksum_stream;
int mr_checksum_begin(mr_checksum_stream **out, mr_error *e);
void mr_checksum_add(mr_checksum_stream *s, const void *bytes, size_t size);
/* TEXT with its NUL: so that "ab", "c" and "a", "bc" differ. */
void mr_checksum_add_text(mr_checksum_stream *s, const char *text);
void mr_checksum_add_number(mr_checksum_stream *s, int64_t v);
/* The checksum so far; frees S. */
uint64_t mr_checksum_end(mr_checksum_stream *s);

#endif
