/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_read.h"

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
        return mr_fail(e, MR_ENOMEM, "%s: out of memory", what);
    mr_json_plain(copy, text, size, &x);
    json_error_t error;
    *out = json_loadb(copy, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    free(copy);
    if (*out)
        return 0;
    if (json_error_code(&error) == json_error_out_of_memory)
        return mr_fail(e, MR_ENOMEM, "%s: out of memory", what);
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

struct buffer {
    char *data;
    size_t size, capacity;
    bool failed; /* out of memory: everything after is dropped */
};

static void put(struct buffer *b, const char *text, size_t n)
{
    if (b->failed)
        return;
    if (b->size + n + 1 > b->capacity) {
        size_t capacity = 2 * b->capacity + n + 1024;
        char *larger = realloc(b->data, capacity);
        if (!larger) {
            b->failed = true;
            return;
        }
        b->data = larger;
        b->capacity = capacity;
    }
    memcpy(b->data + b->size, text, n);
    b->size += n;
    b->data[b->size] = '\0';
}

static void put_text(struct buffer *b, const char *text)
{
    put(b, text, strlen(text));
}

/* The fewest of 1 … 17 digits that read back as VALUE; always with a '.' or an exponent, so that it stays a
 * real. */
static void put_real(struct buffer *b, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    put_text(b, text);
}

/* jansson escapes a string or key better than we would. */
static void put_string(struct buffer *b, const char *text, size_t length)
{
    json_t *value = json_stringn_nocheck(text, length);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    if (quoted)
        put_text(b, quoted);
    else
        b->failed = true;
    free(quoted);
    json_decref(value);
}

static void put_value(struct buffer *b, const json_t *v);

static void put_object(struct buffer *b, const json_t *v)
{
    const char *key;
    json_t *member;
    bool first = true;
    put_text(b, "{");
    json_object_foreach ((json_t *)v, key, member) {
        put_text(b, first ? "" : ", ");
        put_string(b, key, strlen(key));
        put_text(b, ": ");
        put_value(b, member);
        first = false;
    }
    put_text(b, "}");
}

static void put_array(struct buffer *b, const json_t *v)
{
    put_text(b, "[");
    for (size_t i = 0; i < json_array_size(v); i++) {
        put_text(b, i ? ", " : "");
        put_value(b, json_array_get(v, i));
    }
    put_text(b, "]");
}

/* Recursion is bounded: values come from mr_json_parse or are made by us. */
static void put_value(struct buffer *b, const json_t *v)
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
        put_text(b, text);
        break;
    case JSON_REAL:
        put_real(b, json_real_value(v));
        break;
    case JSON_TRUE:
        put_text(b, "true");
        break;
    case JSON_FALSE:
        put_text(b, "false");
        break;
    case JSON_NULL:
        put_text(b, "null");
    }
}

char *mr_json_dump(const json_t *value)
{
    struct buffer b = {0};
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
