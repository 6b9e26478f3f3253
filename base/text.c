/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for MORE bytes and the NUL. False, and t->failed, where there is none. */
static bool reserve(mr_text *t, size_t more)
{
    if (t->failed)
        return false;
    if (more >= SIZE_MAX / 2 - t->length)
        return !(t->failed = true);
    size_t wanted = t->length + more + 1;
    if (wanted <= t->capacity)
        return true;
    size_t capacity = t->capacity ? t->capacity : 64;
    while (capacity < wanted)
        capacity *= 2;
    char *data = realloc(t->data, capacity);
    if (!data)
        return !(t->failed = true);
    t->data = data;
    t->capacity = capacity;
    return true;
}

void mr_text_append_bytes(mr_text *t, const void *bytes, size_t size)
{
    if (!reserve(t, size))
        return;
    if (size)
        memcpy(t->data + t->length, bytes, size);
    t->length += size;
    t->data[t->length] = '\0';
}

void mr_text_append(mr_text *t, const char *string)
{
    mr_text_append_bytes(t, string, strlen(string));
}

void mr_text_append_char(mr_text *t, char c)
{
    mr_text_append_bytes(t, &c, 1);
}

void mr_text_repeat(mr_text *t, const char *string, long count)
{
    for (long i = 0; i < count; i++)
        mr_text_append(t, string);
}

void mr_text_format(mr_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        t->failed = true;
    else if (reserve(t, (size_t)n)) {
        vsnprintf(t->data + t->length, (size_t)n + 1, format, again);
        t->length += (size_t)n;
    }
    va_end(again);
}

/* What moves a terminal's cursor, breaks a line or turns the direction of all that follows. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Appends the code point at STRING, SIZE bytes long, as mr_text_append_clean promises it. */
static void append_code_point(mr_text *t, const char *string, size_t size, uint32_t code)
{
    if (is_control(code))
        mr_text_append_char(t, '?');
    else if (code == 0xfffd)
        mr_text_append(t, "\xef\xbf\xbd");
    else
        mr_text_append_bytes(t, string, size);
}

static void append_clean_until(mr_text *t, const char *string, const char *end)
{
    while (string < end) {
        size_t size;
        uint32_t code = mr_utf8_next(string, &size);
        append_code_point(t, string, size, code);
        string += size;
    }
}

void mr_text_append_clean(mr_text *t, const char *string)
{
    append_clean_until(t, string, string + strlen(string));
}

void mr_text_append_padded(mr_text *t, const char *string, size_t width, bool right)
{
    size_t columns = mr_utf8_columns(string);
    long blanks = columns < width ? (long)(width - columns) : 0;
    if (right)
        mr_text_repeat(t, " ", blanks);
    mr_text_append(t, string);
    if (!right)
        mr_text_repeat(t, " ", blanks);
}

void mr_text_append_cut(mr_text *t, const char *string, size_t width)
{
    if (mr_utf8_columns(string) <= width) {
        mr_text_append_clean(t, string);
    } else if (width > 0) {
        append_clean_until(t, string, string + mr_utf8_fit(string, width - 1));
        mr_text_append(t, "\xe2\x80\xa6");
    }
}

const char *mr_text_string(const mr_text *t)
{
    return t->data ? t->data : "";
}

int mr_text_check(const mr_text *t, const char *what, mr_error *e)
{
    return t->failed ? mr_no_memory(e, "%s", what) : MR_OK;
}

void mr_text_clear(mr_text *t)
{
    t->length = 0;
    t->failed = false;
    if (t->data)
        t->data[0] = '\0';
}

void mr_text_destroy(mr_text *t)
{
    if (!t)
        return;
    free(t->data);
    *t = (mr_text){0};
}

bool mr_ends_with(const char *string, const char *end)
{
    size_t length = strlen(string), of_end = strlen(end);
    return length >= of_end && !strcmp(string + length - of_end, end);
}
