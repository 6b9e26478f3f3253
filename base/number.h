/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and bytes as text that reads back as the same. */
#ifndef MR_BASE_NUMBER_H
#define MR_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* The shortest of %.6g … %.9g (%.15g … %.17g for double) that reads back as the same number. Needs LC_NUMERIC
 * to be "C", which it is in a program that does not call setlocale for it. */
#define MR_NUMBER_SIZE 32
void mr_format_float(char text[MR_NUMBER_SIZE], float value);
void mr_format_double(char text[MR_NUMBER_SIZE], double value);

/* SIZE bytes as 2 * SIZE lower-case hexadecimal digits; malloc'ed, NULL when out of memory. */
char *mr_hex_encode(const void *bytes, size_t size);
/* Whether TEXT (may be NULL) is lower-case hexadecimal digits for whole bytes. */
bool mr_is_hex(const char *text);
/* The bytes, followed by a NUL; malloc'ed. *SIZE (may be NULL) counts them without the NUL. NULL where TEXT is
 * not hexadecimal, or when out of memory. */
char *mr_hex_decode(const char *text, size_t *size);

#endif
