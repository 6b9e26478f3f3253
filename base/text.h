/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string, and the little that has to be known of UTF-8. Used wherever a text is put together before
 * it is printed, so that what is tested is a string and not a stream. */
#ifndef MR_NN_TEXT_H
#define MR_NN_TEXT_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* {0} is an empty text. Running out of memory is remembered instead of returned: the appends become no-ops,
 * and mr_text_check says it once at the end. Not thread safe. */
typedef struct mr_text {
    char *data;    /* length bytes and a NUL, or NULL while nothing was appended; owned */
    size_t length; /* bytes, without the NUL; the text may hold NUL bytes of its own */
    size_t capacity;
    bool failed; /* an append ran out of memory: the text is incomplete */
} mr_text;

void mr_text_append(mr_text *t, const char *string);
void mr_text_append_bytes(mr_text *t, const void *bytes, size_t size);
void mr_text_append_char(mr_text *t, char c);
/* STRING, COUNT times; COUNT <= 0 appends nothing. */
void mr_text_repeat(mr_text *t, const char *string, long count);
void mr_text_format(mr_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What every name that comes from outside goes through before it meets a terminal or Cairo: control
 * characters become '?' and bytes that are no UTF-8 become U+FFFD. */
void mr_text_append_clean(mr_text *t, const char *string);

/* STRING, with blanks before (RIGHT) or after it up to WIDTH columns; never cut. */
void mr_text_append_padded(mr_text *t, const char *string, size_t width, bool right);

/* STRING as mr_text_append_clean gives it, cut to WIDTH columns; what was cut shows as an ellipsis at the
 * end. */
void mr_text_append_cut(mr_text *t, const char *string, size_t width);

/* The text as a C string, "" where nothing was appended. Valid until the next change. */
const char *mr_text_string(const mr_text *t);
/* 0, or MR_ENOMEM where an append was lost. WHAT names the text in the message. */
int mr_text_check(const mr_text *t, const char *what, mr_error *e);

/* Forgets the content and the failure, keeps the memory. */
void mr_text_clear(mr_text *t);
/* Frees the memory; the text is {0} again. NULL is fine. */
void mr_text_destroy(mr_text *t);

/* Takes one code point off the front of STRING and stores how many bytes it took in *SIZE (0 at the end of
 * the string). A byte that is no UTF-8 (overlong forms and surrogates included) is U+FFFD, one byte long. */
uint32_t mr_utf8_next(const char *string, size_t *size);
/* Code points, as Python's len() counts them. */
size_t mr_utf8_length(const char *string);
/* Columns on a terminal: combining marks take none, East Asian wide characters and emoji two. Independent of
 * the locale; the ranges are those of UAX #11 that occur in names. */
size_t mr_utf8_columns(const char *string);
/* Bytes of the longest start of STRING that fits COLUMNS columns (whole code points). */
size_t mr_utf8_fit(const char *string, size_t columns);

#endif
