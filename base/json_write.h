/* SPDX-License-Identifier: Apache-2.0 */
/* Writing of JSON, one value after the other, into a text: for lines of JSONL, where jansson would build a
 * tree per line only to print it. Reading JSON is jansson's. */
#ifndef MR_IO_JSON_H
#define MR_IO_JSON_H

#include "base/text.h"

/* {0} is ready for use: everything between mr_json_begin_object and the matching end is one object, commas
 * are set where they belong. Objects and arrays nest up to MR_JSON_DEPTH deep. Not thread safe. */
#define MR_JSON_DEPTH 16
typedef struct mr_json {
    mr_text text;
    int depth;
    bool has_members[MR_JSON_DEPTH + 1];
    bool after_key;
} mr_json;

void mr_json_begin_object(mr_json *w);
void mr_json_end_object(mr_json *w);
void mr_json_begin_array(mr_json *w);
void mr_json_end_array(mr_json *w);
/* The name of the next value; only inside an object. */
void mr_json_key(mr_json *w, const char *key);

/* Bytes that are no UTF-8 become U+FFFD: JSON has no other way to say them. NULL is written as null. */
void mr_json_string(mr_json *w, const char *value);
void mr_json_integer(mr_json *w, int64_t value);
/* NaN and infinities, which JSON lacks, become null. */
void mr_json_float(mr_json *w, float value);
void mr_json_double(mr_json *w, double value);
void mr_json_boolean(mr_json *w, bool value);
/* TEXT, which is JSON already. */
void mr_json_raw(mr_json *w, const char *text);

/* Ends a line of JSONL. */
void mr_json_end_line(mr_json *w);
void mr_json_destroy(mr_json *w);

#endif
