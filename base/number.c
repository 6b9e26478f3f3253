/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NaN has a sign that printf would show. */
static bool format_special(char text[MR_NUMBER_SIZE], double value)
{
    if (isfinite(value))
        return false;
    strcpy(text, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    return true;
}

void mr_format_float(char text[MR_NUMBER_SIZE], float value)
{
    if (format_special(text, (double)value))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, MR_NUMBER_SIZE, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            return;
    }
}

void mr_format_double(char text[MR_NUMBER_SIZE], double value)
{
    if (format_special(text, value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, MR_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

char *mr_hex_encode(const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    char *text = malloc(2 * size + 1);
    for (size_t i = 0; text && i < size; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 15];
    }
    if (text)
        text[2 * size] = '\0';
    return text;
}

bool mr_is_hex(const char *text)
{
    size_t length = text ? strspn(text, "0123456789abcdef") : 0;
    return text && !text[length] && length % 2 == 0;
}

static unsigned char nibble(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

char *mr_hex_decode(const char *text, size_t *size)
{
    size_t count = mr_is_hex(text) ? strlen(text) / 2 : 0;
    char *bytes = mr_is_hex(text) ? malloc(count + 1) : NULL;
    if (!bytes)
        return NULL;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    bytes[count] = '\0';
    if (size)
        *size = count;
    return bytes;
}
