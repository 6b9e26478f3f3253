/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_write.h"

#include "base/csv.h"
#include <math.h>

static void begin_value(mr_json *w)
{
    if (w->has_members[w->depth] && !w->after_key && w->depth > 0)
        mr_text_append_char(&w->text, ',');
    w->has_members[w->depth] = true;
    w->after_key = false;
}

static void open_level(mr_json *w, char bracket)
{
    begin_value(w);
    mr_text_append_char(&w->text, bracket);
    if (w->depth == MR_JSON_DEPTH)
        w->text.failed = true; /* a program error; shows as a text that could not be written */
    else
        w->has_members[++w->depth] = false;
}

static void close_level(mr_json *w, char bracket)
{
    mr_text_append_char(&w->text, bracket);
    if (w->depth > 0)
        w->depth--;
}

void mr_json_begin_object(mr_json *w)
{
    open_level(w, '{');
}

void mr_json_end_object(mr_json *w)
{
    close_level(w, '}');
}

void mr_json_begin_array(mr_json *w)
{
    open_level(w, '[');
}

void mr_json_end_array(mr_json *w)
{
    close_level(w, ']');
}

static void append_escaped(mr_text *t, const char *string, size_t size, uint32_t code)
{
    static const char short_escapes[] = "btn?fr"; /* U+0008 … U+000D */
    if (code == '"' || code == '\\')
        mr_text_format(t, "\\%c", (char)code);
    else if (code >= 8 && code <= 13 && code != 11)
        mr_text_format(t, "\\%c", short_escapes[code - 8]);
    else if (code < 0x20 || code == 0x7f)
        mr_text_format(t, "\\u%04x", code);
    else if (code == 0xfffd)
        mr_text_append(t, "\xef\xbf\xbd");
    else
        mr_text_append_bytes(t, string, size);
}

static void append_string(mr_text *t, const char *string)
{
    mr_text_append_char(t, '"');
    for (size_t size; *string; string += size) {
        uint32_t code = mr_utf8_next(string, &size);
        append_escaped(t, string, size, code);
    }
    mr_text_append_char(t, '"');
}

void mr_json_key(mr_json *w, const char *key)
{
    begin_value(w);
    append_string(&w->text, key);
    mr_text_append_char(&w->text, ':');
    w->after_key = true;
}

void mr_json_string(mr_json *w, const char *value)
{
    begin_value(w);
    if (value)
        append_string(&w->text, value);
    else
        mr_text_append(&w->text, "null");
}

void mr_json_integer(mr_json *w, int64_t value)
{
    begin_value(w);
    mr_text_format(&w->text, "%lld", (long long)value);
}

void mr_json_float(mr_json *w, float value)
{
    char text[MR_NUMBER_SIZE];
    mr_format_float(text, value);
    begin_value(w);
    mr_text_append(&w->text, isfinite(value) ? text : "null");
}

void mr_json_double(mr_json *w, double value)
{
    char text[MR_NUMBER_SIZE];
    mr_format_double(text, value);
    begin_value(w);
    mr_text_append(&w->text, isfinite(value) ? text : "null");
}

void mr_json_boolean(mr_json *w, bool value)
{
    begin_value(w);
    mr_text_append(&w->text, value ? "true" : "false");
}

void mr_json_raw(mr_json *w, const char *text)
{
    begin_value(w);
    mr_text_append(&w->text, text);
}

void mr_json_end_line(mr_json *w)
{
    mr_text_append_char(&w->text, '\n');
    w->depth = 0;
    w->has_members[0] = w->after_key = false;
}

void mr_json_destroy(mr_json *w)
{
    if (!w)
        return;
    mr_text_destroy(&w->text);
    *w = (mr_json){0};
}
