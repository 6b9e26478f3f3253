/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it, and the width of characters on a terminal. Thread safe. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes one code point off the front of STRING and stores how many bytes it took in *SIZE (0 at the end of
 * the string). A byte that is no UTF-8 (overlong forms and surrogates included) is U+FFFD, one byte long. */
uint32_t mr_utf8_next(const char *string, size_t *size);
/* Code points, as Python's len() counts them. */
size_t mr_utf8_length(const char *string);
/* Columns on a terminal: combining marks take none, East Asian wide characters and emoji two. Independent of
 * the locale; the ranges are those of UAX #11 that occur in names. */
size_t mr_utf8_columns(const char *string);
/* Bytes of the longest start of STRING that fits COLUMNS columns (whole code points). */
size_t mr_utf8_fit(const char *string, size_t columns);
/* Whether STRING is UTF-8 throughout. */
bool mr_utf8_valid(const char *string);

#endif
