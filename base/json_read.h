/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as Keras writes and reads it: Python's json module, which knows NaN and Infinity, escapes everything
 * that is not ASCII, and may carry NUL characters inside strings (marshalled Lambdas). jansson holds the
 * values. */
#ifndef MR_IO_JSON_TREE_H
#define MR_IO_JSON_TREE_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

enum {
    MR_JSON_MAX_BYTES = 64 << 20, /* no architecture is larger: MobileNetV3's is 200 KiB */
    MR_JSON_MAX_VALUES = 6 << 20, /* 20,000 layers of Keras 3 have about 3 million */
    MR_JSON_MAX_DEPTH = 200       /* brackets inside brackets; every nested model takes four */
};

/* Parses SIZE bytes of any value that Python's json.loads takes (base/json_python.h). NaN becomes null, ±Infinity
 * ±DBL_MAX. WHAT names the text in errors ("model_config of
 * x.h5"). MR_EFORMAT with line and column, MR_ELIMIT where it is too large or too deep. *OUT is a new
 * reference. */
int mr_json_parse(json_t **out, const char *text, size_t size, const char *what, mr_error *e);

/* The text as Python's json.dumps gives it: ", " and ": ", ASCII only, keys in their order, every number in
 * the fewest digits that give it back. malloc'ed and NUL terminated; NULL when out of memory. Thread safe as
 * long as no thread changes the value. */
char *mr_json_dump(const json_t *value);

/* The string at OBJECT[KEY], or NULL where there is none or it is something else. */
const char *mr_json_text(const json_t *object, const char *key);

/* VALUE (may be NULL) is the string TEXT. */
bool mr_json_is(const json_t *value, const char *text);

#endif
