/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"

#include <errno.h>
#include <string.h>

static void begin_field(mr_csv *w)
{
    if (w->fields++ > 0)
        mr_text_append_char(&w->text, ',');
}

/* Blanks at the ends are quoted too: RFC 4180 keeps them, some readers strip them. */
static bool needs_quotes(const char *field)
{
    size_t length = strlen(field);
    return strpbrk(field, ",\"\r\n") || (length && (field[0] == ' ' || field[length - 1] == ' '));
}

void mr_csv_text(mr_csv *w, const mr_text *field)
{
    w->text.failed |= field->failed;
    mr_csv_string(w, mr_text_string(field));
}

void mr_csv_string(mr_csv *w, const char *field)
{
    begin_field(w);
    if (!needs_quotes(field)) {
        mr_text_append(&w->text, field);
        return;
    }
    mr_text_append_char(&w->text, '"');
    for (const char *quote; (quote = strchr(field, '"')); field = quote + 1) {
        mr_text_append_bytes(&w->text, field, (size_t)(quote - field));
        mr_text_append(&w->text, "\"\"");
    }
    mr_text_append(&w->text, field);
    mr_text_append_char(&w->text, '"');
}

void mr_csv_integer(mr_csv *w, int64_t field)
{
    begin_field(w);
    mr_text_format(&w->text, "%lld", (long long)field);
}

void mr_csv_float(mr_csv *w, float field)
{
    char text[MR_NUMBER_SIZE];
    mr_format_float(text, field);
    begin_field(w);
    mr_text_append(&w->text, text);
}

void mr_csv_double(mr_csv *w, double field)
{
    char text[MR_NUMBER_SIZE];
    mr_format_double(text, field);
    begin_field(w);
    mr_text_append(&w->text, text);
}

void mr_csv_empty(mr_csv *w)
{
    begin_field(w);
}

void mr_csv_end_row(mr_csv *w)
{
    mr_text_append_char(&w->text, '\n');
    w->fields = 0;
}

int mr_csv_flush(mr_csv *w, FILE *file, const char *path, mr_error *e)
{
    int status = mr_text_check(&w->text, path, e);
    size_t length = w->text.length;
    errno = 0;
    if (!status && (fwrite(mr_text_string(&w->text), 1, length, file) != length || fflush(file) != 0))
        status = mr_fail_errno(e, errno ? errno : EIO, "cannot write %s", path);
    mr_text_clear(&w->text);
    return status;
}

void mr_csv_destroy(mr_csv *w)
{
    if (!w)
        return;
    mr_text_destroy(&w->text);
    w->fields = 0;
}
