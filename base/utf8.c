/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#define REPLACEMENT 0xfffdu

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the sequence that LEAD starts, 0 where no sequence can start so. */
static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

uint32_t mr_utf8_next(const char *string, size_t *size)
{
    static const unsigned char lead_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)string;
    *size = s[0] != 0;
    size_t length = sequence_length(s[0]);
    if (length == 0)
        return REPLACEMENT;
    uint32_t code = s[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++) {
        if (!continues(s[i])) /* also where the string ends early: NUL does not continue */
            return REPLACEMENT;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return REPLACEMENT;
    if (s[0])
        *size = length;
    return code;
}

size_t mr_utf8_length(const char *string)
{
    size_t count = 0, size;
    for (mr_utf8_next(string, &size); size; mr_utf8_next(string, &size)) {
        string += size;
        count++;
    }
    return count;
}

static size_t code_columns(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        size_t columns;
    } ranges[] = {
        {0x0300, 0x036f, 0}, /* combining marks */
        {0x1100, 0x115f, 2}, /* Hangul Jamo */
        {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},
        {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2}, /* CJK radicals, punctuation */
        {0x3041, 0xa4cf, 2},                        /* kana, CJK, Yi */
        {0xac00, 0xd7a3, 2},                        /* Hangul */
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},
        {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},   /* fullwidth forms */
        {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, /* pictographs */
        {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && code >= ranges[i].first; i++)
        if (code <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

/* Walks STRING while it fits COLUMNS; returns the bytes that fit, and their columns in *USED. */
static size_t walk(const char *string, size_t columns, size_t *used)
{
    size_t bytes = 0, size;
    *used = 0;
    for (;;) {
        uint32_t code = mr_utf8_next(string + bytes, &size);
        size_t width = code_columns(code);
        if (size == 0 || *used + width > columns)
            return bytes;
        *used += width;
        bytes += size;
    }
}

size_t mr_utf8_columns(const char *string)
{
    size_t used;
    walk(string, SIZE_MAX / 2, &used);
    return used;
}

size_t mr_utf8_fit(const char *string, size_t columns)
{
    size_t used;
    return walk(string, columns, &used);
}

bool mr_utf8_valid(const char *string)
{
    for (size_t size; *string; string += size)
        if (mr_utf8_next(string, &size) == REPLACEMENT && size == 1)
            return false;
    return true;
}
