/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as Python's json module takes it, as the JSON that jansson takes: UTF-8, UTF-16 or UTF-32 with or
 * without a byte-order mark; NaN and Infinity; integers and exponents of any size; lone surrogates. */
#ifndef MR_IO_JSON_PYTHON_H
#define MR_IO_JSON_PYTHON_H

#include "base/error.h"

#include <stddef.h>

typedef struct mr_json_extent {
    int deepest;   /* nesting of brackets */
    size_t values; /* at most: commas and brackets that open */
} mr_json_extent;

/* SIZE bytes of TEXT in UTF-8, without byte-order mark: *OUT is malloc'ed where something had to change, else
 * NULL, and TEXT from *SKIP on is it. WHAT names the text in errors. */
int mr_json_decode(char **out, size_t *size, size_t *skip, const char *text, const char *what, mr_error *e);

/* Copies SIZE bytes of UTF-8 to OUT (when not NULL): NaN as null, numbers beyond a double as the largest one,
 * integers beyond 18 digits as reals, lone surrogates as U+FFFD. Returns the length of the copy, and what
 * there is of brackets and values. */
size_t mr_json_plain(char *out, const char *text, size_t size, mr_json_extent *x);

#endif
