/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_read.h"

#include "base/text.h"
#include "base/number.h"
#include "base/json_python.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading -------------------------------------------------------------- */

static int parse(json_t **out, const char *text, size_t size, const char *what, mr_error *e)
{
    mr_json_extent x;
    size_t length = mr_json_plain(NULL, text, size, &x);
    if (x.values > MR_JSON_MAX_VALUES)
        return mr_fail(e, MR_ELIMIT, "%s: more than %d values of JSON", what, MR_JSON_MAX_VALUES);
    if (x.deepest > MR_JSON_MAX_DEPTH)
        return mr_fail(e, MR_ELIMIT, "%s: JSON nested more than %d deep", what, MR_JSON_MAX_DEPTH);
    char *copy = malloc(length + 1);
    if (!copy)
        return mr_no_memory(e, "%s", what);
    mr_json_plain(copy, text, size, &x);
    json_error_t error;
    *out = json_loadb(copy, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    free(copy);
    if (*out)
        return 0;
    if (json_error_code(&error) == json_error_out_of_memory)
        return mr_no_memory(e, "%s", what);
    return mr_fail(e, MR_EFORMAT, "%s: not JSON, line %d column %d: %s", what, error.line, error.column,
                   error.text);
}

int mr_json_parse(json_t **out, const char *text, size_t size, const char *what, mr_error *e)
{
    char *decoded = NULL;
    size_t skip = 0;
    *out = NULL;
    if (size > MR_JSON_MAX_BYTES)
        return mr_fail(e, MR_ELIMIT, "%s: %zu bytes of JSON, more than %d", what, size, MR_JSON_MAX_BYTES);
    int status = mr_json_decode(&decoded, &size, &skip, text, what, e);
    if (!status)
        status = parse(out, decoded ? decoded : text + skip, size, what, e);
    free(decoded);
    return status;
}

/* --- writing -------------------------------------------------------------- */

/* In the fewest digits that read back as VALUE; always with a '.' or an exponent, so that it stays a
 * real. */
static void put_real(mr_text *b, double value)
{
    char text[MR_NUMBER_SIZE + 2];
    mr_format_double(text, value);
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    mr_text_append(b, text);
}

/* jansson escapes a string or key better than we would. */
static void put_string(mr_text *b, const char *text, size_t length)
{
    json_t *value = json_stringn_nocheck(text, length);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    if (quoted)
        mr_text_append(b, quoted);
    else
        b->failed = true;
    free(quoted);
    json_decref(value);
}

static void put_value(mr_text *b, const json_t *v);

static void put_object(mr_text *b, const json_t *v)
{
    const char *key;
    json_t *member;
    bool first = true;
    mr_text_append(b, "{");
    json_object_foreach ((json_t *)v, key, member) {
        mr_text_append(b, first ? "" : ", ");
        put_string(b, key, strlen(key));
        mr_text_append(b, ": ");
        put_value(b, member);
        first = false;
    }
    mr_text_append(b, "}");
}

static void put_array(mr_text *b, const json_t *v)
{
    mr_text_append(b, "[");
    for (size_t i = 0; i < json_array_size(v); i++) {
        mr_text_append(b, i ? ", " : "");
        put_value(b, json_array_get(v, i));
    }
    mr_text_append(b, "]");
}

/* Recursion is bounded: values come from mr_json_parse or are made by us. */
static void put_value(mr_text *b, const json_t *v)
{
    char text[32];
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT:
        put_object(b, v);
        break;
    case JSON_ARRAY:
        put_array(b, v);
        break;
    case JSON_STRING:
        put_string(b, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        mr_text_append(b, text);
        break;
    case JSON_REAL:
        put_real(b, json_real_value(v));
        break;
    case JSON_TRUE:
        mr_text_append(b, "true");
        break;
    case JSON_FALSE:
        mr_text_append(b, "false");
        break;
    case JSON_NULL:
        mr_text_append(b, "null");
    }
}

char *mr_json_dump(const json_t *value)
{
    mr_text b = {0};
    put_value(&b, value);
    if (b.failed) {
        free(b.data);
        return NULL;
    }
    return b.data;
}

const char *mr_json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool mr_json_is(const json_t *value, const char *text)
{
    const char *have = json_string_value(value);
    return have && !strcmp(have, text);
}
