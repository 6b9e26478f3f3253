/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_python.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- encodings ------------------------------------------------------------ */

struct encoding {
    int unit;    /* bytes: 1, 2, 4 */
    bool big;    /* the most significant byte first */
    size_t mark; /* bytes of the byte-order mark */
};

/* As Python's json.detect_encoding: by the mark, or by where the first characters, which are ASCII in any
 * JSON, have their zeros. */
static struct encoding encoding_of(const unsigned char *t, size_t size)
{
    if (size >= 4 && !memcmp(t, "\0\0\xfe\xff", 4))
        return (struct encoding){4, true, 4};
    if (size >= 4 && !memcmp(t, "\xff\xfe\0\0", 4))
        return (struct encoding){4, false, 4};
    if (size >= 2 && (!memcmp(t, "\xfe\xff", 2) || !memcmp(t, "\xff\xfe", 2)))
        return (struct encoding){2, t[0] == 0xfe, 2};
    if (size >= 3 && !memcmp(t, "\xef\xbb\xbf", 3))
        return (struct encoding){1, false, 3};
    if (size >= 4 && !t[0])
        return (struct encoding){t[1] ? 2 : 4, true, 0};
    if (size >= 4 && !t[1])
        return (struct encoding){t[2] || t[3] ? 2 : 4, false, 0};
    if (size == 2 && (!t[0] || !t[1]))
        return (struct encoding){2, !t[0], 0};
    return (struct encoding){1, false, 0};
}

static uint32_t unit_at(const unsigned char *t, const struct encoding *k)
{
    uint32_t value = 0;
    for (int i = 0; i < k->unit; i++)
        value = value << 8 | t[k->big ? i : k->unit - 1 - i];
    return value;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(first[n] | c);
    return n;
}

int mr_json_decode(char **out, size_t *size, size_t *skip, const char *text, const char *what, mr_error *e)
{
    const unsigned char *t = (const unsigned char *)text;
    struct encoding k = encoding_of(t, *size);
    size_t unit = (size_t)k.unit, n = 0;
    *out = NULL;
    *skip = k.mark;
    if (k.unit == 1) {
        *size -= k.mark;
        return 0;
    }
    char *copy = malloc(*size / unit * 4 + 4);
    if (!copy)
        return mr_no_memory(e, "%s", what);
    for (size_t i = k.mark; i + unit <= *size; i += unit) {
        uint32_t c = unit_at(t + i, &k);
        bool high = unit == 2 && c >= 0xd800 && c < 0xdc00 && i + 4 <= *size;
        uint32_t low = high ? unit_at(t + i + 2, &k) : 0;
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        }
        n += put_utf8(copy + n, c);
    }
    *out = copy;
    *size = n;
    *skip = 0;
    return 0;
}

/* --- what jansson does not take ------------------------------------------- */

static const char largest[] = "1.7976931348623157e308";

struct copy {
    char *out;
    size_t length;
};

static void put(struct copy *c, const char *text, size_t n)
{
    if (c->out)
        memcpy(c->out + c->length, text, n);
    c->length += n;
}

static bool starts(const char *text, size_t left, const char *word)
{
    return left >= strlen(word) && !memcmp(text, word, strlen(word));
}

/* The four digits of \uXXXX at TEXT, or -1. */
static long escape_at(const char *text, size_t left)
{
    char digits[5] = {0};
    if (left < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    memcpy(digits, text + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/* An escape inside a string; returns how much of TEXT it is. */
static size_t put_escape(struct copy *c, const char *text, size_t left)
{
    long code = escape_at(text, left), next = code < 0 ? -1 : escape_at(text + 6, left - 6);
    bool high = code >= 0xd800 && code < 0xdc00, low = code >= 0xdc00 && code < 0xe000;
    size_t n = code < 0 ? (left > 1 ? 2 : 1) : 6;
    if (high && next >= 0xdc00 && next < 0xe000)
        n = 12;
    else if (high || low) {
        put(c, "\\ufffd", 6);
        return n;
    }
    put(c, text, n);
    return n;
}

/* Numbers of any size; returns how much of TEXT it is. */
static size_t put_number(struct copy *c, const char *text, size_t left)
{
    size_t n = 0, digits = 0;
    bool whole = true;
    if (starts(text, left, "-Infinity")) {
        put(c, "-", 1);
        put(c, largest, sizeof largest - 1);
        return strlen("-Infinity");
    }
    for (; n < left && (isdigit((unsigned char)text[n]) || memchr("+-.eE", text[n], 5)); n++) {
        digits += whole && isdigit((unsigned char)text[n]);
        whole = whole && !memchr(".eE", text[n], 3);
    }
    if (digits <= 18 && (whole || (!memchr(text, 'e', n) && !memchr(text, 'E', n)))) {
        put(c, text, n);
        return n;
    }
    char *copy = strndup(text, n), *end = copy;
    double value = copy ? strtod(copy, &end) : 0;
    bool number = copy && end == copy + n;
    free(copy);
    if (number && !isfinite(value)) {
        put(c, "-", value < 0);
        put(c, largest, sizeof largest - 1);
        return n;
    }
    put(c, text, n);
    if (number && whole)
        put(c, ".0", 2);
    return n;
}

/* What stands outside of strings at TEXT; returns how much of it was copied. */
static size_t put_token(struct copy *c, const char *text, size_t left)
{
    if (*text == '-' || isdigit((unsigned char)*text))
        return put_number(c, text, left);
    if (starts(text, left, "NaN")) {
        put(c, "null", 4);
        return 3;
    }
    if (starts(text, left, "Infinity")) {
        put(c, largest, sizeof largest - 1);
        return strlen("Infinity");
    }
    put(c, text, 1);
    return 1;
}

static void measure(mr_json_extent *x, int *depth, char c)
{
    if (c == '[' || c == '{') {
        x->values++;
        if (++*depth > x->deepest)
            x->deepest = *depth;
    } else if (c == ']' || c == '}') {
        --*depth;
    } else if (c == ',') {
        x->values++;
    }
}

size_t mr_json_plain(char *out, const char *text, size_t size, mr_json_extent *x)
{
    struct copy c = {out, 0};
    int depth = 0;
    bool quoted = false;
    *x = (mr_json_extent){0, 1};
    for (size_t i = 0; i < size;) {
        if (quoted && text[i] == '\\') {
            i += put_escape(&c, text + i, size - i);
        } else if (quoted || text[i] == '"') {
            quoted = text[i] == '"' ? !quoted : quoted;
            put(&c, text + i++, 1);
        } else {
            measure(x, &depth, text[i]);
            i += put_token(&c, text + i, size - i);
        }
    }
    return c.length;
}
