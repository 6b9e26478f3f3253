/* SPDX-License-Identifier: Apache-2.0 */
#include "io/json_tree.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading -------------------------------------------------------------- */

/* What Python writes for numbers that JSON does not have, and what is put in their place. */
static const struct constant {
    const char *text, *value;
} constants[] = {
    {"-Infinity", "-1.7976931348623157e308"}, {"Infinity", "1.7976931348623157e308"}, {"NaN", "null"}};

static const struct constant *constant_at(const char *text, size_t left)
{
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        size_t n = strlen(constants[i].text);
        if (left >= n && !memcmp(text, constants[i].text, n))
            return &constants[i];
    }
    return NULL;
}

struct extent {
    int deepest;   /* nesting */
    size_t values; /* at most: commas and brackets that open */
};

/* One pass over the text outside of strings: measures it and copies it to OUT (when not NULL) with the
 * constants replaced. Returns the length of the copy. */
static size_t scan(const char *text, size_t size, char *out, struct extent *x)
{
    size_t n = 0;
    int depth = 0;
    bool quoted = false;
    *x = (struct extent){0, 1};
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        const struct constant *k =
            !quoted && (c == '-' || c == 'I' || c == 'N') ? constant_at(text + i, size - i) : NULL;
        if (k) {
            if (out)
                memcpy(out + n, k->value, strlen(k->value));
            n += strlen(k->value);
            i += strlen(k->text) - 1;
            continue;
        }
        if (out)
            out[n] = c;
        n++;
        if (quoted && c == '\\' && i + 1 < size) {
            if (out)
                out[n] = text[i + 1];
            n++;
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '[' || c == '{')) {
            x->values++;
            if (++depth > x->deepest)
                x->deepest = depth;
        } else if (!quoted && c == ',') {
            x->values++;
        } else if (!quoted && (c == ']' || c == '}')) {
            depth--;
        }
    }
    return n;
}

int mr_json_parse(json_t **out, const char *text, size_t size, const char *what, mr_error *e)
{
    *out = NULL;
    if (size > MR_JSON_MAX_BYTES)
        return mr_fail(e, MR_ELIMIT, "%s: %zu bytes of JSON, more than %d", what, size, MR_JSON_MAX_BYTES);
    struct extent x;
    size_t length = scan(text, size, NULL, &x);
    if (x.values > MR_JSON_MAX_VALUES)
        return mr_fail(e, MR_ELIMIT, "%s: more than %d values of JSON", what, MR_JSON_MAX_VALUES);
    if (x.deepest > MR_JSON_MAX_DEPTH)
        return mr_fail(e, MR_ELIMIT, "%s: JSON nested more than %d deep", what, MR_JSON_MAX_DEPTH);
    char *copy = malloc(length + 1);
    if (!copy)
        return mr_fail(e, MR_ENOMEM, "%s: out of memory", what);
    scan(text, size, copy, &x);
    json_error_t error;
    *out = json_loadb(copy, length, JSON_ALLOW_NUL, &error);
    free(copy);
    if (!*out)
        return mr_fail(e, MR_EFORMAT, "%s: not JSON, line %d column %d: %s", what, error.line, error.column,
                       error.text);
    return 0;
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
